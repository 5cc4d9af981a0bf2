"""``cupl evaluate``: banks and controls on labelled images."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli import encoder_options
from cupl.cli.output import (
    check_folder_target,
    check_outside,
    check_target,
    count,
    progress,
    say,
    say_unreadable,
    say_warning,
)
from cupl.cli.subset import SubsetOption, subset
from cupl.errors import InputError

if TYPE_CHECKING:
    from cupl.bank.labels import ClassLabel
    from cupl.evaluation.labelled import LabelledImages

_SHOWN = 10


def evaluate_command(
    data: Annotated[
        Path,
        typer.Argument(
            help="Labelled images: an ImageFolder, a .csv of path and label, or a directory of "
            "cupl embed."
        ),
    ],
    bank: Annotated[
        list[Path], typer.Option("--bank", help="Prompt bank (.yaml); once for each to compare.")
    ],
    labels: Annotated[
        Path | None,
        typer.Option(help="For cupl embed: a .csv of path and label. [default: folder names]"),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="As for encode. [default: that of the vectors, else as for encode]"),
    ] = None,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
    controls: Annotated[
        str,
        typer.Option(
            help="What to compare with, separated by commas: names, random-words, shuffled, or "
            "templates (photo, a YAML file); none for nothing. The first is the reference."
        ),
    ] = "photo,names,random-words,shuffled",
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Draws of random-words and of shuffled.")
    ] = 3,
    templates: encoder_options.TemplatesOption = None,
    pooling: Annotated[
        list[str] | None,
        typer.Option(
            metavar="normalized-mean|mean|similarity|top",
            help="How prompts become one vector. Given again, each bank is judged with that too, "
            "as BANK, top. [default: normalized-mean]",
        ),
    ] = None,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt",
            help="Judge each bank adapted to these photos, too, without their labels: each half by "
            "the other, and all in place.",
        ),
    ] = False,
    text_cache: encoder_options.TextCacheOption = None,
    classes: SubsetOption = None,
    skip_unmatched: Annotated[
        bool, typer.Option("--skip-unmatched", help="Leave out images whose label means no class.")
    ] = False,
    all_files: encoder_options.AllFilesOption = False,
    calibrated: Annotated[
        Path | None,
        typer.Option(
            help="Write the first bank's class vectors with its fitted temperature (.safetensors)."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Directory for report.html, figures and numbers."),
    ] = None,
) -> None:
    """Judge banks on labelled images, against controls that cost nothing to write.

    Exit code 3 where some images could not be read; the figures are over the others.
    """
    from cupl.embedding.image_cache import beside_texts
    from cupl.embedding.pooling import DEFAULT_POOLING, POOLINGS
    from cupl.evaluation.calibration_error import FEWEST_TO_CALIBRATE
    from cupl.evaluation.candidates import load_banks, make_candidates
    from cupl.evaluation.dataset import read_labelled
    from cupl.evaluation.labelled import keep_classes
    from cupl.io.locks import sole_writer
    from cupl.report.evaluating import evaluate

    poolings = pooling or [DEFAULT_POOLING]
    if unknown := [one for one in poolings if one not in POOLINGS]:
        raise typer.BadParameter(f"no pooling is called {unknown[0]!r}: use {', '.join(POOLINGS)}")
    inputs = [*bank, data, labels, templates, *(classes or ()), *_split(controls),
              *encoder_options.files_of(encoder)]  # fmt: skip
    _check_targets(output, calibrated, data, inputs)
    with nullcontext() if output is None else sole_writer(output):
        written, against = encoder_options.templates_of(templates, None), _split(controls)
        whole, *others = load_banks(bank)
        banks = [subset(whole, classes), *others]
        # Before a long list is read; one draw says whether there can be several.
        make_candidates(banks, against, seeds=1, templates=written)
        names = [entry.label for entry in whole]
        labelled = read_labelled(data, names, labels, all_files=all_files)
        _report_unmatched(labelled, names, skip_unmatched)
        labelled = keep_classes(labelled, whole, banks[0])
        for note in labelled.notes:
            say(note)
        if calibrated is not None and len(labelled.paths) < FEWEST_TO_CALIBRATE:
            raise InputError(
                f"a temperature is fitted on half of at least {FEWEST_TO_CALIBRATE} images, and "
                f"there are {len(labelled.paths)}: leave out --calibrated"
            )
        if calibrated is not None and os.path.lexists(calibrated):
            check_target(calibrated, *labelled.paths)
        images = len(labelled.paths) if labelled.vectors is None else 0
        with _progress(images) as update:
            result = evaluate(
                labelled, banks, encoder=encoder, controls=against, seeds=seeds, templates=written,
                pooling=poolings, adapt=adapt, skip_unmatched=True, revision=revision,
                device=device, precision=precision, batch_size=batch_size, text_cache=text_cache,
                image_cache=beside_texts(text_cache), progress=update,
            )  # fmt: skip
        for sentence in result.warnings:
            say_warning(sentence)
        # What took minutes is safe before anything is printed.
        if output is not None:
            result.save_report(output)
        try:
            temperature = None if calibrated is None else result.save_calibrated(calibrated)
        finally:  # the figures are good even where no temperature is to be had
            typer.echo(str(result), nl=False)
        if output is not None:
            say(f"wrote {output}: open {output / 'report.html'}")
        if calibrated is not None:
            say(
                f"wrote {calibrated}: class vectors of {banks[0].name}, "
                f"temperature {temperature:.3g}"
            )
        if result.unreadable:
            total = result.images + len(result.unreadable)
            rest = "  and {} more" + ("; evaluation.json says why" if output else "")
            examples = [(one.path, one.error) for one in result.unreadable[:_SHOWN]]
            say_unreadable(len(result.unreadable), total, examples, rest)
            raise typer.Exit(3)


def _check_targets(
    output: Path | None, calibrated: Path | None, data: Path, inputs: Sequence[str | Path | None]
) -> None:
    from cupl.report.writing import REPORT_FILES

    if output is not None:
        check_folder_target(output, data)
        check_outside(output, data)
        for path in (output / name for name in REPORT_FILES):
            if os.path.lexists(path):
                check_target(path, *inputs)
    if calibrated is not None:
        check_target(calibrated, *inputs)
        check_outside(calibrated, data)


@contextmanager
def _progress(images: int) -> Iterator[Callable[[int, int], None]]:
    """One after the other a bar of the images and one of the prompts, which come after them."""
    with ExitStack() as shown:
        label, bar = "", None

        def update(done: int, total: int) -> None:
            nonlocal label, bar
            kind = "images" if done <= images else "prompts"
            if bar is None or kind != label:
                shown.close()
                label, bar = kind, shown.enter_context(progress(kind))
            before = 0 if kind == "images" else images
            bar(done - before, images if kind == "images" else total - before)

        yield update


def _split(controls: str) -> list[str]:
    names = dict.fromkeys(name.strip() for name in controls.split(",") if name.strip())
    return [] if list(names) == ["none"] else list(names)


def _report_unmatched(
    labelled: "LabelledImages", names: Sequence["ClassLabel"], skip: bool
) -> None:
    from cupl.evaluation.labelled import explain_unmatched

    number = len(labelled.unmatched)
    if not number:
        return
    say(f"{count(number, 'label')} mean{'s' * (number == 1)} no class of the bank:")
    for line in explain_unmatched(labelled, names, _SHOWN):
        say(f"  {line}")
    if number > _SHOWN:
        say(f"  and {number - _SHOWN:,} more")
    if not labelled.paths:
        raise InputError(
            "no label means a class of the bank; is it the right bank, and the folder that the "
            "class folders are in? Vectors of images in other folders need a file of labels",
            arguments={"labels": ...},
        )
    if not skip:
        raise InputError(
            "rename these labels, add them to the bank as aliases, or leave their "
            f"{count(labelled.unmatched.total(), 'image')} out with --skip-unmatched"
        )
    say(f"{count(labelled.unmatched.total(), 'image')} left out")
