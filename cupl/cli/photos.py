"""Photos of which no label is known, as the command line is given them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from cupl.cli.encoder_options import images_of
from cupl.cli.output import progress, say, say_unreadable
from cupl.errors import InputError

if TYPE_CHECKING:
    import torch

    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.cli.encoder_choice import EncoderChoice
    from cupl.embedding.class_vectors import ClassVectors
    from cupl.embedding.image_cache import ImageCache
    from cupl.embedding.image_stream import Encoded
    from cupl.embedding.stored_vectors import Embeddings

_SHOWN = 3


def encode_photos(paths: Sequence[str], classifier: ZeroShotClassifier) -> list[Encoded]:
    """Each image with its vector, or why there is none; to adapt the classifier to."""
    from cupl.adaptation.photos import check_not_adapted
    from cupl.embedding.image_retries import until_lost
    from cupl.embedding.image_stream import encode_sources

    check_not_adapted(classifier.vectors)
    found = list["Encoded"]()
    encoder = classifier.encoder
    stream = encode_sources(paths, encoder, image_cache=classifier.image_cache)
    with progress("photos") as update, closing(stream) as images:
        for image in until_lost(images, paths, lambda: "nothing was written", {}):
            found.append(image)
            update(len(found), len(paths))
    return found


def vectors_of(images: Sequence[Encoded]) -> torch.Tensor:
    """Those that could be read, float32 ``[images, dim]``; the others are told."""
    import torch

    bad = [(str(image.path), str(image.error)) for image in images if image.vector is None]
    if bad:
        say_unreadable(len(bad), len(images), bad[:_SHOWN], "  and {} more")
    rows = [image.vector for image in images if image.vector is not None]
    if not rows:
        raise InputError("none of the photos can be read")
    return torch.stack(rows)


def adapt_classifier(classifier: ZeroShotClassifier, photos: Embeddings | torch.Tensor) -> None:
    """Adapt, and say what became of it."""
    with progress("passes") as update:
        report = classifier.adapt(photos, progress=update)
    say(str(report))


def adapt_to_photo_files(
    vectors: ClassVectors,
    photos: Sequence[str],
    all_files: bool,
    choice: EncoderChoice,
    image_cache: ImageCache,
) -> tuple[ClassVectors, bool]:
    """Class vectors adapted to photos, encoded where they are not; and whether all were read."""
    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.cli.made_elsewhere import image_vectors_of

    if (stored := image_vectors_of(photos, choice, vectors)) is not None:
        classifier = ZeroShotClassifier(vectors)
        adapt_classifier(classifier, stored)
        return classifier.vectors, True
    paths, complete = images_of(photos, all_files)
    encoder = vectors.load_encoder(choice.device, choice.precision, choice.batch_size)
    classifier = ZeroShotClassifier(vectors, encoder, image_cache=image_cache)
    images = encode_photos(paths, classifier)
    adapt_classifier(classifier, vectors_of(images))
    return classifier.vectors, complete and all(image.vector is not None for image in images)
