"""What holds what cupl writes of a photo, its file and its sidecar; what became of each photo."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from cupl.errors import InputError, MissingPackageError
from cupl.index.image_keywords import check_kept, check_unharmed, keywords_in, take_keywords
from cupl.index.rewriting import (
    Check,
    Edit,
    Note,
    Undone,
    not_noted,
    original_of,
    read_whole,
    real_file,
    rewrite,
    take_back,
)
from cupl.index.sidecars import check_sidecar, keywords_of_sidecar, sidecar_of, take_from_sidecar
from cupl.index.xmp_packets import Keywords
from cupl.io.atomic import own_file, remove_unfinished
from cupl.io.placing import rename_new
from cupl.io.reasons import reason

PhotoOutcome: TypeAlias = Undone | Literal["theirs"]
"""What became of a photo."""


@dataclass(eq=False)
class WrittenReport:
    """What became of photos that keywords or descriptions were written to, or taken from.

    Attributes:
        changed: photos that were written to, or whose sidecars were.
        same: photos that were as they should be already.
        restored: of those changed, photos that are the originals again, byte for byte.
        older: photos that hold keywords of cupl beside those that were written now.
        theirs: paths of those that a person has described, which stay as they are.
        errors: path and reason of those that could not be changed; they are as they were.

    """

    changed: int = 0
    same: int = 0
    restored: int = 0
    older: int = 0
    theirs: list[str] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, path: str | os.PathLike[str], change: Callable[[Path], PhotoOutcome]) -> None:
        """Change a photo, and note what became of it."""
        try:
            done = change(real_file(path))
        except MissingPackageError:
            raise
        except OSError as error:
            self.errors.append((os.fspath(path), reason(error, path)))
        except InputError as error:
            self.errors.append((os.fspath(path), str(error)))
        else:
            if done == "theirs":
                self.theirs.append(os.fspath(path))
            self.changed += done in ("changed", "restored")
            self.same += done == "same"
            self.restored += done == "restored"


@dataclass(frozen=True)
class Holder:
    """A photo or a sidecar, as functions of its content."""

    keywords: Callable[[bytes], Keywords]
    take: Edit
    check: Check
    check_kept: Callable[[bytes, bytes, str], None] = lambda *_: None
    """Accepts the content, and what is kept already as its original under a name; or raises."""

    def has_ours(self, content: bytes) -> bool:
        """Whether it holds anything that cupl added."""
        return self.take(content) is not content

    def write(self, path: Path, edit: Edit, note: Note = not_noted) -> Undone:
        """Change a file that is there."""

        def keep(old: bytes) -> bool:
            if self.has_ours(old):
                return False
            kept = original_of(path)
            if os.path.isfile(kept):  # noqa: PTH113
                self.check_kept(old, read_whole(kept), kept.name)
            return True

        changed = rewrite(path, edit, self.check, keep, note)
        return "changed" if changed else "same"

    def remove(self, path: Path, note: Note = not_noted) -> Undone:
        """Take away what cupl added."""
        return take_back(path, self.take, self.check, self._is_as, note)

    def _is_as(self, original: bytes, new: bytes) -> bool:
        try:
            self.check(original, new)
            same = self.keywords(original) == self.keywords(new)
            return same and not self.has_ours(original)
        except InputError:  # somebody else's, or damaged
            return False


IN_PHOTO = Holder(keywords_in, take_keywords, check_unharmed, check_kept)
IN_SIDECAR = Holder(keywords_of_sidecar, take_from_sidecar, check_sidecar)


def holders_of(photo: Path) -> list[tuple[Holder, Path]]:
    """What there is of a photo; the sidecar first: a photo that cannot be read does not keep it."""
    sidecar = real_file(sidecar_of(photo))
    beside = [(IN_SIDECAR, sidecar)] if os.path.lexists(sidecar) else []
    return [*beside, (IN_PHOTO, photo)]


def change_sidecar(photo: Path, edit: Edit) -> Undone:
    """Change the sidecar of a photo, which may not be there yet."""
    photo.stat()
    sidecar = real_file(sidecar_of(photo))
    if os.path.lexists(sidecar):
        return IN_SIDECAR.write(sidecar, edit)
    with own_file(sidecar.parent) as file:
        file.write(edit(b""))
        file.flush()
        os.fsync(file.fileno())
        rename_new(Path(file.name), sidecar)
    return "changed"


def remove_unfinished_beside(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Remove what killed runs have left half written beside photos."""
    for folder in {real_file(path).parent for path in paths}:
        remove_unfinished(folder)
