"""One call from data to an evaluation, its rows and its files."""

import itertools
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_runs import embed_images
from cupl.errors import CuplError, InputError
from cupl.evaluation.schema import Evaluation
from cupl.evaluation.summary import summarize_evaluation
from cupl.report.evaluating import EvaluationResult, evaluate
from cupl.report.old_reports import REPORT_FILES
from tests.evaluation.planted import PlantedEncoder, images_at, planted_bank
from tests.models import HandMadeEncoder, bank_of

CLASSES = 6
GOOD = {"What is {}?": ["A {}.", "One {}."], "Where is {}?": ["{} at home."]}
COLOURS = {(255, 0, 0): [1.0, 0.1], (0, 0, 255): [0.1, 1.0]}


@pytest.fixture
def encoder() -> PlantedEncoder:
    return PlantedEncoder(CLASSES)


def vectors(right: int, wrong: int) -> tuple[torch.Tensor, list[int]]:
    """Images of each class where they belong, and some where the next class does."""
    pairs = [(i, i) for i in range(CLASSES)] * right
    pairs += [(i, (i + 1) % CLASSES) for i in range(CLASSES)] * wrong
    data = images_at(pairs, CLASSES)
    assert data.vectors is not None
    return data.vectors, data.targets


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Red cats and blue dogs, two of them the other way round."""
    for name, colours in (("cat", "rrrrb"), ("dog", "bbbbr")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for place, colour in enumerate(colours):
            image = Image.new("RGB", (4, 4), (255, 0, 0) if colour == "r" else (0, 0, 255))
            image.save(tmp_path / "photos" / name / f"{place}.png")
    return tmp_path / "photos"


def animals() -> HandMadeEncoder:
    texts = {"A cat.": [1.0, 0.0], "A dog.": [0.0, 1.0], "a photo of a cat.": [1.0, 0.2],
             "a photo of a dog.": [0.2, 1.0], "my cat": [1.0, 0.1], "my dog": [0.0, 1.0],
             "cat": [1.0, 0.3], "dog": [0.3, 1.0]}  # fmt: skip
    return HandMadeEncoder(texts, COLOURS)


BANK = bank_of({"cat": ["A cat."], "dog": ["A dog."]})


def test_every_file_is_opened_where_one_asks_for_it(photos: Path) -> None:
    for place in range(3):
        (photos / "cat" / f"{place}.png").rename(photos / "cat" / f"{place}.txt")
    few = evaluate(photos, BANK, encoder=animals(), controls="photo")
    every = evaluate(photos, BANK, encoder=animals(), controls="photo", all_files=True)
    assert [few.images, every.images] == [7, 10]


def shares(result: EvaluationResult) -> dict[str, float]:
    return {one.name: one.top1.value for one in result.candidates}


def test_a_folder_a_csv_vectors_of_embed_and_pairs_say_the_same(
    photos: Path, tmp_path: Path
) -> None:
    paths = sorted(photos.rglob("*.png"))
    labels = [path.parent.name for path in paths]
    rows = [f"{path},{label}" for path, label in zip(paths, labels, strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]))
    embed_images([str(path) for path in paths], animals(), tmp_path / "v")
    matrix = [COLOURS[Image.open(path).getpixel((0, 0))] for path in paths]  # type: ignore[index]
    kinds: list[Any] = [
        photos, str(photos), tmp_path / "labels.csv", tmp_path / "v", (paths, labels),
        (torch.tensor(matrix), labels), (np.array(matrix), np.array([0, 1]).repeat(5)),
    ]  # fmt: skip
    results = [evaluate(data, BANK, encoder=animals(), controls=["photo"]) for data in kinds]
    for result in results:
        assert shares(result) == {"animals": 0.8, "photo": 0.8}
        assert result.candidates == results[0].candidates
        assert result.analyses == results[0].analyses


def test_it_is_the_evaluation_that_is_written(encoder: PlantedEncoder, tmp_path: Path) -> None:
    result = evaluate(vectors(10, 3), planted_bank(CLASSES, GOOD), encoder=encoder, seeds=2)
    assert isinstance(result, Evaluation)
    result.save_report(tmp_path / "out")
    written = (tmp_path / "out" / "evaluation.json").read_bytes()
    assert json.loads(written) == json.loads(result.model_dump_json())
    read = Evaluation.model_validate_json(written)
    assert dict(read) == dict(result)
    names = ["planted", "photo", "names", "random-words", "shuffled"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "report.html", "figures", "evaluation.json", "summary.csv", "classes.csv",
        "comparisons.csv", "predictions.csv", "summary.md", "summary.tex",
        *(f"confusion-{name}.csv" for name in names),
    }  # fmt: skip
    assert str(result) == summarize_evaluation(read)
    assert result.verdicts[0].sentence in str(result)


def test_records_are_flat_rows_with_equal_columns(encoder: PlantedEncoder) -> None:
    result = evaluate(vectors(10, 3), planted_bank(CLASSES, GOOD), encoder=encoder, seeds=2)
    names = ["planted", "photo", "names", "random-words", "shuffled"]
    records: dict[str, Sequence[dict[str, Any]]] = {
        "candidates": result.to_records(),
        "comparisons": result.comparisons_to_records(),
        "classes": result.classes_to_records(),
        "predictions": result.predictions_to_records(),
    }
    for rows in records.values():
        assert len({tuple(row) for row in rows}) == 1
        assert {type(cell) for row in rows for cell in row.values()} <= {
            str, int, float, type(None)
        }  # fmt: skip
    assert [row["name"] for row in records["candidates"]] == names
    assert [row["control"] for row in records["comparisons"]] == names[1:]
    assert len(records["classes"]) == 5 * CLASSES
    assert len(records["predictions"]) == 7 * 78
    first = records["predictions"][0]
    assert (first["path"], first["label"], first["predicted"]) == ("image 0", "class 0", "class 0")
    right = [row["rank"] == 1 for row in records["predictions"] if row["contender"] == "planted"]
    assert np.mean(right) == pytest.approx(records["candidates"][0]["top1"])


def test_several_banks_and_files(encoder: PlantedEncoder, tmp_path: Path) -> None:
    good = planted_bank(CLASSES, GOOD)
    for name in ("old", "new"):
        good.save(tmp_path / f"{name}.yaml")
    result = evaluate(
        vectors(2, 1), [tmp_path / "old.yaml", str(tmp_path / "new.yaml")], encoder=encoder,
        controls="names",
    )  # fmt: skip
    assert [one.name for one in result.candidates] == ["old", "new", "names"]
    alone = evaluate(vectors(2, 1), tmp_path / "old.yaml", encoder=encoder, controls=())
    assert [one.name for one in alone.candidates] == ["planted"]


@pytest.mark.parametrize("as_file", [False, True])
def test_templates_pooling_and_calibrated_vectors(as_file: bool, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("format: cupl-templates/1\nname: m\ntemplates: ['my {}']\n")
    pairs = [([1.0, 0.2], 0)] * 30 + [([0.1, 1.0], 1)] * 30 + [([1.0, 0.9], 1)] * 6
    data = torch.tensor([vector for vector, _ in pairs]), [label for _, label in pairs]
    result = evaluate(
        data, BANK, encoder=animals(), controls=["photo"], pooling="similarity",
        templates=tmp_path / "mine.yaml" if as_file else ["my {}"],
    )  # fmt: skip
    assert [one.prompts for one in result.candidates] == [2, 1]
    temperature = result.save_calibrated(tmp_path / "v.safetensors")
    saved = ClassVectors.load(tmp_path / "v.safetensors").provenance
    assert (saved.temperature, saved.pooling, saved.templates) == (
        temperature, "similarity", ("my {}",),
    )  # fmt: skip


def test_the_closest_prompts_and_sub_classes_are_judged_as_they_classify() -> None:
    random = torch.Generator().manual_seed(0)
    texts = {str(number): torch.randn(8, generator=random).tolist() for number in range(18)}
    coarse = PromptBank(
        name="coarse",
        classes=[
            ClassPrompts(
                name=f"class {start}",
                prompts={"What?": list(map(str, range(start, start + 4)))},
                subclasses=[
                    ClassPrompts(name=f"kind {kind}", prompts={"What?": [str(kind)]})
                    for kind in (start + 4, start + 5)
                ],
            )
            for start in (0, 6, 12)
        ],
    )
    plain = coarse.model_copy(
        update={
            "name": "plain",
            "classes": [one.model_copy(update={"subclasses": []}) for one in coarse],
        }
    )
    encoder = HandMadeEncoder(texts)
    targets = torch.arange(60) % 3
    # Each image lies near one prompt or one kind of its class.
    near = targets * 6 + torch.randint(0, 6, (60,), generator=random)
    images = torch.tensor([texts[str(int(one))] for one in near])
    images = images + 0.8 * torch.randn(60, 8, generator=random)
    result = evaluate(
        (images, targets.tolist()), [plain, coarse], encoder=encoder, controls=(),
        pooling=["normalized-mean", "top"], text_cache=False,
    )  # fmt: skip
    figures = {one.name: one.top1.value for one in result.candidates}
    assert list(figures) == ["plain", "plain, top", "coarse", "coarse, top"]
    for bank in (plain, coarse):
        for pooling in ("normalized-mean", "top"):
            made = ZeroShotClassifier(encode_bank(bank, encoder, pooling, text_cache=False))
            right = made.scores(images).argmax(axis=1) == targets.numpy()
            name = bank.name + ", top" * (pooling == "top")
            assert figures[name] == pytest.approx(right.mean())
    assert figures["coarse"] > figures["plain"]
    assert figures["coarse, top"] > figures["plain"]


def test_where_no_temperature_fits_its_vectors_are_refused(tmp_path: Path) -> None:
    result = evaluate((torch.eye(2), [0, 1]), BANK, encoder=animals(), controls=["photo"])
    with pytest.raises(InputError, match="'animals' has no temperature: .* at least 40 images"):
        result.save_calibrated(tmp_path / "v")
    assert not (tmp_path / "v").exists()


def test_labels_of_no_class_are_refused_or_left_out(photos: Path) -> None:
    (photos / "dogs").mkdir()
    (photos / "cat" / "0.png").rename(photos / "dogs" / "0.png")
    (photos / "stray.png").touch()
    with pytest.raises(InputError, match=r"1 label means no class of the bank: 'dogs', nearly"):
        evaluate(photos, BANK, encoder=animals())
    result = evaluate(
        photos, BANK, encoder=animals(), skip_unmatched=True, controls=["names"]
    )  # fmt: skip
    assert result.images == 9
    assert result.notes == [
        f"1 image in {photos} itself, in no class folder: left out",
        "1 image left out: the label means no class",
    ]


def test_progress_counts_images_and_prompts(photos: Path) -> None:
    seen: list[tuple[int, int]] = []
    evaluate(
        photos, BANK, encoder=animals(), controls=["photo"], progress=lambda *now: seen.append(now)
    )
    assert [done for done, _ in seen][:10] == list(range(1, 11))
    assert seen == sorted(seen)
    assert seen[-1] == (10 + 2 + 2, 14)
    assert {total for _, total in seen} == {14}


def test_an_encoder_by_name_is_loaded_with_its_settings(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[tuple[Any, ...], str | None]] = []

    def load(*settings: Any, revision: str | None, download: bool = True) -> HandMadeEncoder:
        asked.append((settings, revision))
        return animals()

    monkeypatch.setattr("cupl.report.evaluating.load_encoder", load)
    monkeypatch.setattr("cupl.encoders.loading.load_encoder", load)
    evaluate(photos, BANK, controls=["photo"])
    evaluate(photos, BANK, encoder="mini", controls=["photo"], revision="a1b2", device="cpu",
             precision="float32", batch_size=3)  # fmt: skip
    assert asked == [
        (("openai/clip-vit-base-patch32", "auto", "auto", "auto"), None),
        (("mini", "cpu", "float32", 3), "a1b2"),
    ]


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        ("no", {}, "no: no such file or folder"),
        (3, {}, "a folder, a file or a pair of images and labels, not int"),
        ((torch.eye(2),), {}, "not tuple"),
        ((torch.eye(2), [0, 1]), {"labels": "x.csv"}, "a file of labels goes with a directory"),
        ((torch.eye(2), [0, 1]), {"encoder": None}, "name the encoder that made the image vectors"),
        ((torch.eye(3), [0, 1, 1]), {}, "are 3 wide, but hand-made makes 2"),
        ((torch.eye(2), [0, 1.7]), {}, "a name or a whole number"),
        ((torch.eye(2), [0, 1]), {"controls": ["phot"]}, "no control is called 'phot'"),
        ((torch.eye(2), [0, 1]), {"pooling": "max"}, "no pooling is called 'max'"),
        ((torch.eye(2), [0, 1]), {"seeds": 0}, "seeds is at least 1"),
        ((torch.eye(2), [0, 1]), {"templates": "no.yaml"}, "no such templates file"),
    ],
)
def test_what_cannot_be_judged(data: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CuplError, match=message):
        evaluate(data, BANK, **{"encoder": animals(), "controls": ["photo"], **settings})


def test_nothing_of_the_bank_is_changed(encoder: PlantedEncoder) -> None:
    good = planted_bank(CLASSES, GOOD)
    before = good.to_bytes()
    evaluate(vectors(2, 1), good, encoder=encoder, templates=["my {}"])
    assert good.to_bytes() == before
    assert isinstance(good, PromptBank)


def test_an_older_report_leaves_nothing_in_a_new_one(
    encoder: PlantedEncoder, tmp_path: Path
) -> None:
    stale = [tmp_path / name for name in ("figures/reliability.svg", "figures/confusions-4.png")]
    mine = [tmp_path / name for name in ("figures/mine.png", "notes.txt")]
    for path in (*stale, *mine):
        path.parent.mkdir(exist_ok=True)
        path.write_text("before")
    result = evaluate(vectors(4, 3), planted_bank(CLASSES, GOOD), encoder=encoder, seeds=2)
    result.save_report(tmp_path)
    assert not [path for path in stale if path.exists() and path.read_bytes() == b"before"]
    assert [path.read_text() for path in mine] == ["before", "before"]


@pytest.mark.parametrize("moment", range(0, 30, 3))
def test_old_and_new_files_are_never_seen_together(
    encoder: PlantedEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    result = evaluate(vectors(10, 3), planted_bank(CLASSES, GOOD), encoder=encoder, seeds=2)
    result.save_report(tmp_path)
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.write_bytes(path.read_bytes() + b"before")
    replace, calls = Path.replace, itertools.count()

    def stopped(path: Path, target: Path) -> Path:
        if next(calls) == moment:
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", stopped)
    with suppress(KeyboardInterrupt):
        result.save_report(tmp_path)
    left = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len({content.endswith(b"before") for content in left}) <= 1
    if (tmp_path / "report.html").exists():
        assert all((tmp_path / name).exists() for name in REPORT_FILES)


def test_some_classes_alone(encoder: PlantedEncoder) -> None:
    images, targets = vectors(right=6, wrong=2)
    bank = planted_bank(CLASSES, GOOD)
    names = [entry.name for entry in bank]
    chosen = [names[4], names[1]]
    some = evaluate((images, targets), bank, encoder=encoder, classes=chosen, text_cache=False)
    rows = [i for number in (4, 1) for i, target in enumerate(targets) if target == number]
    rows.sort()
    moved = [[4, 1].index(targets[row]) for row in rows]
    alone = evaluate((images[rows], moved), bank.select(chosen), encoder=encoder, text_cache=False)
    assert some.candidates == alone.candidates
    assert some.notes == [f"{len(targets) - len(rows)} images of other classes left out"]
