"""The bank in the app: edits, what they do, saving, asking for more, and the page."""

import json
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cupl.bank.lint import check_bank
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.renaming import with_name
from cupl.embedding.bank_encoding import bank_embeddings, encode_bank
from cupl.embedding.normalize import unit
from cupl.encoders.protocol import Encoder
from cupl.evaluation.ablation import Described, misleading_prompts
from cupl.evaluation.ranking import ImageRanks
from cupl.web.bank_draft import ClassSplice
from cupl.web.bank_models import LanguageModel
from tests import fakes
from tests.sentences import sentences
from tests.web.conftest import Serve
from tests.web.photos import BANK
from tests.web.serving import Served, visited

KEY = "sk-very-secret-0123456789"
RICH = ClassPrompts(
    name="cat",
    id="n02121808",
    aliases=["house cat"],
    prompts={"What?": ["A cat has whiskers.", "A tabby cat."], "Where?": ["A cat on a sofa."]},
    subclasses=[ClassPrompts(name="siamese", prompts={"": ["A siamese with blue eyes."]})],
)
RICH_BANK = PromptBank(name="rich", classes=[RICH, *BANK.classes[1:]])


def edit(app: Served, do: str, **more: Any) -> Any:
    revision = app.good("/api/bank")["revision"]
    return app.good("/api/bank/edit", {"revision": revision, "do": do, **more})


def shown(app: Served, number: int = 0) -> Any:
    return app.good(f"/api/bank/class?class={number}")


def test_edits_leave_all_else_of_a_class(serve: Serve) -> None:
    with serve(photos=None, bank=RICH_BANK) as app:
        edit(app, "change-prompt", number=0, prompt=2, text="  A cat on \n a bed. ")
        edit(app, "remove-prompt", number=0, prompt=0)
        answer = edit(app, "add-prompts", number=0, prompts=[{"text": "A cat, that is", "question": "What?"}, {"text": "By hand."}])  # fmt: skip # noqa: E501
        assert answer["class"]["number"] == 0
        expected = RICH.model_copy(
            update={
                "prompts": {
                    "What?": ["A tabby cat.", "A cat, that is"],
                    "Where?": ["A cat on a bed."],
                    "": ["By hand."],
                }
            }
        )
        assert app.space.editor is not None
        assert app.space.editor.bank.classes[0] == expected
        edit(app, "rename-class", number=0, name="tomcat")
        assert app.space.editor.bank.classes[0] == with_name(expected, "tomcat")
        assert app.space.editor.bank.classes[0].aliases == ["cat", "house cat"]
        assert app.space.editor.bank.classes[1:] == RICH_BANK.classes[1:]
        edit(app, "remove-prompt", number=0, prompt=2)
        assert list(app.space.editor.bank.classes[0].prompts) == ["What?", ""]


def test_a_class_is_added_and_removed(serve: Serve) -> None:
    with serve(photos=None) as app:
        answer = edit(app, "add-class", name=" heron ")
        assert answer["class"]["number"] == 5
        assert answer["class"]["prompts"] == [{"question": "", "text": "a photo of a heron."}]
        answer = edit(app, "remove-class", number=1)
        assert answer["class"]["name"] == "rocket"
        names = [one["name"] for one in answer["bank"]["classes"]]
        assert names == ["cat", "rocket", "motorcycle", "brick wall", "heron"]


def test_what_is_odd_in_a_class_is_that_of_the_library(serve: Serve) -> None:
    with serve(photos=None) as app:
        answer = edit(app, "add-prompts", number=0, prompts=[{"text": "<b>"}, {"text": "a dog"}])
        assert app.space.editor is not None
        alone = PromptBank(name="-", classes=[app.space.editor.bank.classes[0]])
        expected = [(one.kind, one.text) for one in check_bank(alone)]
        found = [(one["kind"], f"cat: {one['text']}") for one in answer["class"]["findings"]]
        assert found == expected != []


REFUSED: list[tuple[dict[str, Any], int]] = [
    ({"do": "add-class", "name": "cat"}, 400),
    ({"do": "add-class", "name": " "}, 400),
    ({"do": "add-class"}, 422),
    ({"do": "add-class", "name": "x" * 501}, 422),
    ({"do": "add-class", "name": "a\u0000b"}, 400),
    ({"do": "rename-class", "number": 0, "name": "rocket"}, 400),
    ({"do": "rename-class", "number": 99, "name": "newt"}, 400),
    ({"do": "remove-class", "number": 5}, 400),
    ({"do": "remove-class", "number": -1}, 422),
    ({"do": "remove-prompt", "number": 3, "prompt": 0}, 400),
    ({"do": "remove-prompt", "number": 0, "prompt": 2}, 400),
    ({"do": "change-prompt", "number": 0, "prompt": 0, "text": "   "}, 400),
    ({"do": "change-prompt", "number": 0, "prompt": 0, "text": "x" * 2001}, 422),
    ({"do": "add-prompts", "number": 0, "prompts": [{"text": "A tabby cat lying down."}]}, 400),
    ({"do": "save-elsewhere"}, 422),
    ({"do": "remove-class", "number": 0, "path": "/etc/passwd"}, 422),
]


def test_what_cannot_be_is_refused_and_changes_nothing(serve: Serve) -> None:
    with serve(photos=None) as app:
        for body, status in REFUSED:
            found, answer = app.ask("/api/bank/edit", {"revision": 1, **body})
            assert found == status, (body, answer)
            assert len(answer["error"]) > 10
        assert app.good("/api/bank")["revision"] == 1
        assert not app.space.folder.exists()


def test_a_class_is_found_by_number_or_name(serve: Serve) -> None:
    with serve(photos=None) as app:
        assert shown(app, 2)["name"] == "rocket"
        assert app.good("/api/bank/class?class=coffee%20cup")["number"] == 1
        assert app.ask("/api/bank/class?class=zebra")[0] == 400
        assert app.ask("/api/bank/class?class=77")[0] == 400
        assert app.ask("/api/bank/effects?class=0&settings=[]")[0] == 422
        assert app.ask(f"/api/bank/effects?class=0&settings={'x' * 1500}")[0] == 422


def test_edits_of_another_are_not_overwritten(serve: Serve) -> None:
    with serve(photos=None) as app:
        edit(app, "remove-class", number=0)
        for path, body in [
            ("edit", {"do": "remove-class", "number": 0}),
            ("undo", {}), ("redo", {}), ("save", {}), ("discard", {}),
            ("ask", {"number": 0, "model": "mini"}),
            ("ask/estimate", {"number": 0, "model": "mini"}),
        ]:  # fmt: skip
            status, answer = app.ask(f"/api/bank/{path}", {"revision": 1, **body})
            assert (status, "meanwhile" in answer["error"]) == (409, True), path
        assert len(app.good("/api/bank")["classes"]) == 4


def test_of_many_edits_at_once_each_is_made_or_refused(serve: Serve) -> None:
    with serve(photos=None) as app:
        made: list[int] = []

        def add(name: str) -> None:
            status, _ = app.ask("/api/bank/edit", {"revision": 1, "do": "add-class", "name": name})
            made.append(status)

        threads = [threading.Thread(target=add, args=(f"thing {n}",)) for n in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert sorted(made) == [200] + [409] * 7
        assert len(app.good("/api/bank")["classes"]) == 6


def test_back_and_forth(serve: Serve) -> None:
    with serve(photos=None) as app:
        edit(app, "remove-prompt", number=1, prompt=0)
        answer = app.good("/api/bank/undo", {"revision": 2})
        assert answer["class"]["number"] == 1
        assert not answer["bank"]["unsaved"]
        assert not (app.space.folder / "draft-bank.jsonl").exists()
        assert app.space.editor is not None
        assert app.space.editor.bank == BANK
        assert app.ask("/api/bank/undo", {"revision": 3})[0] == 400
        answer = app.good("/api/bank/redo", {"revision": 3})
        assert len(answer["class"]["prompts"]) == 1
        assert answer["bank"]["can_undo"]
        assert not answer["bank"]["can_redo"]
        assert app.ask("/api/bank/redo", {"revision": 4})[0] == 400


def test_saving_keeps_the_old_file(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    BANK.save(path)
    before = path.read_bytes()
    with serve(photos=None) as app:
        edit(app, "remove-class", number=4)
        answer = app.good("/api/bank/save", {"revision": 2})
        assert answer["file"] == str(path)
        assert Path(answer["kept"]).read_bytes() == before
        assert PromptBank.load(path) == BANK.model_copy(update={"classes": BANK.classes[:4]})
        assert not answer["bank"]["unsaved"]
        assert not (app.space.folder / "draft-bank.jsonl").exists()
        with closing(HTTPConnection("127.0.0.1", app.port)) as connection:
            connection.request("GET", "/api/bank/file")
            reply = connection.getresponse()
            assert reply.read() == path.read_bytes()
            assert reply.headers["content-disposition"].startswith("attachment; filename=")
            assert "filename*=UTF-8''bank.yaml" in reply.headers["content-disposition"]


def test_edits_outlive_the_server_until_they_are_discarded(serve: Serve) -> None:
    with serve(photos=None, bank=RICH_BANK) as app:
        edit(app, "rename-class", number=0, name="tomcat")
        edit(app, "add-class", name="heron")
        edit(app, "remove-class", number=2)
        app.good("/api/bank/undo", {"revision": 4})
        edit(app, "remove-prompt", number=1, prompt=0)
        assert app.space.editor is not None
        left, draft = app.space.editor.bank, app.space.folder / "draft-bank.jsonl"
    with draft.open("ab") as file:
        file.write(b'{"at": 0, "out": 1, "i')  # of a step that was being written
    with serve(photos=None, bank=RICH_BANK) as app:
        assert app.good("/api/bank")["restored"]
        assert app.good("/api/state")["bank"]["restored"]
        assert app.space.editor is not None
        assert app.space.editor.bank.classes == left.classes
        edit(app, "add-class", name="newt")
    with serve(photos=None, bank=RICH_BANK) as app:
        assert [one["name"] for one in app.good("/api/bank")["classes"]][-2:] == ["heron", "newt"]
        answer = app.good("/api/bank/discard", {"revision": 1})
        assert not answer["bank"]["restored"]
        assert not answer["bank"]["unsaved"]
        assert app.space.editor is not None
        assert app.space.editor.bank == RICH_BANK
        assert not draft.exists()
        assert app.good("/api/bank/undo", {"revision": 2})["bank"]["unsaved"]
    with serve(photos=None, bank=BANK) as app:  # another bank: the draft is not of it
        assert not app.good("/api/bank")["restored"]


def test_a_step_is_what_lies_between_two_banks() -> None:
    a, b, c, d = BANK.classes[:4]
    for one, other in [([a, b, c], [a, d, c]), ([a, b], [a, b, c]), ([a, b, c], [c]),
                       ([a, a], [a]), ([a], [b, a, c]), ([a, b], [a, b])]:  # fmt: skip
        old, new = (PromptBank.model_construct(name="x", classes=some) for some in (one, other))
        step = ClassSplice.between(old, new)
        assert step.applied(one) == other
        assert ClassSplice.of_line(step.to_line()).applied(one) == other


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


def asked_server(body: dict[str, Any]) -> fakes.Reply:
    return 200, fakes.chat_reply(*sentences(fakes.question_in(body), body.get("n", 1)))


def test_a_model_is_asked_for_more(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with fakes.serve(asked_server) as server:
        model = LanguageModel("some-model", server.url, "MY_KEY", 1.0, 2.0, max_requests=5)
        with serve(photos=None, language_model=model) as app:
            told = app.good("/api/bank/models")
            assert told["models"][0] == "some-model"
            asked = {"revision": 1, "number": 0, "model": "some-model", "prompts": 7}
            found = app.good("/api/bank/ask/estimate", asked)
            assert (found["requests"], found["answers"], found["cached"]) == (3, 9, 0)
            assert found["tokens_out"] == 9 * 50
            assert found["price"] == pytest.approx((found["tokens_in"] + 2 * 450) / 1e6)
            assert (found["max_requests"], found["requests_so_far"]) == (5, 0)
            assert server.requests == []
            job = app.good("/api/bank/ask", asked)
            app.wait("ask")
            [state] = [one for one in app.good("/api/state")["jobs"] if one["id"] == job["id"]]
            assert state["state"] == "done", state
            result = state["result"]
            assert len(result["prompts"]) == 9
            assert (result["requests"], result["tokens_in"], result["tokens_out"]) == (3, 21, 27)
            assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
            edit(app, "add-prompts", number=0, prompts=result["prompts"])
            assert len(shown(app)["prompts"]) == 11
            # Once more it is new ones that are asked for, and the budget is that of the server.
            again = {**asked, "revision": 2}
            found = app.good("/api/bank/ask/estimate", again)
            assert (found["answers"], found["requests_so_far"]) == (9, 3)
            app.good("/api/bank/ask", again)
            app.wait("ask")
            failed = app.good("/api/state")["jobs"][-1]
            assert "5 requests" in failed["error"]
            assert KEY not in json.dumps(app.good("/api/state"))
            assert server.url not in json.dumps(app.good("/api/state"))


def test_what_a_server_says_shows_no_key(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)

    def reply(body: dict[str, Any]) -> fakes.Reply:
        return 401, {"error": {"message": f"the key {KEY} is not known at {server.url}"}}

    with fakes.serve(reply) as server:
        with serve(photos=None, language_model=LanguageModel("m", server.url, "MY_KEY")) as app:
            app.good("/api/bank/ask", {"revision": 1, "number": 0, "model": "m", "prompts": 3})
            app.wait("ask")
            told = json.dumps(app.good("/api/state"))
            assert app.good("/api/state")["jobs"][-1]["state"] == "failed"
            assert KEY not in told
            assert server.url.removesuffix("/v1") not in told
        monkeypatch.delenv("MY_KEY")
        with serve(photos=None, language_model=LanguageModel("m", server.url, "MY_KEY")) as app:
            app.good("/api/bank/ask", {"revision": 1, "number": 0, "model": "m", "prompts": 3})
            app.wait("ask")
            assert app.good("/api/state")["jobs"][-1]["state"] == "failed"


def test_asking_can_be_stopped(serve: Serve) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def reply(body: dict[str, Any]) -> fakes.Reply:
        begun.set()
        go_on.wait(30)
        return asked_server(body)

    with (
        fakes.serve(reply) as server,
        serve(photos=None, language_model=LanguageModel("m", server.url)) as app,
    ):
        asked = {"revision": 1, "number": 0, "model": "m", "prompts": 3}
        job = app.good("/api/bank/ask", asked)
        assert begun.wait(30)
        assert app.ask("/api/bank/ask", asked)[0] == 409
        app.good("/api/jobs/stop", {"id": job["id"]})
        app.wait("ask")
        go_on.set()
        assert app.good("/api/state")["jobs"][-1]["state"] == "stopped"


def test_asking_for_what_is_none_is_refused(serve: Serve) -> None:
    changes: list[dict[str, Any]] = [
        {"model": " "}, {"model": "x" * 201}, {"prompts": 0}, {"prompts": 101}, {"number": 9},
        {"model": "a\nb"}, {"base_url": "http://example.org"}, {"api_key": "x"},
    ]  # fmt: skip
    with serve(photos=None) as app:
        for change in changes:
            body = {"revision": 1, "number": 0, "model": "mini", "prompts": 3, **change}
            assert app.ask("/api/bank/ask/estimate", body)[0] in (400, 422), change


def test_without_a_bank_there_is_nothing_to_edit(serve: Serve, mini: Encoder) -> None:
    with serve(photos=None, bank=None, bank_path=None, vectors=encode_bank(BANK, mini)) as app:
        assert app.good("/api/state")["bank"] is None
        assert app.ask("/api/bank")[0] == 404
        assert app.ask("/api/bank/edit", {"revision": 1, "do": "remove-class"})[0] == 404


def test_the_page(serve: Serve, browser: Any, tmp_path: Path) -> None:
    BANK.save(tmp_path / "bank.yaml")
    with fakes.serve(asked_server) as server:
        model = LanguageModel("some-model", server.url)
        with serve(language_model=model) as app, visited(browser, f"{app.url}/#bank") as visit:
            page = visit.page
            page.get_by_text("40 photos judged").wait_for()
            detail = page.get_by_role("region", name="The class")
            # Choose a class with the keys.
            page.get_by_role("option", name="cat").focus()
            page.keyboard.press("ArrowDown")
            detail.get_by_role("heading", name="coffee cup").wait_for()
            # Edit a prompt where it stands: Escape leaves it, Enter keeps it.
            prompt = detail.get_by_role("button", name="Edit: A coffee cup has a handle.")
            prompt.press("Enter")
            page.keyboard.type("nothing")
            page.keyboard.press("Escape")
            prompt.press("Enter")
            page.keyboard.press("Control+a")
            page.keyboard.type("A rocket lifts off with smoke.")
            page.keyboard.press("Enter")
            edited = detail.get_by_role("button", name="Edit: A rocket lifts off with smoke.")
            edited.wait_for()
            changed = page.get_by_role("region", name="What changed")
            changed.get_by_text("changed by this edit").wait_for()
            assert edited.evaluate("node => node === document.activeElement")
            # Back and forth.
            page.keyboard.press("Control+z")
            prompt.wait_for()
            changed.get_by_text("changed by taking the edit back").wait_for()
            page.keyboard.press("Control+Shift+z")
            edited.wait_for()
            # Add one, and strike one out.
            page.get_by_label("New prompt").fill("A cup with a rocket on it.")
            page.keyboard.press("Control+z")  # the field's own
            page.get_by_label("New prompt").fill("A <b>cup</b> with a rocket on it.")
            page.keyboard.press("Enter")
            new = "A <b>cup</b> with a rocket on it."
            detail.get_by_role("button", name=f"Edit: {new}").wait_for()
            assert page.evaluate("document.activeElement.id") == "new-prompt"
            detail.get_by_role("button", name=f"Strike out: {new}").press("Enter")
            detail.get_by_role("button", name=f"Edit: {new}").wait_for(state="detached")
            # Another class, by another name.
            page.get_by_label("Name of a new class").fill("zebra")
            page.keyboard.press("Enter")
            detail.get_by_role("heading", name="zebra").wait_for()
            detail.get_by_role("button", name="Rename").press("Enter")
            page.keyboard.type("grey zebra")
            page.keyboard.press("Enter")
            detail.get_by_role("heading", name="grey zebra").wait_for()
            detail.get_by_role("button", name="Edit: a photo of a grey zebra.").wait_for()
            page.get_by_label("Filter the classes").fill("zeb")
            page.get_by_text("1 of 6 classes").wait_for()
            # Ask for more.
            page.get_by_text("Ask a language model").click()
            page.get_by_text("9 answers in 3 requests").wait_for()
            page.get_by_role("button", name="Ask", exact=True).click()
            choices = page.get_by_role("region", name="Prompts to choose from")
            choices.wait_for()
            choices.get_by_role("checkbox").first.uncheck()
            assert visit.audit() == []
            choices.get_by_role("button", name="Add 8 prompts").click()
            choices.wait_for(state="detached")
            assert app.space.editor is not None
            assert len(app.space.editor.bank["grey zebra"].texts) == 9
            # Somebody else is faster.
            edit(app, "add-class", name="heron")
            page.get_by_label("New prompt").fill("A striped horse.")
            page.keyboard.press("Enter")
            page.get_by_text("was changed meanwhile").wait_for()
            assert page.get_by_label("New prompt").input_value() == "A striped horse."
            page.get_by_label("New prompt").press("Enter")
            detail.get_by_role("button", name="Edit: A striped horse.").wait_for()
            page.get_by_role("button", name="Save").click()
            page.get_by_text("What was there before is kept in").wait_for()
            saved = PromptBank.load(tmp_path / "bank.yaml")
            assert [one.name for one in saved][-2:] == ["grey zebra", "heron"]
            assert "A striped horse." in saved["grey zebra"].texts
            with page.expect_download() as download:
                page.get_by_role("link", name="Download").click()
            assert download.value.suggested_filename == "bank.yaml"
            visit.complaints[:] = [one for one in visit.complaints if "409" not in one]


def test_the_page_says_what_was_restored(serve: Serve, browser: Any) -> None:
    with serve(photos=None, bank=RICH_BANK) as app:
        edit(app, "remove-class", number=1)
    with (
        serve(bank=RICH_BANK) as app,
        visited(browser, f"{app.url}/#bank", color_scheme="dark") as visit,
    ):
        page = visit.page
        page.get_by_text("Edits of an earlier session were restored").wait_for()
        page.get_by_text("40 photos judged").wait_for()
        page.get_by_text("1 kind of it").wait_for()
        assert visit.audit() == []
        page.get_by_role("button", name="Discard them").click()
        page.get_by_role("dialog").get_by_role("button", name="Discard them").click()
        page.get_by_role("option", name="coffee cup").wait_for()
        page.get_by_text("Edits of an earlier session").wait_for(state="hidden")
        assert app.space.editor is not None
        assert app.space.editor.bank == RICH_BANK
