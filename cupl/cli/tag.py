"""``cupl tag``: all classes that a photo is of, into tables, an index, or the photos' keywords."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cupl.cli import encoder_options, generate_options
from cupl.cli.class_sources import BankOption, ClassListOption, ClassSource, VectorsOption
from cupl.cli.encoder_choice import EncoderChoice
from cupl.cli.index import existing_index
from cupl.cli.made_elsewhere import refuse_vector_file
from cupl.cli.output import say
from cupl.cli.predicting import Photos, inputs_of, load_classifier
from cupl.cli.tag_thresholds import TagThresholds
from cupl.cli.tagging import Tagged, table_kind, untag
from cupl.io.outputs import check_outside, check_target

if TYPE_CHECKING:
    from cupl.index.photo_index import PhotoIndex

TaggedIndexOption = Annotated[
    str | None,
    typer.Option(
        "--index", help="Tag the photos of this index (cupl index add), by the vectors in it."
    ),
]


def tag_command(
    images: Annotated[
        list[str] | None,
        typer.Argument(
            help="Image files, folders (recursive) or glob patterns; or a directory of cupl embed."
        ),
    ] = None,
    index: TaggedIndexOption = None,
    name: generate_options.NamesOption = None,
    classes: ClassListOption = None,
    bank: BankOption = None,
    vectors: VectorsOption = None,
    examples: Annotated[
        str | None,
        typer.Option(
            help="Labelled photos, as for evaluate: from where on each class is a tag is fitted "
            "to them. Two of each class at least."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="For --examples of cupl embed: a .csv of path and label."),
    ] = None,
    keep: Annotated[
        float | None,
        typer.Option(help="Share of a class's photos that are to get its tag. [default: 0.9]"),
    ] = None,
    fitted: Annotated[
        Path | None,
        typer.Option(help="Write what was fitted (.csv), for --class-thresholds."),
    ] = None,
    class_thresholds: Annotated[
        Path | None, typer.Option(help="CSV with class,cosine, of every class.")
    ] = None,
    reject: Annotated[
        Path | None,
        typer.Option(
            metavar="BANK", help="Bank of what is none of the classes: a tag has to beat it."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Probability from which a class is a tag. [default: 0.5]"),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(min=1, help="Tags a photo at most. Without thresholds: the best so many."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Table to write: .csv, .jsonl or .parquet."),
    ] = None,
    write: Annotated[
        Literal["xmp", "exif"] | None,
        typer.Option(
            help="Add the tags to the keywords of the photos: xmp in sidecars beside them, exif in "
            "the photos themselves, their originals kept."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be tagged, and write nothing.")
    ] = False,
    untag_them: Annotated[
        bool,
        typer.Option(
            "--untag", help="Take away the tags of --index, and what --write added, captions too."
        ),
    ] = False,
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
    """Tag photos with every class that they show, each judged alone.

    A CLIP model says which class is closest, not from where on a class is there: a few labelled
    --examples do, or --class-thresholds, a --reject bank, or --top. Nothing is written into or
    beside photos without --write. Their own keywords stay, and --untag takes the tags away again.
    """
    from cupl.embedding.elsewhere import check_on_disk

    encoder = encoder_options.joined_encoder(
        encoder, text_encoder, [index] if index else images or ()
    )
    from cupl.index.tagging import tag_rule

    source = ClassSource(bank, vectors, name, classes, templates, text_cache)
    if untag_them:
        if source.by_names or bank or vectors or write or output:
            raise typer.BadParameter("--untag takes images or --index, and nothing else")
        untag(images or [], index, all_files=all_files, dry_run=dry_run)
        return
    if bool(images) == bool(index):
        raise typer.BadParameter("name the images to tag, or an --index of photos")
    source.check(explain=False)
    fit = TagThresholds(class_thresholds, examples, labels, keep, fitted)
    fit.check()
    kind = table_kind(output)
    library = None if index is None else _opened(index)
    for image in images or ():
        refuse_vector_file(image, "cupl tag takes images, what cupl embed wrote, or an --index")
    photos = Photos.of(images, all_files) if images else None
    stored = photos.stored if photos else library.store.metadata if library else None
    choice = EncoderChoice(encoder, revision, device, precision, batch_size)
    read = [*inputs_of(source, choice), reject, *fit.files]
    for target in (output, fitted):
        if target is not None:
            if photos is not None and photos.stored is not None:
                check_outside(target, photos.stored.directory)
            check_target(target, *read, *(photos.paths if photos and target.exists() else ()))
    tagged = Tagged(output, kind, write, dry_run=dry_run)
    tagged.check()
    if write is not None and photos is not None:
        check_on_disk(photos.paths, "to write into them")
    classifier = load_classifier(
        source, choice, stored, None if reject is None else str(reject),
        encodes=examples is not None,
        ready=lambda labels: fit.read(labels, all_files=all_files),
    )  # fmt: skip
    rule = tag_rule(classifier, threshold=threshold, class_thresholds=fit.fit(classifier), top=top)
    if library is not None:
        tagged.tell_index(library, classifier, rule)
    else:
        assert photos is not None  # noqa: S101 (one of the two is given)
        found = photos.predictions(classifier, rule.decision, rule.top_k)
        tagged.tell(
            map(rule.tagged, found),
            images or () if photos.stored is None else photos.paths,
            again=[*(images or ()), *(["--all-files"] if all_files else [])],
        )
    if tagged.failed or (photos is not None and not photos.complete):
        raise typer.Exit(3)


def _opened(place: str) -> "PhotoIndex":
    library = existing_index(place)
    if not len(library):
        say(f"{place} holds no photo yet")
    return library
