"""What ``cupl tag`` does with the tags: tables, keywords, an index; and taking them away."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from cupl.cli.index import existing_index
from cupl.cli.output import count, progress, quoted, say, say_next, say_unreadable
from cupl.cli.predicting import Photos
from cupl.index.cluster import shown_place
from cupl.io.terminal import printable

if TYPE_CHECKING:
    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.classification.label_counts import LabelCounts
    from cupl.classification.prediction import Prediction
    from cupl.classification.writers import FailedImages
    from cupl.index.holders import WrittenReport
    from cupl.index.photo_index import PhotoIndex
    from cupl.index.tagging import TagRule

_KINDS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
_SHOWN = 5
_ROWS_AT_ONCE = 10_000
"""Photos in a table that is printed: where it ends its header comes again."""


def table_kind(output: Path | None) -> str:
    """How tags are written to a file of that name, or printed."""
    ending = "" if output is None else output.suffix.lower()
    if output is not None and ending not in _KINDS:
        raise typer.BadParameter(f"{output} does not say what to write: .csv, .jsonl or .parquet")
    return _KINDS.get(ending, "table")


@dataclass
class Tagged:
    """Where tags go.

    Attributes:
        output: a table.
        kind: of the table.
        write: where keywords go.
        dry_run: whether nothing is written.
        failed: whether a photo could not be tagged.

    """

    output: Path | None
    kind: str
    write: Literal["xmp", "exif"] | None
    dry_run: bool
    failed: bool = False
    _words: dict[str, list[str]] = field(default_factory=dict)

    def check(self) -> None:
        """Find out before the work what it lacks."""
        from cupl.classification.writers import check_format
        from cupl.index.exiv2 import need_exiv2

        check_format(self.kind, self.output)
        if self.write is not None:
            need_exiv2()

    def tell_index(
        self, library: "PhotoIndex", classifier: "ZeroShotClassifier", rule: "TagRule"
    ) -> None:
        """Tag the photos of an index."""
        from cupl.index.reached import reached_from_index
        from cupl.index.tagging import tag_rows

        with progress("photos") as update:
            found = tag_rows(library.store, classifier, rule, dry_run=self.dry_run, progress=update)
            self._tell(found, printed=self.dry_run)
        if not self.dry_run:
            say(f"wrote the tags into {library.store.place}")
        outside = reached_from_index(self._words, library.store) if self.write else set[str]()
        self._write(["--index", library.store.place], outside, library)

    def tell(
        self, predictions: "Iterator[Prediction]", named: Sequence[str], again: Sequence[str]
    ) -> None:
        """Tag photos.

        Args:
            predictions: with their tags as labels.
            named: files, folders and patterns that the photos were found by.
            again: what to name to find them again.

        """
        from cupl.index.reached import reached_by_links

        self._tell(predictions, printed=self.write is None or self.dry_run)
        outside = reached_by_links(self._words, named) if self.write else set[str]()
        self._write(again, outside)

    def _tell(self, predictions: "Iterator[Prediction]", *, printed: bool) -> None:
        from cupl.classification.label_counts import LabelCounts
        from cupl.classification.writers import FailedImages, columns_of, write_predictions

        counts = LabelCounts(multi_label=True)
        more = columns_of(rejected=True, labels=True, explanation=False)
        seen = self._noted(predictions, counts)
        output = None if self.dry_run else self.output
        if output is None and not printed:
            failures = FailedImages()
            for _ in failures.watch(seen):
                pass
        else:
            kind = "table" if output is None else self.kind
            failures = write_predictions(seen, 1, kind, output, more, rows_at_once=_ROWS_AT_ONCE)
        if output is not None:
            say(f"wrote {output}: {count(counts.images, 'photo')}")
        self._say_failures(failures, counts.images)
        if counts.images > 1:
            say(counts.in_words())

    def _noted(
        self, predictions: "Iterator[Prediction]", counts: "LabelCounts"
    ) -> "Iterator[Prediction]":
        for one in predictions:
            counts.add(one)
            if one.path is not None and one.error is None:
                self._words[one.path] = [score.label for score in one.labels]
            yield one

    def _say_failures(self, failures: "FailedImages", total: int) -> None:
        if failures.count:
            self.failed = True
            examples = [(str(one.path), str(one.error)) for one in failures.first]
            say_unreadable(failures.count, total, examples, "  and {} more")

    def _write(
        self, again: Sequence[str], outside: set[str], library: "PhotoIndex | None" = None
    ) -> None:
        """Write the keywords, and say how to take them away."""
        from cupl.index.keywords import write_keywords

        if self.dry_run:
            say("nothing was written")
        elif self.write is not None:
            say_outside(outside)
            words = {path: some for path, some in self._words.items() if path not in outside}
            with progress("keywords") as update:
                report = write_keywords(words, self.write, index=library, progress=update)
            where = {"xmp": "sidecars (.xmp) beside", "exif": "the files of"}[self.write]
            same = f"; as they were: {report.same:,}" if report.same else ""
            say(f"keywords written into {where} {count(report.changed, 'photo')}{same}")
            if report.changed and self.write == "exif":
                say("the originals are kept beside them (photo.jpg_original)")
            if report.older:
                say(
                    f"{count(report.older, 'photo')} had keywords of cupl before that are none of "
                    "the tags now, and stay: --untag first to begin anew"
                )
            if report.changed:
                say_next(f"cupl tag {quoted(*again)} --untag")
            self._say_errors(report)

    def _say_errors(self, report: "WrittenReport") -> None:
        self.failed |= say_left_as_they_are(report)


def say_outside(outside: Collection[str]) -> None:
    """Say which photos are not written to, as links led to them."""
    if outside:
        one = len(outside) == 1
        say(
            f"{count(len(outside), 'photo')} {'is' if one else 'are'} reached by links out of what "
            f"was named, such as {printable(min(outside))}: nothing is written to "
            f"{'it' if one else 'them'} unless named as files"
        )


def say_left_as_they_are(report: "WrittenReport") -> bool:
    """Which photos were left as they are, and whether there is one."""
    total = report.changed + report.same + len(report.theirs) + len(report.errors)
    if report.errors:
        say_unreadable(
            len(report.errors), total, report.errors[:_SHOWN], "  and {} more",
            "were left as they are",
        )  # fmt: skip
    return bool(report.errors)


def untag(images: Sequence[str], index: str | None, *, all_files: bool, dry_run: bool) -> None:
    """Take away what was written, from photos and from an index."""
    if not images and index is None:
        raise typer.BadParameter("--untag takes images, or an --index")
    failed = False
    if images:
        photos = Photos.of(images, all_files)
        failed = bool(_untag_photos(photos.paths, dry_run)) or not photos.complete
    if index is not None:
        failed |= _untag_index(index, dry_run)
    if failed:
        raise typer.Exit(3)


def _untag_photos(
    paths: Sequence[str], dry_run: bool, library: "PhotoIndex | None" = None
) -> set[str]:
    """Take keywords and captions away; the photos that were left as they are."""
    from cupl.index.keywords import remove_keywords

    with progress("photos") as update:
        report = remove_keywords(paths, index=library, dry_run=dry_run, progress=update)
    restored = f", {report.restored:,} of them as before" if report.restored else ""
    done = "would be" if dry_run else "were"
    if report.changed:
        say(
            f"keywords and captions {done} taken from {count(report.changed, 'photo')} of "
            f"{len(paths):,}{restored}"
        )
    elif report.same:
        say(f"{count(report.same, 'photo')} looked at: none holds keywords or captions of cupl")
    say_left_as_they_are(report)
    return {path for path, _ in report.errors}


def _untag_index(index: str, dry_run: bool) -> bool:
    from cupl.index.exiv2 import has_exiv2
    from cupl.index.tagging import all_paths, clear_tags

    library = existing_index(index)
    # The keywords first, of all photos: one that has no tag now may have had one.
    paths = all_paths(library.store) if has_exiv2() else []
    failed = _untag_photos(paths, dry_run, library) if paths else set[str]()
    with progress("photos") as update:
        cleared = clear_tags(library.store, but=failed, dry_run=dry_run, progress=update)
    done = "would be" if dry_run else "were"
    had = f"the tags of {count(cleared, 'photo')} {done} taken out of the index"
    say(f"{shown_place(index)}: {had if cleared else 'no photo has tags in the index'}")
    return bool(failed)
