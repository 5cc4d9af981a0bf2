"""``cupl classify``: images to labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cupl.cli import encoder_options, engine_options, fitting, generate_options
from cupl.cli.class_sources import (
    BankOption,
    ClassListOption,
    ClassSource,
    LogitScaleOption,
    VectorsOption,
)
from cupl.cli.classify_checks import check_cluster, check_explained, check_targets, check_together
from cupl.cli.classify_told import Told, new_page, watched, write_page
from cupl.cli.encoder_choice import EncoderChoice
from cupl.cli.fitting import Fitting
from cupl.cli.output import (
    count,
    say,
    say_warning,
    written_format,
)
from cupl.cli.predicting import load_classifier
from cupl.io.targets import is_stream

if TYPE_CHECKING:
    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.embedding.class_vectors import ClassVectors
    from cupl.embedding.image_stream import Encoded
    from cupl.embedding.stored_vectors import Embeddings


def classify_command(
    images: Annotated[
        list[str],
        typer.Argument(
            help="Image files, folders (recursive), glob patterns, tars or URLs (s3://...); or a "
            "directory of cupl embed, or image embeddings made elsewhere (.npy, .npz, .parquet, "
            ".safetensors)."
        ),
    ],
    name: generate_options.NamesOption = None,
    classes: ClassListOption = None,
    bank: BankOption = None,
    vectors: VectorsOption = None,
    encoder: encoder_options.UsualEncoderOption = None,
    text_encoder: encoder_options.TextEncoderOption = None,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
    top_k: Annotated[int, typer.Option(min=1, help="Classes to name for each image.")] = 5,
    format: Annotated[
        Literal["table", "csv", "jsonl", "parquet"] | None,
        typer.Option(help="How to write it. [default: by the name of -o, else table]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write. [default: print]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a run with the same -o was stopped.")
    ] = False,
    pooling: encoder_options.PoolingOption = None,
    templates: encoder_options.TemplatesOption = None,
    combine: encoder_options.CombineOption = None,
    strict: encoder_options.StrictOption = False,
    text_cache: encoder_options.TextCacheOption = None,
    logit_scale: LogitScaleOption = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Divide the logits by this. [default: what the vectors carry, or 1]"),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="No label where the best probability is below. With --multi-label: "
            "every class from this probability on. [default: none; 0.5]",
        ),
    ] = None,
    reject: Annotated[
        str | None,
        typer.Option(
            metavar="BANK|words",
            help="Bank of what is none of the classes: what is closest to it, no label. words: "
            "names of things far from all classes.",
        ),
    ] = None,
    keep: fitting.KeepOption = None,
    coverage: fitting.CoverageOption = None,
    examples: fitting.ExamplesOption = None,
    labels: fitting.LabelsOption = None,
    fitted: fitting.FittedOption = None,
    multi_label: Annotated[
        bool,
        typer.Option(
            "--multi-label",
            help="All labels that apply; a CLIP model needs --reject or --class-thresholds for it.",
        ),
    ] = False,
    class_thresholds: Annotated[
        Path | None,
        typer.Option(help="For --multi-label: CSV with class,cosine, of every class."),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="The prompts that decided between the two best classes; with "
            "--vectors name the --bank too.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Page to write (.html), with photos beside their probabilities; at most 5,000."
        ),
    ] = None,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt",
            help="Let these images say themselves where the classes lie among them; see "
            "cupl adapt.",
        ),
    ] = False,
    all_files: encoder_options.AllFilesOption = False,
    engine: engine_options.EngineOption = "local",
    address: engine_options.AddressOption = None,
    workers: engine_options.WorkersOption = None,
) -> None:
    """Classify images by the names of classes, with a prompt bank or with class vectors.

    An image that cannot be read becomes a row with the reason; the others go on and the exit
    code is 3. What is done is kept in OUTPUT.part until all of it is, also the images that
    may be read another time.
    """
    encoder = encoder_options.joined_encoder(encoder, text_encoder, images)
    from cupl.classification.decision import DecisionRule, read_class_thresholds
    from cupl.classification.explanation import PROMPTS_NAMED
    from cupl.classification.label_counts import LabelCounts
    from cupl.classification.resumable import classify_to_file
    from cupl.classification.writers import FailedImages, check_format
    from cupl.evaluation.made_by import made_of
    from cupl.progress import Progress, ignore

    source = ClassSource(
        bank, vectors, name, classes, templates, text_cache, pooling, combine, strict,
        logit_scale,
    )  # fmt: skip
    source.check(explain)
    check_together(class_thresholds, multi_label, adapt, resume)
    engine_options.check_engine(engine, address, workers)
    to_fit = Fitting(keep, coverage, examples, labels, fitted)
    to_fit.check(threshold, multi_label)
    output = None if output == Path("-") else output  # as without it
    written = _format(format, output, resume)
    check_format(written, output)
    check_explained(explain, written, report)
    own = None if class_thresholds is None else read_class_thresholds(class_thresholds)
    rule = DecisionRule(threshold, multi_label, own)
    here = device if engine == "local" else "auto"
    choice = EncoderChoice(encoder, revision, here, precision, batch_size)
    stored = source.image_vectors(images, choice)
    check_cluster(engine, adapt, stored)
    paths, complete = (
        encoder_options.images_of(images, all_files) if stored is None else (list(images), True)
    )
    inputs = [
        *source.files, reject, class_thresholds, examples, labels,
        *encoder_options.files_of(encoder),
    ]  # fmt: skip
    check_targets((output, report, fitted), inputs, paths, stored, resume=resume)
    classifier = load_classifier(
        source, choice, stored, reject, encodes=explain or bool(examples), temperature=temperature,
        ready=lambda labels: to_fit.read(labels, all_files=all_files),
    )  # fmt: skip
    _warn_of_one_class(classifier.vectors, reject or multi_label or threshold or keep)
    _say_rejecting(classifier)
    encoded = _adapted(classifier, stored, paths) if adapt else None
    to_fit.fit(classifier, threshold)
    told = Told(new_page(report), LabelCounts(multi_label=multi_label))
    total = len(paths) if stored is None else len(stored)

    there = engine_options.opened_beside(
        engine,
        address,
        workers,
        classifier,
        encoder,
        (device, precision, batch_size),
        download=encoder is not None or vectors is None,
    )
    with there as cluster:

        def label(update: Progress) -> FailedImages:
            return classify_to_file(
                classifier, paths if stored is None else stored, output, written, top_k,
                rule=rule, explain=PROMPTS_NAMED if explain else 0, on_prediction=told.keep,
                encoded=encoded, engine=cluster, resume=resume, progress=update,
            )  # fmt: skip

        failures = label(ignore) if output is None else watched(label, total)
    if output is not None:
        say(f"wrote {output}: {count(total, 'image')}")
    if report is not None and told.page is not None:
        write_page(
            report, told.page, total,
            made_of(
                classifier, total, threshold=threshold, reject=reject, keep=keep,
                coverage=coverage, multi_label=multi_label, adapt=adapt,
            ),
        )  # fmt: skip
    kept = output is not None and not is_stream(output) and stored is None
    told.say_end(failures, total, kept=kept)
    if failures.count or not complete:
        raise typer.Exit(3)


def _warn_of_one_class(vectors: "ClassVectors", may_reject: object) -> None:
    if len(vectors.labels) == 1 and not may_reject:
        say_warning("there is one class alone, so every image gets it: name what else there may be")


def _say_rejecting(classifier: "ZeroShotClassifier") -> None:
    """What stands for none of the classes, where that is worth a word."""
    if classifier.reject is not None:
        encoder_options.say_truncated(classifier.reject, classifier.encoder)
    if classifier.words is not None:
        number = count(len(classifier.words.labels), "word")
        say(f"{number} of a list, far from all classes, stand for what is none of them")


def _adapted(
    classifier: "ZeroShotClassifier", stored: "Embeddings | None", paths: Sequence[str]
) -> "list[Encoded] | None":
    """Adapt the classifier to the images; returns them encoded, where they were not."""
    from cupl.cli.photos import adapt_classifier, encode_photos, vectors_of

    if stored is not None:
        adapt_classifier(classifier, stored)
        return None
    images = encode_photos(paths, classifier)
    adapt_classifier(classifier, vectors_of(images))
    return images


def _format(format: str | None, output: Path | None, resume: bool) -> str:
    if output is None and resume:
        raise typer.BadParameter("--resume goes with -o: what was printed is not kept")
    return written_format(format, output)
