"""The bank in the app: edits, undoing, and saving."""

import os
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from cupl.bank.lint import check_bank
from cupl.bank.model import PromptBank
from cupl.bank.renaming import with_name
from cupl.embedding.bank_encoding import encode_bank
from cupl.encoders.protocol import Encoder
from cupl.web.bank_draft import ClassSplice
from tests.web.bank_steps import RICH, RICH_BANK, edit, now, shown
from tests.web.conftest import Serve
from tests.web.photos import BANK


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
        before = now(app)
        for body, status in REFUSED:
            found, answer = app.ask("/api/bank/edit", {**before, **body})
            assert found == status, (body, answer)
            assert len(answer["error"]) > 10
        assert now(app) == before
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
        before = now(app)
        edit(app, "remove-class", number=0)
        for path, body in [
            ("edit", {"do": "remove-class", "number": 0}),
            ("undo", {}), ("redo", {}), ("save", {}), ("discard", {}),
            ("ask", {"number": 0, "model": "mini"}),
            ("ask/estimate", {"number": 0, "model": "mini"}),
        ]:  # fmt: skip
            status, answer = app.ask(f"/api/bank/{path}", {**before, **body})
            assert (status, "meanwhile" in answer["error"]) == (409, True), path
        assert len(app.good("/api/bank")["classes"]) == 4


def test_a_page_of_an_earlier_run_changes_nothing(serve: Serve) -> None:
    with serve(photos=None) as app:
        seen = now(app)
    with serve(photos=None, bank=RICH_BANK) as app:
        for path, body in [("edit", {"do": "remove-class"}), ("save", {}), ("discard", {})]:
            assert app.ask(f"/api/bank/{path}", {**seen, **body})[0] == 409, path
        assert app.space.editor is not None
        assert app.space.editor.bank == RICH_BANK


def test_of_many_edits_at_once_each_is_made_or_refused(serve: Serve) -> None:
    with serve(photos=None) as app:
        made, before = list[int](), now(app)

        def add(name: str) -> None:
            status, _ = app.ask("/api/bank/edit", {**before, "do": "add-class", "name": name})
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
        answer = app.good("/api/bank/undo", now(app))
        assert answer["class"]["number"] == 1
        assert not answer["bank"]["unsaved"]
        assert not list(app.space.folder.glob("draft-bank*"))
        assert app.space.editor is not None
        assert app.space.editor.bank == BANK
        assert app.ask("/api/bank/undo", now(app))[0] == 400
        answer = app.good("/api/bank/redo", now(app))
        assert len(answer["class"]["prompts"]) == 1
        assert answer["bank"]["can_undo"]
        assert not answer["bank"]["can_redo"]
        assert app.ask("/api/bank/redo", now(app))[0] == 400


def test_saving_keeps_the_old_file(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    BANK.save(path)
    before = path.read_bytes()
    with serve(photos=None) as app:
        edit(app, "remove-class", number=4)
        answer = app.good("/api/bank/save", now(app))
        assert answer["file"] == str(path)
        assert Path(answer["kept"]).read_bytes() == before
        assert PromptBank.load(path) == BANK.model_copy(update={"classes": BANK.classes[:4]})
        assert not answer["bank"]["unsaved"]
        assert not list(app.space.folder.glob("draft-bank*"))
        with closing(HTTPConnection("127.0.0.1", app.port)) as connection:
            connection.request("GET", "/api/bank/file")
            reply = connection.getresponse()
            assert reply.read() == path.read_bytes()
            assert reply.headers["content-disposition"].startswith("attachment; filename=")
            assert "filename*=UTF-8''bank.yaml" in reply.headers["content-disposition"]


@pytest.mark.parametrize("name", [b"bank.yaml", b"caf\xe9.yaml"])
def test_saving_over_what_somebody_else_saved_is_asked_first(
    serve: Serve, tmp_path: Path, name: bytes
) -> None:
    path = tmp_path / os.fsdecode(name)
    BANK.save(path)
    with serve(photos=None, bank_path=path) as app:
        edit(app, "remove-class", number=4)
        path.write_bytes(RICH_BANK.to_bytes())
        status, answer = app.ask("/api/bank/save", now(app))
        assert (status, "changed elsewhere" in answer["error"]) == (409, True)
        assert PromptBank.load(path) == RICH_BANK
        answer = app.good("/api/bank/save", {**now(app), "over": answer["over"]})
        assert PromptBank.load(Path(answer["kept"])) == RICH_BANK
        assert len(PromptBank.load(path)) == 4
        edit(app, "remove-class", number=0)
        path.unlink()
        answer = app.good("/api/bank/save", now(app))
        assert (answer["gone"], answer["kept"], answer["draft"]) == (True, None, None)


def test_no_draft_in_the_way_makes_a_fault(serve: Serve) -> None:
    with serve(photos=None) as app:
        edit(app, "remove-class", number=4)
        [draft] = app.space.folder.glob("draft-bank*")
        draft.unlink()
        draft.mkdir()
        for path in ("undo", "discard"):
            status, answer = app.ask(f"/api/bank/{path}", now(app))
            assert (status, "cannot remove" in answer["error"]) == (400, True)
        assert len(app.good("/api/bank")["classes"]) == 4
        answer = app.good("/api/bank/save", now(app))
        assert "cannot remove" in answer["draft"]
        assert not answer["bank"]["unsaved"]


def test_what_changes_nothing_has_the_same_revision(serve: Serve) -> None:
    with serve(photos=None) as app:
        seen = now(app)
        answer = app.good("/api/bank/discard", seen)
        assert (answer["bank"]["revision"], answer["class"]["number"]) == (seen["revision"], 0)
        answer = edit(app, "add-prompts", number=3, prompts=[])
        assert (answer["bank"]["revision"], answer["class"]["number"]) == (seen["revision"], 3)
        assert not answer["bank"]["can_undo"]


def test_edits_outlive_the_server_until_they_are_discarded(serve: Serve) -> None:
    with serve(photos=None, bank=RICH_BANK) as app:
        edit(app, "rename-class", number=0, name="tomcat")
        edit(app, "add-class", name="heron")
        edit(app, "remove-class", number=2)
        app.good("/api/bank/undo", now(app))
        edit(app, "remove-prompt", number=1, prompt=0)
        assert app.space.editor is not None
        left, [draft] = app.space.editor.bank, list(app.space.folder.glob("draft-bank-*.jsonl"))
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
        answer = app.good("/api/bank/discard", now(app))
        assert not answer["bank"]["restored"]
        assert not answer["bank"]["unsaved"]
        assert app.space.editor is not None
        assert app.space.editor.bank == RICH_BANK
        assert not draft.exists()
        assert app.good("/api/bank/undo", now(app))["bank"]["unsaved"]
    with serve(photos=None, bank=BANK) as app:  # another bank: the draft is not of it
        told = app.good("/api/bank")
        assert (told["restored"], told["aside"]) == (False, f"{draft}.old")


def test_a_step_is_what_lies_between_two_banks() -> None:
    a, b, c, d = BANK.classes[:4]
    for one, other in [([a, b, c], [a, d, c]), ([a, b], [a, b, c]), ([a, b, c], [c]),
                       ([a, a], [a]), ([a], [b, a, c]), ([a, b], [a, b])]:  # fmt: skip
        old, new = (PromptBank.model_construct(name="x", classes=some) for some in (one, other))
        step = ClassSplice.between(old, new)
        assert step.applied(one) == other
        assert ClassSplice.of_line(step.to_line()).applied(one) == other


def test_without_a_bank_there_is_nothing_to_edit(serve: Serve, mini: Encoder) -> None:
    with serve(photos=None, bank=None, bank_path=None, vectors=encode_bank(BANK, mini)) as app:
        assert app.good("/api/state")["bank"] is None
        assert app.ask("/api/bank")[0] == 404
        assert app.ask("/api/bank/edit", {"revision": 1, "do": "remove-class"})[0] == 404
