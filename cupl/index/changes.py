"""What became of an index: how many photos were added, changed, moved, removed."""

from __future__ import annotations

from dataclasses import dataclass, field

_EXAMPLES = 5


@dataclass(eq=False)
class IndexChanges:
    """What a run did to an index, or would do.

    Attributes:
        added: photos that were not in it.
        changed: photos whose content was another one.
        moved: photos that are at another path now, by their content.
        unchanged: photos that it knew already.
        removed: photos that were taken out.
        gone: photos whose files are gone, and that it still has.
        failed: photos that could not be read; what it knew of them before is kept.
        examples: path and reason of the first few of these.
        absent: folders that are not there, or hold no photo any more, as where a drive is not
            there; their photos were left as they are.
        empty: folders in these that are there and empty, likewise, with how many photos of the
            index are gone from them.

    """

    added: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0
    removed: int = 0
    gone: int = 0
    failed: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    empty: dict[str, int] = field(default_factory=dict)

    @property
    def written(self) -> int:
        """How many photos were added, changed or moved."""
        return self.added + self.changed + self.moved

    def fail(self, path: str, why: str) -> None:
        """Count a photo that could not be read."""
        self.failed += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append((path, why))
