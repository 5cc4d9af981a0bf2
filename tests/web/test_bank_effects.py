"""What the prompts of a bank do to photos, in the app."""

import json

import numpy as np
import pytest
import torch

from cupl.embedding.bank_encoding import bank_embeddings, encode_bank
from cupl.embedding.normalize import unit
from cupl.encoders.protocol import Encoder
from cupl.evaluation.ablation import Described, misleading_prompts
from cupl.evaluation.ranking import ImageRanks
from tests.web.bank_steps import edit
from tests.web.conftest import Serve
from tests.web.photos import BANK


def test_effects_of_prompts_are_cosines_to_photos(serve: Serve, mini: Encoder) -> None:
    with serve() as app:
        found = app.good("/api/bank/effects?class=cat")
        photos = unit(app.space.photos.vectors(app.space.photos.readable()))
        vectors = encode_bank(BANK, mini)
        own = (photos @ vectors.matrix.T).argmax(dim=1) == 0
        cosines = unit(mini.encode_text(BANK["cat"].texts)) @ photos.T
        assert (found["by"], found["own"], found["others"]) == ("judged", int(own.sum()), int((~own).sum()))  # fmt: skip # noqa: E501
        for one in found["prompts"]:
            row = cosines[one["prompt"]]
            assert one["own"] == pytest.approx(row[own].mean().item(), abs=1e-5)
            assert one["others"] == pytest.approx(row[~own].mean().item(), abs=1e-5)
            assert one["gap"] == pytest.approx(one["own"] - one["others"], abs=1e-9)
        gaps = [one["gap"] for one in found["prompts"]]
        assert gaps == sorted(gaps)
        strict = json.dumps({"threshold": 1.0}).replace(" ", "")
        none = app.good(f"/api/bank/effects?class=cat&settings={strict}")
        assert (none["own"], none["others"]) == (0, 40)
        assert none["prompts"][0]["own"] is None


def test_misleading_prompts_are_those_of_an_evaluation(serve: Serve, mini: Encoder) -> None:
    with serve() as app:
        edit(app, "change-prompt", number=2, prompt=0, text="A motorcycle has two wheels.")
        edit(app, "change-prompt", number=2, prompt=1, text="A motor and a seat.")
        edit(app, "add-prompts", number=3, prompts=[{"text": "A rocket lifts off with smoke."}])
        edit(app, "add-prompts", number=3, prompts=[{"text": "A rocket on a launch pad."}])
        assert app.space.editor is not None
        bank = app.space.editor.bank
        names = [one.name for one in bank]
        numbers = [n for n in app.space.photos.readable()
                   if app.space.photos.names[n].partition("/")[0] in names]  # fmt: skip
        targets = [names.index(app.space.photos.names[n].partition("/")[0]) for n in numbers]
        app.space.examples = lambda: (1, numbers, targets)
        found = app.good("/api/bank/effects?class=3")
        photos, truth = unit(app.space.photos.vectors(numbers)), torch.tensor(targets)
        vectors = encode_bank(bank, mini)
        predicted = (photos @ vectors.matrix.T).argmax(dim=1)
        ranks = ImageRanks(predicted.numpy(), np.where(predicted == truth, 1, 2), np.ones(len(truth)))  # fmt: skip # noqa: E501
        described = Described(bank, bank_embeddings(bank, mini), photos, truth, vectors)
        expected = {one.prompt: one.images for one in misleading_prompts(described, ranks)
                    if one.name == "motorcycle"}  # fmt: skip
        texts = bank.classes[3].texts
        told = {texts[one["prompt"]]: one["misleads"] for one in found["prompts"][:4]}
        told = {text: images for text, images in told.items() if images}
        assert told == expected != {}
        assert found["by"] == "labelled"
        assert found["prompts"][0]["misleads"] == max(expected.values())
        assert found["own"] == int((truth == 3).sum())


def test_labels_after_an_edit_are_those_of_a_new_bank(serve: Serve, mini: Encoder) -> None:
    with serve() as app:
        before = app.good("/api/relabel", {})["labels"]
        edit(app, "add-prompts", number=4, prompts=[{"text": "A cat with whiskers, lying down."}])
        edit(app, "remove-prompt", number=4, prompt=0)
        found = app.good("/api/relabel", {})["labels"]
        assert app.space.editor is not None
        bank = app.space.editor.bank
        matrix = encode_bank(bank, mini).matrix
        best = (app.space.photos.vectors(app.space.photos.readable()) @ matrix.T).argmax(dim=1)
        assert found == [bank.classes[int(one)].name for one in best]
        assert found != before


def test_a_large_bank_is_read_as_a_job(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as app:
        expected = app.good("/api/relabel", {})["labels"]
    monkeypatch.setattr("cupl.web.workspace.MANY_PROMPTS", 1)
    with serve() as app:
        app.wait("prompts")
        [job] = [one for one in app.good("/api/state")["jobs"] if one["kind"] == "prompts"]
        assert (job["state"], job["done"], job["total"]) == ("done", 8, 8)
        assert app.good("/api/relabel", {})["labels"] == expected
