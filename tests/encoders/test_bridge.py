"""Bridges: any classifier and any text model, equal to ConSE written out in numpy."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import ViTForImageClassification, ViTImageProcessorPil

from cupl.encoders.bridge import BridgeEncoder
from cupl.encoders.loading import load_encoder, load_recorded_encoder
from cupl.errors import InputError, MissingPackageError
from tests.models import draw
from tests.two_models import ANIMALS, save_classifier, save_sentences, save_timm

LABELS = [*ANIMALS, *(f"beast of kind {number}" for number in range(20))]
IMAGES = [draw(60, 40, seed) for seed in range(3)]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sentences(tmp_path_factory.mktemp("bridge") / "text")


@pytest.fixture(scope="module", params=[save_classifier, save_timm])
def classifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    save: Callable[..., Path] = request.param
    return save(tmp_path_factory.mktemp("bridge") / "classifier", LABELS)


def unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@torch.no_grad()
def theirs(classifier: Path) -> Any:
    """Logits by the library whose model it is."""
    if "architectures" in (classifier / "config.json").read_text("utf-8"):
        processor = ViTImageProcessorPil.from_pretrained(classifier)
        vit: Any = ViTForImageClassification.from_pretrained(classifier)
        return vit.eval()(**processor(IMAGES, return_tensors="pt")).logits.numpy()
    timm: Any = import_module("timm")
    model = timm.create_model(f"local-dir:{classifier}", pretrained=True).eval()
    data = timm.data.resolve_data_config(model=model)
    transform = timm.data.create_transform(**data, is_training=False)
    return model(torch.stack([transform(one) for one in IMAGES])).numpy()


def naive(classifier: Path, text: Path) -> tuple[Any, Any]:
    """ConSE of the images, and the centre of the anchors."""
    model = SentenceTransformer(str(text), device="cpu")
    anchors = []
    for label in LABELS:
        names = label.replace("_", " ").split(", ")
        texts = [form.format(name) for name in names for form in ("{}", "a photo of the {}")]
        anchors.append(unit(unit(model.encode(texts)).mean(axis=0)))
    centre = np.stack(anchors).mean(axis=0)
    logits = theirs(classifier)
    weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    least = np.sort(weights, axis=1)[:, -20, None]  # the likeliest count
    weights[weights < least] = 0
    return weights @ unit(np.stack(anchors) - centre), centre


def test_it_is_conse(classifier: Path, text: Path) -> None:
    bridge = load_encoder(f"bridge:{classifier}+{text}", "cpu")
    assert isinstance(bridge, BridgeEncoder)
    images, centre = naive(classifier, text)
    np.testing.assert_allclose(bridge.encode_images(IMAGES).numpy(), images, atol=1e-5)
    words = ["ein Frosch", "一只猫"]
    plain = unit(SentenceTransformer(str(text), device="cpu").encode(words))
    np.testing.assert_allclose(bridge.encode_text(words).numpy(), plain - centre, atol=1e-5)
    again = load_recorded_encoder(bridge.id, bridge.revision, "cpu")
    assert again.fingerprint == bridge.fingerprint
    assert bridge.logit_scale > 0


def test_classes_without_names_are_refused(text: Path, tmp_path: Path) -> None:
    codes = save_classifier(tmp_path / "codes", ["LABEL_0", "LABEL_1"])
    with pytest.raises(InputError, match="have no names .*id2label of its config.json"):
        load_encoder(f"bridge:{codes}+{text}", "cpu")
    unnamed = save_timm(tmp_path / "timm", labels=None)
    with pytest.raises(InputError, match="have no names .*label_names of its config.json"):
        load_encoder(f"bridge:{unnamed}+{text}", "cpu")


@pytest.mark.parametrize("save", [save_timm, save_classifier])
def test_names_of_half_characters_are_refused(
    save: Callable[..., Path], text: Path, tmp_path: Path
) -> None:
    model = save(tmp_path / "model", ["a cat", "\ud800"])
    with pytest.raises(InputError, match="has a class whose name is no text"):
        load_encoder(f"bridge:{model}+{text}", "cpu")


def test_wrong_order_and_a_classifier_alone(text: Path, tmp_path: Path) -> None:
    model = save_classifier(tmp_path / "vit")
    with pytest.raises(InputError, match="is a text model .*in this order"):
        load_encoder(f"bridge:{text}+{model}", "cpu")
    with pytest.raises(InputError, match=r"is an image classifier: .*bridge:.*vit\+"):
        load_encoder(model, "cpu")


def test_missing_timm_names_the_extra(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = save_timm(tmp_path / "timm")
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'cupl\[open-clip\]'"):
        load_encoder(f"bridge:{model}+{text}", "cpu")
