"""Image classifiers that a bridge cannot use, each told in a sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cupl.encoders.catalog import describe_model
from cupl.encoders.classifiers import load_named_classifier
from cupl.encoders.sentence_tower import SentenceTower
from cupl.errors import InputError
from tests.encoders.files import edit_json
from tests.models import draw
from tests.two_models import ANIMALS, save_classifier, save_sentences, save_timm

Change = Callable[[Path], object]


def change(file: str, **values: object) -> Change:
    return lambda folder: edit_json(folder / file, **values)


def lose_head(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "classifier" not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lose_head, "is no whole image classifier: 2 of its weights are missing, such as classif"),
        (change("config.json", problem_type="multi_label_classification"), "sum to 1"),
        (change("preprocessor_config.json", size={"height": 9000, "width": 9000}), "no purpose"),
        (change("preprocessor_config.json", image_std=[0.0, 0.0, 0.0]), "gives no pixels"),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "is no image classifier"),
        (change("config.json", model_type="bert"), "cannot be loaded as an image classifier"),
        (change("config.json", hidden_size=7), "cannot be loaded as an image classifier"),
    ],
)
def test_what_is_no_classifier_of_transformers(tmp_path: Path, spoil: Change, said: str) -> None:
    folder = save_classifier(tmp_path / "vit")
    spoil(folder)
    with pytest.raises(InputError, match=said) as caught:
        load_named_classifier(str(folder))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (change("config.json", architecture="no_such_net"), "of the architecture 'no_such_net'"),
        (change("config.json", architecture=["test_vit"]), "one of timm's"),
        (change("config.json", num_classes=7), "cannot be loaded as an image classifier"),
        (change("config.json", label_names=["a", "b"]), "has 4 outputs and 2 names of classes"),
        (change("config.json", label_names={"0": "a", "x": "b"}), "cannot be loaded as an image"),
        (
            change("config.json", pretrained_cfg={"input_size": [3, 160, 160], "crop_pct": 1e-3}),
            "enlarges images to no purpose",
        ),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no weights"),
    ],
)
def test_what_is_no_classifier_of_timm(tmp_path: Path, spoil: Change, said: str) -> None:
    folder = save_timm(tmp_path / "timm")
    spoil(folder)
    with pytest.raises(InputError, match=said) as caught:
        load_named_classifier(str(folder))
    assert "\n" not in str(caught.value)


def test_a_text_model_is_told_the_order(tmp_path: Path) -> None:
    text = save_sentences(tmp_path / "text")
    with pytest.raises(InputError, match=r"is a text model .*IMAGE_CLASSIFIER\+SENTENCE_ENCODER"):
        load_named_classifier(str(text))


@pytest.mark.parametrize("save", [save_classifier, save_timm])
def test_logits_of_each_image_do_not_depend_on_the_batch(
    tmp_path: Path, save: Callable[[Path], Path]
) -> None:
    found = load_named_classifier(str(save(tmp_path / "model")))
    found.place(torch.device("cpu"), torch.float32)
    images = torch.stack([found.prepare(draw(70, 50, seed)) for seed in range(5)])
    whole, single = found.logits(images, 5), found.logits(images, 1)
    assert whole.shape == (5, len(ANIMALS))
    torch.testing.assert_close(whole, single, atol=1e-5, rtol=1e-5)
    assert found.logits(images[:0], 4).shape == (0, len(ANIMALS))


def test_parts_of_bridges_are_told_as_they_are_loaded(tmp_path: Path) -> None:
    text = save_sentences(tmp_path / "text", out=16, longest=12)
    image = save_timm(tmp_path / "image")
    classifier, sentences = describe_model(f"bridge:{image}+{text}")
    assert (classifier.role, classifier.family) == ("image classifier", "timm")
    assert classifier.image_side == load_named_classifier(str(image)).side
    tower = SentenceTower.load(str(text), torch.device("cpu"), torch.float32)
    assert (sentences.role, sentences.family) == ("text encoder", "sentence-transformers")
    assert (sentences.width, sentences.tokens) == (tower.dim, tower.max_tokens)
    assert (classifier.missing, sentences.missing) == (None, None)
