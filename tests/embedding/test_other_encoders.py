"""Vectors are refused to an encoder that did not make them, in words that lead on."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from cupl.bank.labels import ClassLabel
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_shards import ImageProvenance
from cupl.embedding.provenance import Provenance
from cupl.errors import InputError
from tests.models import HandMadeEncoder

THEN, NOW = "a" * 40, "b" * 40


def encoder_of(name: str = "org/clip", revision: str | None = NOW) -> HandMadeEncoder:
    encoder = HandMadeEncoder({"a": [0.0, 1.0]}, fingerprint="new")
    encoder.id, encoder.revision = name, revision
    return encoder


def class_vectors(
    name: str = "org/clip", revision: str | None = THEN, fingerprint: str = "old"
) -> Any:
    provenance = Provenance(
        encoder=name, revision=revision, fingerprint=fingerprint, logit_scale=1.0, pooling="mean"
    )
    return ClassVectors([ClassLabel("cat")], torch.tensor([[1.0, 0.0]]), provenance)


def image_vectors(
    name: str = "org/clip", revision: str | None = THEN, fingerprint: str = "old"
) -> Any:
    return ImageProvenance(
        encoder=name, revision=revision, fingerprint=fingerprint, precision="float32", dim=2
    )


both = pytest.mark.parametrize(
    ("made", "kind"), [(class_vectors, "class"), (image_vectors, "image")]
)


@both
def test_vectors_of_an_earlier_revision_say_which(made: Callable[..., Any], kind: str) -> None:
    with pytest.raises(InputError) as caught:
        made().check_encoder(encoder_of())
    assert str(caught.value).startswith(
        f"these {kind} vectors were made by revision '{THEN}' of 'org/clip', and this is revision "
        f"'{NOW}': load_encoder('org/clip', revision='{THEN}') loads theirs; or "
    )
    assert caught.value.arguments == {"revision": THEN}


@both
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (("org/clip", None), ("org/clip", NOW)),
        (("org/clip", THEN), ("org/clip", None)),
        (("org/clip", THEN), ("org/other", NOW)),
        (("org/clip", NOW), ("org/clip", NOW)),
        (("/models/clip", None), ("/models/clip", None)),
    ],
)
def test_others_are_told_by_their_fingerprints(
    made: Callable[..., Any], kind: str, theirs: tuple[str, Any], ours: tuple[str, Any]
) -> None:
    with pytest.raises(
        InputError, match=r"fingerprint 'old'.*, not by.*fingerprint 'new'"
    ) as caught:
        made(*theirs).check_encoder(encoder_of(*ours))
    assert f"these {kind} vectors were made by the encoder" in str(caught.value)
    assert caught.value.arguments == {}


@both
def test_another_revision_that_is_the_same_encoder_is_accepted(
    made: Callable[..., Any], kind: str
) -> None:
    made(fingerprint="new").check_encoder(encoder_of())


@both
def test_what_a_file_says_is_kept_short(made: Callable[..., Any], kind: str) -> None:
    with pytest.raises(InputError) as caught:
        made("x/" + "y" * 5000, "\n" * 5000).check_encoder(encoder_of("x/" + "y" * 5000))
    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)
