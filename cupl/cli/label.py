"""``cupl label``: a small sample of photos to label by hand, for ``cupl evaluate``."""

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cupl.cli import encoder_options, generate_options
from cupl.cli.class_sources import BankOption, ClassListOption, ClassSource, VectorsOption
from cupl.cli.encoder_choice import EncoderChoice
from cupl.cli.output import MADE, count, quoted, say, say_next, say_unreadable
from cupl.cli.predicting import Photos, inputs_of, load_classifier
from cupl.encoders.loading import DEFAULT_ENCODER
from cupl.io.outputs import check_target
from cupl.io.targets import is_stream

_SHOWN = 5


def label_command(
    images: Annotated[
        list[str],
        typer.Argument(
            help="Image files, folders (recursive) or glob patterns; or a directory of cupl embed."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="CSV file to write, or to add photos to.")
    ],
    name: generate_options.NamesOption = None,
    classes: ClassListOption = None,
    bank: BankOption = None,
    vectors: VectorsOption = None,
    sample: Annotated[
        int, typer.Option(min=16, max=1_000_000, help="Photos to label, those there included.")
    ] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Another one draws other photos.")] = 0,
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
    """Draw a few photos to label, that tell most about the accuracy on all.

    Write the name of a class into the column label, "none of these" or "cannot tell", from the top
    down; cupl evaluate then gives the accuracy on all photos, with its interval. Who stops early
    loses nothing but precision. The same command with a larger --sample adds photos and keeps the
    labels. Paths count from the file's folder where the photos lie below it, else they are
    absolute.
    """
    encoder = encoder_options.joined_encoder(encoder, text_encoder, images)
    from cupl.evaluation.label_sample import sample_to_label, vectors_in_words
    from cupl.evaluation.sample_file import CANNOT_TELL, NONE_OF_THESE, check_sample_classes

    source = ClassSource(bank, vectors, name, classes, templates, text_cache)
    source.check(explain=False)
    choice = EncoderChoice(encoder, revision, device, precision, batch_size)
    if is_stream(output) or output.suffix.lower() != ".csv":
        raise typer.BadParameter(f"{output} is no .csv: the labels are to be written into it")
    photos = Photos.of(images, all_files, partial(source.image_vectors, choice=choice))
    there = photos.paths if os.path.lexists(output) else ()
    check_target(output, *inputs_of(source, choice), *there)
    classifier = load_classifier(source, choice, photos.stored)
    check_sample_classes(classifier.labels)
    by = vectors_in_words(classifier.vectors)
    drawn = sample_to_label(photos.predictions(classifier), sample, seed=seed, by=by)
    saved = drawn.save(output)
    if saved.aside is not None:
        say(f"{output} held fewer photos: kept as {saved.aside}")
    kept = f", {count(saved.labelled, 'label')} kept" if saved.labelled else ""
    say(
        f"wrote {output}: {count(saved.photos, 'photo')} of {len(drawn.drawn):,} to label{kept}, "
        "spread over sure and unsure ones"
    )
    if saved.photos > sample:
        say(f"it held more than the {sample:,} of --sample: all are kept")
    say(
        f"write the name of a class into the column label, {NONE_OF_THESE!r} or {CANNOT_TELL!r}, "
        "from the top down"
    )
    judged = quoted(bank) if bank is not None else "BANK.yaml"
    if source.by_names:
        say("BANK.yaml is a bank that is made for these names (cupl generate)")
    made = classifier.vectors.provenance
    made_by = encoder or (DEFAULT_ENCODER if made.made_elsewhere else made.encoder)
    chosen = f" --encoder {quoted(made_by)}" if made_by != DEFAULT_ENCODER else ""
    named = photos.stored is None or photos.stored.has_files
    data = quoted(output) if named else f"{quoted(images[0])} --labels {quoted(output)}"
    say_next(f"cupl evaluate {data} --bank {judged}{chosen}", output, carry=MADE)
    if drawn.unreadable:
        rest = "  and {} more; they are in no figure"
        total = len(drawn.drawn) + len(drawn.unreadable)
        say_unreadable(len(drawn.unreadable), total, drawn.unreadable[:_SHOWN], rest)
    if drawn.unreadable or not photos.complete:
        raise typer.Exit(3)
