"""A single text where a list of texts belongs is one text or one error, never its letters."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import cupl
from cupl.bank.labels import ClassLabel, labels_from_names
from cupl.bank.template_banks import template_bank
from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import CuplError
from cupl.evaluation.controls import CONTROLS
from tests.models import HandMadeEncoder, bank_of, save_clip, save_siglip

BANK = bank_of({"cat": ["A cat."], "dog": ["A dog."]})


@pytest.fixture(scope="module", params=["clip", "siglip", "mini"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    if request.param == "mini":
        return load_encoder("mini")
    folder = tmp_path_factory.mktemp(request.param)
    return load_encoder(save_clip(folder) if request.param == "clip" else save_siglip(folder))


def test_an_encoder_makes_one_vector_of_one_text(encoder: Encoder) -> None:
    assert torch.equal(encoder.encode_text("cat"), encoder.encode_text(["cat"]))
    assert encoder.encode_text("cat").shape == (1, encoder.dim)
    assert encoder.encode_text("").shape == (1, encoder.dim)
    assert encoder.encode_text([]).shape == (0, encoder.dim)
    assert encoder.count_tokens("cat") == encoder.count_tokens(["cat"])
    assert encoder.count_tokens([]) == []
    picture: Any = Image.new("RGB", (40, 40))
    assert encoder.encode_images(picture).shape == (1, encoder.dim)


def test_so_does_the_encoder_of_the_tests() -> None:
    assert HandMadeEncoder({"cat": [1.0, 2.0]}).encode_text("cat").tolist() == [[1.0, 2.0]]


def classifier() -> cupl.ZeroShotClassifier:
    return cupl.ZeroShotClassifier(cupl.ClassVectors.from_arrays(["cat", "dog"], np.eye(2)))


ONE: dict[str, Callable[[], Any]] = {
    "generate classes": lambda: cupl.generate("cup", offline=True),
    "generate filters": lambda: cupl.generate(["cup"], offline=True, filters="length"),
    "generate questions": lambda: cupl.generate(["cup"], offline=True, questions="What is {}?"),
    "generate_subclasses": lambda: cupl.generate_subclasses("cup", most=2, offline=True),
    "generate_contrast": lambda: cupl.generate_contrast("cup", offline=True),
    "generate_about": lambda: cupl.generate_about("cup", about="x", offline=True),
    "contrast_pairs": lambda: cupl.contrast_pairs(BANK, "cat", offline=True),  # type: ignore[arg-type]
    "describe_images": lambda: cupl.describe_images({"cup": "cup.jpg"}, offline=True),
    "caption_images": lambda: cupl.caption_images("cup.jpg", offline=True),
    "from_arrays": lambda: cupl.ClassVectors.from_arrays("cat", np.ones((3, 2))),
    "from_names": lambda: cupl.ZeroShotClassifier.from_names("cat"),
    "what is unwanted": lambda: cupl.ContentFilter("cat", ["dog"], HandMadeEncoder({})),
    "select": lambda: BANK.select("cat"),
    "from_dict": lambda: cupl.PromptBank.from_dict({"cat": "A cat."}),
    "aliases": lambda: cupl.generate([ClassLabel("cup", None, "mug")], offline=True),  # type: ignore[arg-type]
    "prompts": lambda: cupl.ClassPrompts(name="cat", prompts="A cat."),  # type: ignore[arg-type]
    "aliases of a bank": lambda: cupl.ClassPrompts(name="c", aliases="d", prompts=["A."]),  # type: ignore[arg-type]
    "stop": lambda: cupl.Sampling(stop="x"),  # type: ignore[arg-type]
    "questions": lambda: cupl.QuestionSet(name="x", questions="What is {}?"),  # type: ignore[arg-type]
    "templates": lambda: cupl.TemplateSet(name="x", templates="a {}."),  # type: ignore[arg-type]
    "template_bank": lambda: template_bank(["cat"], "a {}."),
    "encode_bank templates": lambda: cupl.encode_bank(
        BANK, HandMadeEncoder({}), templates="a photo of a {}."
    ),
    "calibrate": lambda: classifier().calibrate(torch.eye(2), "cat"),
    "fit": lambda: classifier().fit(torch.eye(2), "cat"),
    "evaluate pair": lambda: cupl.evaluate(("a.png", "cat"), BANK, encoder=HandMadeEncoder({})),
    "labels_from_names": lambda: labels_from_names("cat"),
}


@pytest.mark.parametrize("what", ONE)
def test_elsewhere_it_is_one_error(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((CuplError, ValueError)) as caught:
        ONE[what]()
    assert (
        isinstance(caught.value, CuplError)
        or "valid" in str(caught.value)
        or "must be" in str(caught.value)
    )
    assert not list(tmp_path.iterdir())


def test_a_single_control_and_a_single_bank_are_one(tmp_path: Path) -> None:
    encoder = HandMadeEncoder({"A cat.": [1.0, 0.0], "A dog.": [0.0, 1.0],
                               "cat": [1.0, 0.1], "dog": [0.1, 1.0]})  # fmt: skip
    found = cupl.evaluate((np.eye(2), ["cat", "dog"]), BANK, encoder=encoder, controls="names")
    assert [one.name for one in found.candidates] == ["animals", "names"]
    assert "names" in CONTROLS


def test_a_single_pair_of_classes_is_one_pair() -> None:
    with pytest.raises(CuplError, match="missing from the cache"):
        cupl.contrast_pairs(BANK, ("cat", "dog"), offline=True)  # type: ignore[arg-type]


def test_a_single_encoder_and_a_single_data_set_of_a_grid_are_one(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(tmp_path / "pets" / name / "1.png")
    grids = [
        cupl.evaluate_grid(data, BANK, encoders=encoders, candidates="own=photo", controls="names")
        for data in (tmp_path / "pets", str(tmp_path / "pets"))
        for encoders in ("mini", ["mini"], load_encoder("mini"))
    ]
    assert {(*grid.encoders, *grid.data_sets) for grid in grids} == {("mini", "pets")}
    assert grids[0].candidates == ["animals", "own", "names"]
    with pytest.raises(CuplError, match="^nowhere: no such"):
        cupl.evaluate_grid("nowhere", BANK, encoders="mini")


LISTS = {
    "classes", "names", "templates", "labels", "filters", "pairs", "controls", "banks", "texts",
    "aliases", "prompts", "stop", "pooling", "paths", "images", "candidates", "encoders", "data",
    "text", "image", "to", "away_from", "keywords",
}  # fmt: skip
"""Parameters of public functions that take several, all of them tried above or by other tests."""
OF_ENGINES = {"parts", "batch"}
"""Of what the library alone asks of an engine, which is a part of its protocol."""


def test_no_list_of_texts_is_forgotten() -> None:
    found = set()
    for name in cupl.__all__:
        for function in _functions(getattr(cupl, name)):
            for parameter in inspect.signature(function).parameters.values():
                kind = str(parameter.annotation)
                if re.search(r"(Sequence|Iterable|list)\[[^\]]*(str|Source|Path)", kind):
                    found.add(parameter.name)
    assert found <= LISTS | OF_ENGINES


def _functions(public: Any) -> list[Any]:
    if not inspect.isclass(public):
        return [public] if inspect.isfunction(public) else []
    members = (one for name, one in vars(public).items() if not name.startswith("_"))
    return [
        getattr(one, "__func__", one) for one in members if callable(getattr(one, "__func__", one))
    ]
