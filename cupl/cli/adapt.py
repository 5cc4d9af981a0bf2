"""``cupl adapt``: class vectors to the photos that they will classify."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli import encoder_options
from cupl.cli.adapt_examples import ExampleOptions, adapt_to_examples
from cupl.cli.encoder_choice import EncoderChoice
from cupl.cli.output import HOW, check_vectors_target, quoted, say, say_next
from cupl.cli.photos import adapt_to_photo_files

if TYPE_CHECKING:
    from cupl.embedding.class_vectors import ClassVectors


def adapt_command(
    vectors: Annotated[
        Path,
        typer.Argument(
            help="Class vectors of cupl encode (.safetensors), or class embeddings made "
            "elsewhere (.npy, .npz, .parquet, .safetensors)."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write (.safetensors).")],
    photos: Annotated[
        list[str] | None,
        typer.Option(
            help="Photos such as will be classified, without labels: files, folders or patterns, "
            "a directory of cupl embed, or embeddings made elsewhere (.npy, .npz, .parquet, "
            ".safetensors). Give it again for more."
        ),
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(
            help="Labelled images, a few of each class: an ImageFolder, a .csv of path and label, "
            "a directory of cupl embed, or embeddings made elsewhere."
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Names of class embeddings that have none: text file (a name a line), CSV "
            "(id,name), bank, ImageFolder, or 'imagenet'."
        ),
    ] = None,
    encoder: encoder_options.SaidEncoderOption = None,
    revision: encoder_options.RevisionOption = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="For image vectors: a .csv of path and label. [default: those in the file, or "
            "folder names]"
        ),
    ] = None,
    skip_unmatched: Annotated[
        bool, typer.Option("--skip-unmatched", help="Leave out images whose label means no class.")
    ] = False,
    all_files: encoder_options.AllFilesOption = False,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
    embedding_cache: encoder_options.TextCacheOption = None,
) -> None:
    """Adapt class vectors to photos without labels, or to a few with labels.

    Where photos cannot help, or examples show no gain at all, the class vectors stay as they are,
    and it says so. Exit code 3 where some images could not be read; the others count.
    """
    from cupl.embedding.image_cache import beside_texts

    if photos and examples is not None:
        raise typer.BadParameter(
            "give either --photos or --examples: labels say more of the same images, and where "
            "there are both, the two do not add up"
        )
    check_vectors_target(output, vectors, examples, labels, classes, *(photos or ()))
    made = _class_vectors(vectors, classes)
    choice = EncoderChoice(encoder, revision, device, precision, batch_size)
    had_coverage = made.provenance.coverage is not None
    if photos:
        if labels is not None or skip_unmatched:
            raise typer.BadParameter("--labels and --skip-unmatched go with --examples")
        adapted, all_read = adapt_to_photo_files(
            made, photos, all_files, choice, beside_texts(embedding_cache)
        )
    elif examples is not None:
        options = ExampleOptions(
            examples,
            labels,
            skip_unmatched,
            all_files,
            choice,
            beside_texts(embedding_cache),
        )
        adapted, unreadable = adapt_to_examples(made, options)
        all_read = unreadable == 0
    else:
        raise typer.BadParameter("give --photos PHOTOS or --examples LABELLED")
    adapted.save(output)
    if had_coverage and adapted.provenance.coverage is None:
        say("the fitted coverage holds no more: fit it again, to other images")
    say(f"wrote {output}")
    elsewhere = adapted.provenance.made_elsewhere
    images = "EMBEDDINGS.npy" if elsewhere else "IMAGE..."
    say_next(f"cupl classify {images} --vectors {quoted(output)}", output, carry=HOW)
    if not all_read:
        raise typer.Exit(3)


def _class_vectors(path: Path, classes: str | None) -> "ClassVectors":
    from cupl.cli.generate_options import labels_of
    from cupl.embedding.class_vectors import ClassVectors
    from cupl.embedding.foreign_classes import is_class_file, load_class_file

    if is_class_file(path):
        return load_class_file(path, None if classes is None else labels_of(classes, []))
    made = ClassVectors.load(path)
    if classes is not None:
        raise typer.BadParameter("--classes goes with vectors made elsewhere; these have names")
    return made
