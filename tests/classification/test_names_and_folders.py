"""Classifiers made of names, and folders in place of images."""

from pathlib import Path

import pytest
from PIL import Image

import cupl
from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.decision import DecisionRule
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_vectors import load_embeddings, stored_images
from cupl.errors import InputError
from tests.models import HandMadeEncoder, bank_of

RED, GREEN, GREY = (200, 0, 0), (0, 200, 0), (9, 9, 9)
TEXTS = {"a photo of a cat.": (1, 0), "a photo of a dog.": (0, 1), "cat": (1, 0.2), "dog": (0, 2),
         "cat!": (1, 0), "dog!": (0.5, 1)}  # fmt: skip


@pytest.fixture
def encoder() -> HandMadeEncoder:
    made = HandMadeEncoder(TEXTS, {RED: (1, 0.1), GREEN: (0.1, 1), GREY: (0.0, 0.0)})
    made.image_batch = 2
    return made


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, color in enumerate([RED, GREEN, GREY, GREEN, RED]):
        Image.new("RGB", (4, 4), color).save(folder / f"{number}.png")
    return folder


def told(classifier: ZeroShotClassifier, photos: Path) -> list[dict[str, object]]:
    return [one.to_dict() for one in classifier.predict(cupl.find_images(photos))]


def test_names_are_a_bank_of_templates(encoder: HandMadeEncoder, photos: Path) -> None:
    names = ZeroShotClassifier.from_names(["cat", "dog"], encoder)
    bank = bank_of({"cat": ["a photo of a cat."], "dog": ["a photo of a dog."]})
    assert told(names, photos) == told(ZeroShotClassifier.from_bank(bank, encoder), photos)
    several = ZeroShotClassifier.from_names(["cat", "dog"], encoder, templates=["{}", "{}!"])
    bank = bank_of({"cat": ["cat", "cat!"], "dog": ["dog", "dog!"]})
    assert told(several, photos) == told(ZeroShotClassifier.from_bank(bank, encoder), photos)


def test_labels_keep_their_ids_and_what_is_saved_is_loaded(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    labels = [ClassLabel("cat", "n1", ("kitty",)), ClassLabel("dog", "n2")]
    names = ZeroShotClassifier.from_names(iter(labels), encoder)
    assert names.labels == labels
    assert isinstance(names.bank, PromptBank)
    names.save(tmp_path / "v.safetensors")
    again = ZeroShotClassifier.load(tmp_path / "v.safetensors", encoder, bank=names.bank)
    assert told(again, photos) == told(names, photos)


def test_one_text_is_no_list_of_names(encoder: HandMadeEncoder) -> None:
    with pytest.raises(InputError, match=r"such as \['cat'\]"):
        ZeroShotClassifier.from_names("cat", encoder)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_is_not_an_image_and_says_how(
    kind: type, encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    classifier = ZeroShotClassifier.from_names(["cat", "dog"], encoder)
    with pytest.raises(InputError, match=rf"a folder, not an image: .*find_images\('{photos}'\)"):
        classifier.predict(kind(photos))
    with pytest.raises(InputError, match="a folder, not an image"):
        classifier.predict_proba(kind(photos))
    [row] = classifier.predict([kind(photos)])  # among others it costs its row alone
    assert row.error == "this is a folder, not an image file"
    embed_images(photos, encoder, tmp_path / "vectors")
    with pytest.raises(InputError, match=r"predict_vectors\(cupl.load_embeddings\("):
        classifier.predict(kind(tmp_path / "vectors"))


@pytest.mark.parametrize("shard_size", [1, 2, 3, 9])
@pytest.mark.parametrize("start", range(7))
def test_stored_vectors_are_classified_from_an_image_on(
    shard_size: int, start: int, encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    (photos / "2 broken.png").write_bytes(b"")
    embed_images(photos, encoder, tmp_path / "vectors", shard_size=shard_size)
    classifier = ZeroShotClassifier.from_names(["cat", "dog"], encoder)
    stored = load_embeddings(tmp_path / "vectors")
    whole = classifier.predict_vectors(stored)
    rule = DecisionRule()
    found = list(classifier.predict_stored(stored, start=start, rule=rule))
    assert found == whole[start:]
    assert [one.path for one in whole] == [path for part in stored.paths() for path in part]


def test_what_is_stored_is_told_from_images(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    vectors = tmp_path / "vectors"
    embed_images(photos, encoder, vectors)
    found = stored_images([str(vectors)])
    assert found is not None
    assert len(found) == 5
    assert stored_images([photos, "gone", "x" * 5000]) is None
    with pytest.raises(InputError, match="name it alone"):
        stored_images([photos, vectors])
    (vectors / "images-00000.parquet").unlink()
    with pytest.raises(InputError, match="before its first shard was done; resume"):
        stored_images([vectors])
