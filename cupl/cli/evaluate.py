"""``cupl evaluate``: banks and controls on labelled images."""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cupl.cli import encoder_options
from cupl.cli.evaluate_grid import progress_of_both, say_left_out, show_grid
from cupl.cli.made_elsewhere import say_word
from cupl.cli.output import count, say, say_warning
from cupl.cli.subset import SubsetOption, subset
from cupl.errors import InputError
from cupl.io.outputs import check_folder_target, check_outside, check_target

if TYPE_CHECKING:
    from cupl.bank.labels import ClassLabel
    from cupl.evaluation.candidate_spec import CandidateSpec, SpecSource
    from cupl.evaluation.comparison_plan import ComparisonPlan
    from cupl.evaluation.labelled import LabelledImages

_SHOWN = 10
_COMPARED = ("controls", "reference", "pairs", "pooling", "templates", "adapt")


def evaluate_command(
    data: Annotated[
        list[Path],
        typer.Argument(
            help="Labelled images: an ImageFolder, also by URL (s3://...), tars, a .csv of path "
            "and label, or a directory of cupl embed; several data sets are judged side by side."
        ),
    ],
    bank: Annotated[
        list[Path] | None,
        typer.Option("--bank", help="Prompt bank (.yaml); once for each to compare."),
    ] = None,
    candidate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]BANK+TEMPLATES[,...]",
            help="Banks and templates that are joined: once for each to compare. After a comma "
            "combine=average or concat, pooling=mean. {} is the name of the data set.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="For cupl embed: a .csv of path and label. [default: folder names]"),
    ] = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            help="As for encode; given again, each is judged. [default: that of the vectors, else "
            "as for encode]"
        ),
    ] = None,
    text_encoder: encoder_options.TextEncoderOption = None,
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
    reference: Annotated[
        str | None,
        typer.Option(
            help="Bank or control that differences are to; every other bank is tested against a "
            "bank that is named. [default: the first control]"
        ),
    ] = None,
    pairs: Annotated[
        Literal["controls", "all"],
        typer.Option(help="all: test banks against one another, too."),
    ] = "controls",
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
    subsample: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Tell the accuracy on random subsamples of N images, too, and its SD."
        ),
    ] = None,
    subsamples: Annotated[
        int, typer.Option(min=2, max=10_000, help="How many are drawn for --subsample.")
    ] = 10,
    folds: Annotated[
        int | None, typer.Option(metavar="K", help="The same on K folds of the images.")
    ] = None,
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
    scores: Annotated[
        bool,
        typer.Option("--scores", help="With -o: the scores of all images and classes, too (.npy)."),
    ] = False,
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
    from cupl.evaluation.candidate_spec import CandidateSpec
    from cupl.io.locks import sole_writer

    poolings = pooling or [DEFAULT_POOLING]
    if unknown := [one for one in poolings if one not in POOLINGS]:
        raise typer.BadParameter(f"no pooling is called {unknown[0]!r}: use {', '.join(POOLINGS)}")
    if not bank and not candidate:
        raise typer.BadParameter("name what to judge: --bank, or --candidate with a bank in it")
    if scores and output is None:
        raise typer.BadParameter("--scores goes with -o: name the directory of the report, -o DIR")
    if text_encoder is not None:
        places = list(map(str, data))
        named: list[str | None] = [*encoder] if encoder else [None]
        encoder = [encoder_options.joined_encoder(one, text_encoder, places) or "" for one in named]
    encoders, specs = encoder or [], [CandidateSpec.parse(one) for one in candidate or []]
    several = len(data) > 1 or len(encoders) > 1
    if several and calibrated is not None:
        raise typer.BadParameter("--calibrated is for one encoder and one data set")
    against = _split(controls)
    models = [path for one in encoders for path in encoder_options.files_of(one)]
    parts = [str(part) for spec in specs for part in spec.parts]
    inputs = [*(bank or []), *data, labels, templates, *(classes or ()), *against, *parts,
              *models]  # fmt: skip
    _check_targets(output, calibrated, data, inputs)
    with nullcontext() if output is None else sole_writer(output):
        compared: dict[str, Any] = {
            "controls": against, "reference": reference, "pairs": pairs, "pooling": poolings,
            "templates": encoder_options.templates_of(templates, None), "adapt": adapt,
        }  # fmt: skip
        judged: dict[str, Any] = {
            "seeds": seeds, "subsample": subsample, "subsamples": subsamples, "folds": folds,
            "revision": revision, "device": device, "precision": precision,
            "batch_size": batch_size, "text_cache": text_cache,
            "image_cache": beside_texts(text_cache),
        }  # fmt: skip
        how: dict[str, Any] = {
            "labels": labels, "all_files": all_files, "skip": skip_unmatched, "classes": classes,
            "output": output, "scores": scores, **compared, **judged,
        }  # fmt: skip
        if several:
            show_grid(data, bank or [], specs, encoders, **how)
        else:
            encoder_named = encoders[0] if encoders else None
            _show_one(data[0], bank or [], specs, encoder_named, calibrated=calibrated, **how)


def _show_one(
    data: Path,
    bank: Sequence[Path],
    specs: Sequence["CandidateSpec"],
    encoder: str | None,
    *,
    labels: Path | None,
    all_files: bool,
    skip: bool,
    classes: SubsetOption,
    calibrated: Path | None,
    output: Path | None,
    scores: bool,
    **settings: Any,
) -> None:
    """One encoder on one data set."""
    from cupl.embedding.foreign_vectors import is_vector_file
    from cupl.report.evaluating import evaluate
    from cupl.report.grid_run import data_names, for_data_set

    own = [for_data_set(one, *data_names([data])) for one in specs]
    labelled, plan = _read(data, bank, own, labels, all_files, skip, classes, settings)
    _check_calibrated(calibrated, labelled, plan)
    images = len(labelled.paths) if labelled.vectors is None else 0
    with progress_of_both(images) as update:
        result = evaluate(
            labelled, bank, candidates=own, encoder=encoder, skip_unmatched=True,
            classes=plan.classes if classes else None, progress=update, **settings,
        )  # fmt: skip
    if encoder is not None and is_vector_file(data):
        say_word(data, encoder)
    for sentence in result.warnings:
        say_warning(sentence)
    # What took minutes is safe before anything is printed.
    if output is not None:
        result.save_report(output, scores=scores)
    try:
        temperature = None if calibrated is None else result.save_calibrated(calibrated)
    finally:  # the figures are good even where no temperature is to be had
        typer.echo(str(result), nl=False)
    if output is not None:
        say(f"wrote {output}: open {output / 'report.html'}")
    if calibrated is not None:
        name = plan.candidates[0].name
        say(f"wrote {calibrated}: class vectors of {name}, temperature {temperature:.3g}")
    say_left_out({str(data): result}, output)


def _read(
    data: Path,
    bank: Sequence[Path],
    specs: Sequence["SpecSource"],
    labels: Path | None,
    all_files: bool,
    skip: bool,
    classes: SubsetOption,
    settings: dict[str, Any],
) -> tuple["LabelledImages", "ComparisonPlan"]:
    """The images, their labels matched with all classes of the first bank, and what is judged."""
    from cupl.evaluation.comparison_plan import plan_comparison
    from cupl.evaluation.dataset import read_labelled
    from cupl.evaluation.labelled import keep_classes

    compared = {name: settings[name] for name in _COMPARED}
    # Before a long list is read; one draw says whether there can be several.
    plan = plan_comparison(
        bank, specs, **compared, seeds=1, classes=lambda whole: subset(whole, classes)
    )
    names = [entry.label for entry in plan.whole]
    labelled = read_labelled(data, names, labels, all_files=all_files)
    for note in labelled.notes:
        say(note)
    _report_unmatched(labelled, names, skip)
    for note in keep_classes(labelled, plan.whole, plan.first).notes[len(labelled.notes) :]:
        say(note)
    return labelled, plan


def _check_calibrated(
    calibrated: Path | None, labelled: "LabelledImages", plan: "ComparisonPlan"
) -> None:
    from cupl.evaluation.calibration_error import FEWEST_TO_CALIBRATE
    from cupl.evaluation.labelled import keep_classes

    if calibrated is None:
        return
    number = len(keep_classes(labelled, plan.whole, plan.first).paths)
    if number < FEWEST_TO_CALIBRATE:
        raise InputError(
            f"a temperature is fitted on half of at least {FEWEST_TO_CALIBRATE} images, and "
            f"there are {number}: leave out --calibrated"
        )
    if os.path.lexists(calibrated):
        check_target(calibrated, *labelled.paths)


def _check_targets(
    output: Path | None,
    calibrated: Path | None,
    data: Sequence[Path],
    inputs: Sequence[str | Path | None],
) -> None:
    from cupl.report.old_reports import check_report_place

    if output is not None:
        check_report_place(output, data, inputs)
        check_folder_target(output)
    if calibrated is not None:
        check_target(calibrated, *inputs)
        for one in data:
            check_outside(calibrated, one)


def _split(controls: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in controls.split(",") if name.strip()))


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
    if not labelled.paths and labelled.sample is not None:
        raise InputError(
            "no label of the sample means a class of the bank; rename these labels, add them to "
            "the bank as aliases, or take the bank that they are of"
        )
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
