"""``cupl adapt --examples``: labelled images to what they add to class vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cupl.cli.made_elsewhere import check_labelled
from cupl.cli.output import count, progress, say, say_unreadable

if TYPE_CHECKING:
    from cupl.cli.encoder_choice import EncoderChoice
    from cupl.embedding.class_vectors import ClassVectors
    from cupl.embedding.image_cache import ImageCache
    from cupl.evaluation.labelled import LabelledImages

_SHOWN = 10


@dataclass(frozen=True)
class ExampleOptions:
    """What the command line says of the examples, beside the class vectors."""

    examples: Path
    labels: Path | None
    skip_unmatched: bool
    all_files: bool
    choice: EncoderChoice
    image_cache: ImageCache


def adapt_to_examples(vectors: ClassVectors, options: ExampleOptions) -> tuple[ClassVectors, int]:
    """Class vectors that know the examples too, and how many images could not be read.

    Says what was chosen and what it is worth.
    """
    import torch

    from cupl.adaptation.few_labels import fit_examples
    from cupl.evaluation.dataset import read_labelled
    from cupl.evaluation.labelled import check_matched

    found = read_labelled(
        options.examples, vectors.labels, options.labels, all_files=options.all_files
    )
    for note in found.notes:
        say(note)
    check_matched(found, vectors.labels, options.skip_unmatched)
    if found.unmatched:
        say(f"{count(found.unmatched.total(), 'image')} left out: the label means no class")
    images = _encoded(found, vectors, options)
    rows = cast("torch.Tensor", images.vectors)  # which encoding is for
    fitted, report = fit_examples(vectors, rows, torch.tensor(images.targets))
    say(str(report))
    if images.unreadable:
        total = len(images.paths) + len(images.unreadable)
        say_unreadable(len(images.unreadable), total, images.unreadable[:_SHOWN], "  and {} more")
    return fitted, len(images.unreadable)


def _encoded(
    found: LabelledImages, vectors: ClassVectors, options: ExampleOptions
) -> LabelledImages:
    """With vectors; images are encoded by the encoder of the class vectors."""
    from cupl.evaluation.labelled import encode_labelled

    if found.vectors is None:
        how = options.choice
        encoder = vectors.load_encoder(how.device, how.precision, how.batch_size)
        vectors.check_encoder(encoder)
        with progress("images") as update:
            return encode_labelled(found, encoder, update, options.image_cache)
    if found.provenance is None:
        check_labelled(found, options.choice, vectors)
    else:
        vectors.check_embeddings(found.provenance)
    return found
