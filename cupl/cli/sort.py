"""``cupl sort``: photos into folders by label, with a list and a way back."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli import encoder_options, generate_options
from cupl.cli.class_sources import BankOption, ClassListOption, ClassSource, VectorsOption
from cupl.cli.encoder_choice import EncoderChoice
from cupl.cli.output import count, progress, quoted, say, say_unreadable
from cupl.cli.predicting import Photos, inputs_of, load_classifier
from cupl.errors import InputError
from cupl.io.outputs import check_folder_target, check_target
from cupl.io.terminal import printable

if TYPE_CHECKING:
    from cupl.classification.sort_journal import How
    from cupl.classification.sorting import SortReport

_SHOWN = 5


def sort_command(
    images: Annotated[
        list[str] | None,
        typer.Argument(
            help="Image files, folders (recursive) or glob patterns; or a directory of cupl embed."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for the folders of the labels.")
    ] = None,
    name: generate_options.NamesOption = None,
    classes: ClassListOption = None,
    bank: BankOption = None,
    vectors: VectorsOption = None,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the photos. [default]")] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Make symbolic links to the photos, which stay.")
    ] = False,
    move: Annotated[bool, typer.Option("--move", help="Move the photos.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Below this probability a photo goes to unsure/."),
    ] = None,
    reject: Annotated[
        str | None,
        typer.Option(
            metavar="BANK|words",
            help="As for classify: what is none of the classes goes to 'none of these/'.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many would go where, and do nothing.")
    ] = False,
    undo: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Take back what was sorted into this folder."),
    ] = None,
    encoder: encoder_options.UsualEncoderOption = None,
    text_encoder: encoder_options.TextEncoderOption = None,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
    templates: encoder_options.TemplatesOption = None,
    text_cache: encoder_options.TextCacheOption = None,
    all_files: encoder_options.AllFilesOption = False,
) -> None:
    """Put photos into a folder for each label; --undo FOLDER takes it back.

    No file is ever overwritten; sorted.csv says what went where. A photo that cannot be read stays
    where it is, and the exit code is 3. The same command again goes on where it was stopped, and
    leaves alone what is there.
    """
    encoder = encoder_options.joined_encoder(encoder, text_encoder, images or ())
    from cupl.classification.decision import DecisionRule
    from cupl.classification.sorting import sort_images
    from cupl.embedding.elsewhere import check_on_disk

    if undo is not None:
        if images or output is not None:
            raise typer.BadParameter("--undo takes the sorted folder alone")
        _undo(undo)
        return
    if not images or output is None:
        raise typer.BadParameter("name the images and, with -o, the folder to sort them into")
    how = _how(copy, link, move)
    source = ClassSource(bank, vectors, name, classes, templates, text_cache)
    source.check(explain=False)
    choice = EncoderChoice(encoder, revision, device, precision, batch_size)
    if not dry_run:
        check_folder_target(output, *images)
    try:
        vectors_of = partial(source.image_vectors, choice=choice)
        photos = Photos.of(images, all_files, vectors_of).outside(output)
    except InputError:
        if not move or not _all_moved(images, output):
            raise
        return
    photos.check_files("to sort them")
    check_on_disk(photos.paths, "to sort them")
    _check_list(output, [*inputs_of(source, choice), reject])
    classifier = load_classifier(source, choice, photos.stored, reject)
    predictions = photos.predictions(classifier, DecisionRule(threshold))
    with progress("photos") as update:
        report = sort_images(predictions, output, how, dry_run=dry_run, progress=update)
    _say_sorted(report, dry_run)
    if report.errors or not photos.complete:
        raise typer.Exit(3)


def _how(copy: bool, link: bool, move: bool) -> "How":
    if copy + link + move > 1:
        raise typer.BadParameter("choose one of --copy, --link and --move")
    return "link" if link else "move" if move else "copy"


def _all_moved(images: list[str], output: Path) -> bool:
    """Whether a folder has no image since an earlier run moved them; that is said."""
    from cupl.classification.sort_journal import moved_before

    there = moved_before(output, images[0]) if len(images) == 1 else 0
    if there:
        say(f"{output}: 0 photos moved; there already: {there:,}; see sorted.csv")
        say(f"to take it back: cupl sort --undo {quoted(output)}")
    return bool(there)


def _check_list(output: Path, inputs: Iterable[str | Path | None]) -> None:
    from cupl.classification.sort_folders import LIST_NAME

    if (output / LIST_NAME).exists():
        check_target(output / LIST_NAME, *inputs)


def _say_sorted(report: "SortReport", dry_run: bool) -> None:
    wide = max((len(printable(name)) for name in report.counts), default=0)
    for name, number in sorted(report.counts.items(), key=lambda one: (-one[1], one[0])):
        typer.echo(f"{printable(name).ljust(min(wide, 50))}  {number:>7,}")
    total = report.counts.total() + len(report.errors)
    if dry_run:
        say(f"{count(total, 'photo')}; nothing was done")
    else:
        done = {"copy": "copied", "link": "linked", "move": "moved"}[report.how]
        there = f"; there already: {report.there:,}" if report.there else ""
        say(f"{report.folder}: {count(report.placed, 'photo')} {done}{there}; see sorted.csv")
        say(f"to take it back: cupl sort --undo {quoted(report.folder)}")
    if report.aside is not None:
        say(f"sorted.csv had been changed: kept as {report.aside}")
    if report.elsewhere:
        say(
            f"{count(report.elsewhere, 'photo')} got another label before and stayed where they "
            "are: --undo first sorts them anew"
        )
    if report.beside:
        kinds = ", ".join(f"{n:,} {end or 'without ending'}" for end, n in report.beside.items())
        say(f"left beside the photos, files of the same name: {printable(kinds)}")
    if report.errors:
        left = "could not be sorted"  # some were read, and must not be moved
        say_unreadable(len(report.errors), total, report.errors[:_SHOWN], _rest(dry_run), left)


def _rest(dry_run: bool) -> str:
    return "  and {} more" + ("" if dry_run else "; sorted.csv names them all")


def _undo(folder: Path) -> None:
    from cupl.classification.sort_folders import LIST_NAME
    from cupl.classification.sort_undo import undo_sort

    with progress("photos") as update:
        report = undo_sort(folder, progress=update)
    say(f"{count(report.restored, 'photo')} back in place, {report.removed:,} copies or links gone")
    for path, why in report.left[:_SHOWN]:
        say(f"  left {path}: {why}")
    if len(report.left) > _SHOWN:
        say(f"  and {len(report.left) - _SHOWN:,} more are left")
    for path in report.lost[:_SHOWN]:
        say(f"  not found: {path}, nor anywhere in {folder}")
    if len(report.lost) > _SHOWN:
        say(f"  and {len(report.lost) - _SHOWN:,} more are not found")
    if report.lost:
        say(
            f"{folder / LIST_NAME} keeps where they came from: put them anywhere into {folder}, "
            "and the same command puts them back"
        )
    if report.left or report.lost:
        raise typer.Exit(3)
