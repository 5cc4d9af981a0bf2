"""The three things that ``cupl describe`` makes: a bank of classes, one of groups, captions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cupl.cli.batch import say_export
from cupl.cli.describe_captions import caption_sidecars
from cupl.cli.generate import say_result
from cupl.cli.output import (
    bytes_in_words,
    count,
    progress,
    quoted,
    say,
    say_next,
    say_unreadable,
    say_warning,
    write_bank,
)
from cupl.cli.predicting import Photos
from cupl.cli.spending import accounted, say_dropped, say_first, say_plan
from cupl.embedding.image_retries import until_lost
from cupl.errors import InputError
from cupl.io.command import given_words
from cupl.io.text import name_as_text

if TYPE_CHECKING:
    from cupl.bank.labels import ClassLabel
    from cupl.description.grouping import PhotoVectors
    from cupl.description.sent_photos import SentPhotos
    from cupl.generation.asking import Asking
    from cupl.generation.budget import Prices
    from cupl.generation.collect import CollectedPrompts, FilterOptions
    from cupl.generation.plan import Plan, PlanSurvey

_SHOWN = 3
_NAMES = 5


@dataclass(frozen=True)
class EncoderSettings:
    """The encoder by whose embeddings photos are grouped."""

    name: str | None
    revision: str | None
    device: str
    precision: Any
    batch_size: Any
    embedding_cache: Any


@dataclass
class DescribeRun:
    """What is asked, by the options, and what of it could not be done."""

    images: Sequence[str]
    all_files: bool
    sent: SentPhotos
    per_class: int
    plan: Plan
    """Of the descriptions; its labels are to be found."""
    filtering: FilterOptions
    asking: Asking
    prices: Prices | None
    dry_run: bool
    export: Path | None
    began: float
    failed: bool = field(default=False, init=False)
    """Whether a photo was left out, or a folder could not be listed."""
    _doubted: bool = field(default=False, init=False)
    """Whether it was said that the estimate is a guess."""

    def write_bank(self, output: Path | None) -> None:
        """The classes are the folders."""
        from cupl.description.describing import picture_bank, picture_facts, picture_plan
        from cupl.description.photo_choice import choose_photos, photos_of_folders

        root = self._folder()
        found = photos_of_folders(root, all_files=self.all_files)
        for note in found.notes:
            say(note)
        self.failed |= not found.complete
        with progress("photos") as update:
            chosen = choose_photos(found.classes, self.sent, self.per_class, progress=update)
        self._say_left_out(chosen.unreadable, chosen.number + len(chosen.unreadable))
        plan = replace(self.plan, labels=[label for label, _ in found.classes])
        with self._accounted():
            collected = self._describe(picture_plan(plan, chosen))
        if collected is None or output is None:
            return
        facts = picture_facts(chosen, self.sent, self.per_class)
        bank = picture_bank(collected, name_as_text(output.stem), facts)
        write_bank(output, bank.to_bytes())
        say_result(output, bank, collected)
        self._say_next(output, root)

    def write_captions(self, output: Path | None, *, sidecars: bool) -> None:
        """A caption a photo, into a file, beside the photos or both; there are no classes."""
        from cupl.description.captions import (
            caption_bytes,
            caption_plan,
            captions_of,
            labels_of_photos,
        )

        paths = self._paths()
        with progress("photos") as update:
            photos = []
            for photo in until_lost(self.sent.prepare(paths), paths, _nothing_asked, {}):
                photos.append(photo)
                update(len(photos), len(paths))
        bad = [(str(photo.path), photo.error) for photo in photos if photo.error is not None]
        self._say_left_out(bad, len(paths))
        plan = replace(self.plan, labels=labels_of_photos(photos))
        with self._accounted():
            collected = self._describe(caption_plan(plan, photos), noun="photo")
        if collected is None:
            return
        captions = captions_of(photos, collected)
        told = sum(one.text is not None for one in captions)
        where = "made"
        if output is not None:
            write_bank(output, caption_bytes(captions, output))
            where = f"wrote {output}:"
        say(f"{where} {count(told, 'caption')} of {count(len(captions), 'photo')}")
        say_dropped(collected.report.dropped)
        self.failed |= told < len(captions)
        if sidecars:
            again = [*self.images, *(["--all-files"] if self.all_files else [])]
            self.failed |= caption_sidecars(captions, self.images, again)

    def write_groups(self, output: Path | None, number: int, encoder: EncoderSettings) -> None:
        """The classes are groups of photos that look alike."""
        from cupl.description.group_bank import choose_of_groups
        from cupl.description.group_names import naming_plan, numbered_labels
        from cupl.description.grouping import group_photos

        photos = self._vectors(encoder)
        self._say_left_out(photos.unreadable, len(photos.paths) + len(photos.unreadable))
        groups = group_photos(photos.vectors, number)
        with progress("photos") as update:
            grouped = choose_of_groups(photos, groups, self.sent, self.per_class, update)
        self._say_left_out(grouped.chosen.unreadable, len(photos.paths))
        naming = naming_plan(self.plan, grouped.chosen)
        found = self._say_plan(naming, "names of the groups: ", "group")
        if found.answers and self.dry_run:
            say_first(naming)
            self._say_plan(grouped.plan(self.plan, numbered_labels(number)), "then: ", "group")
            self._say_sent()
            return
        if found.answers and self.export:
            self._export(naming)
            say("  once these are imported, the same command writes those that describe")
            return
        with self._accounted():
            labels = self._name(naming)
            collected = self._describe(grouped.plan(self.plan, labels), "descriptions: ", "group")
        if collected is None or output is None:
            return
        bank = grouped.bank(collected, name_as_text(output.stem), self.sent, self.per_class)
        table = groups_file(output)
        write_bank(table, grouped.table(labels))
        write_bank(output, bank.to_bytes())
        say(f"wrote {table}: the group of {count(len(photos.paths), 'photo')}")
        say_result(output, bank, collected)
        self._say_next(output, *self.images)

    def _name(self, naming: Plan) -> list[ClassLabel]:
        """The names of the groups, once the model has said them."""
        from cupl.description.group_names import names_in
        from cupl.generation.event_loop import run

        with progress("answers") as update:
            watched = replace(self.asking.options, progress=update)
            run(replace(self.asking, options=watched).ask(naming))
        names = names_in(naming, self.asking.cache)
        shown = [label.name for label in names.labels[:_NAMES]]
        more = ", ..." * (len(names.labels) > _NAMES)
        say(f"{count(len(names.labels), 'group')}: {', '.join(shown)}{more}")
        say_dropped(names.dropped)
        if names.unnamed:
            say_warning(f"{count(names.unnamed, 'group')} got no name from the model: numbered")
        return names.labels

    def _describe(self, plan: Plan, step: str = "", noun: str = "class") -> CollectedPrompts | None:
        """Ask what is missing; None where nothing is to be asked or made."""
        from cupl.generation.event_loop import run
        from cupl.generation.pipeline import generate_answers
        from cupl.generation.run_settings import Run

        found = self._say_plan(plan, step, noun)
        if self.dry_run:
            if noun != "photo":  # the labels of photos are digests
                say_first(plan)
            self._say_sent()
            return None
        if self.export is not None:
            self._export(plan)
            return None
        with progress("answers") as update:
            watched = replace(self.asking.options, progress=update)
            asking = replace(self.asking, options=watched)
            return run(generate_answers(Run(plan, self.filtering, asking), found))

    def _accounted(self) -> AbstractContextManager[None]:
        return accounted(self.asking.meter, self.prices, self.began)

    def _say_plan(self, plan: Plan, step: str, noun: str) -> PlanSurvey:
        found = self.asking.survey(plan)
        say_plan(plan, found, self.prices, step, noun)
        if found.images and not self._doubted:
            self._doubted = True
            say(
                "  what an image counts is a guess, a token for 28 x 28 pixels: models differ, "
                "some count thirty times as much; after --max-requests 1 it is told what yours does"
            )
        return found

    def _say_sent(self) -> None:
        """What leaves the machine."""
        say(
            f"  sends: JPEG of at most {self.sent.side} pixels a side, "
            f"{bytes_in_words(self.sent.size)} of photos, without EXIF, paths and file names"
        )

    def _export(self, plan: Plan) -> None:
        from cupl.generation.batch.requests import write_requests

        assert self.export is not None  # noqa: S101 (the caller has checked)
        options = self.asking.options
        written = write_requests(
            plan, self.asking.cache, self.export, filtering=self.filtering, n=options.n,
            tries=options.missing_below(), notice=say,
        )  # fmt: skip
        say_export(written, self.export, plan, _without_export(self.export))

    def _folder(self) -> Path:
        if len(self.images) != 1 or Path(self.images[0]).is_file():
            raise InputError(
                "a bank is made of one folder, whose folders are the classes; photos without "
                "classes are put into groups, or get captions",
                arguments={"groups": ..., "captions": ...},
            )
        return Path(self.images[0])

    def _paths(self) -> list[str]:
        photos = Photos.of(self.images, self.all_files)
        self.failed |= not photos.complete
        return photos.paths

    def _vectors(self, encoder: EncoderSettings) -> PhotoVectors:
        """Vectors of the photos: those that there are, or new ones."""
        from cupl.description.grouping import encoded_vectors, stored_vectors
        from cupl.embedding.image_cache import beside_texts
        from cupl.embedding.image_stream import encode_sources
        from cupl.encoders.loading import DEFAULT_ENCODER, load_encoder

        photos = Photos.of(self.images, self.all_files)
        self.failed |= not photos.complete
        if photos.stored is not None:
            if encoder.name is not None:
                raise typer.BadParameter("--encoder is for photos; these are vectors already")
            return stored_vectors(photos.stored)
        name = encoder.name or DEFAULT_ENCODER
        loaded = load_encoder(
            name, encoder.device, encoder.precision, encoder.batch_size, revision=encoder.revision
        )
        stream = encode_sources(
            photos.paths, loaded, image_cache=beside_texts(encoder.embedding_cache)
        )
        with progress("embeddings") as update:
            images = []
            for image in until_lost(stream, photos.paths, _nothing_asked, {}):
                images.append(image)
                update(len(images), len(photos.paths))
        return encoded_vectors(images, loaded.id)

    def _say_left_out(self, unreadable: Sequence[tuple[str, str]], total: int) -> None:
        if unreadable:
            self.failed = True
            say_unreadable(
                len(unreadable), total, unreadable[:_SHOWN], "  and {} more",
                "could not be read, left out",
            )  # fmt: skip

    def _say_next(self, output: Path, *photos: str | Path) -> None:
        bank = quoted(output)
        say_next(f"cupl bank check {bank}", output)
        say_next(f"cupl classify {quoted(*photos)} --bank {bank}", output, other=True)


def groups_file(bank: Path) -> Path:
    """Where the group of each photo is written."""
    return bank.with_name(f"{bank.stem}-groups.csv")


def _nothing_asked() -> str:
    return "nothing was asked"


def _without_export(export: Path) -> str:
    """The command that makes of what is in the cache what this one has written requests for."""
    words, kept = list(given_words()), list[str]()
    while words:
        word = words.pop(0)
        if word == "--export-requests":
            del words[:1]
        elif not word.startswith("--export-requests="):
            kept.append(word)
    names = {word.partition("=")[0] for word in kept}
    if not names & {"-o", "--output", "--captions", "--write"}:
        kept += ["-o", str(export.with_suffix(".yaml"))]
    return f"cupl {quoted(*kept, '--offline')}"
