"""Edits of a bank: versions, undo, drafts, and who is first where many want to."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from cupl.bank.model import PromptBank
from cupl.errors import InputError
from cupl.web.answers import Body, ConflictError, command
from cupl.web.bank_changes import class_renamed, prompt_changed, prompts_added
from cupl.web.bank_edits import BankEditor, FileChangedError, Saved
from cupl.web.workspace import Workspace
from tests.web.bank_steps import prompts, with_prompt
from tests.web.conftest import Serve
from tests.web.photos import BANK


@pytest.fixture
def editor(tmp_path: Path) -> BankEditor:
    found = BankEditor(BANK, tmp_path / "bank.yaml", tmp_path / "out" / "draft.yaml")
    found.revision = 1
    return found


def test_steps_there_and_back(editor: BankEditor) -> None:
    first = prompts(BANK)
    editor.edit(1, with_prompt("A cat."))
    editor.edit(2, with_prompt("A tabby."))
    assert (editor.revision, editor.unsaved) == (3, True)
    editor.undo(3)
    assert prompts(editor.bank) == ["A cat."]
    editor.undo(4)
    assert (prompts(editor.bank), editor.unsaved, editor.can_undo) == (first, False, False)
    editor.redo(5)
    editor.redo(6)
    assert (prompts(editor.bank), editor.can_redo) == (["A tabby."], False)
    editor.undo(7)
    editor.edit(8, with_prompt("A lion."))
    assert editor.can_redo is False
    with pytest.raises(InputError, match="nothing to do again"):
        editor.redo(9)


def test_nothing_to_undo(editor: BankEditor) -> None:
    with pytest.raises(InputError, match="nothing to undo"):
        editor.undo(1)
    assert editor.revision == 1


def test_no_revision_of_an_earlier_run_is_one_of_this(tmp_path: Path) -> None:
    def run() -> BankEditor:
        return BankEditor(BANK, tmp_path / "bank.yaml", tmp_path / "out" / "draft.yaml")

    earlier = run()
    first = earlier.revision
    for number in range(20):
        earlier.edit(earlier.revision, with_prompt(f"Cat number {number}."))
    later = run()
    assert first + 20 == earlier.revision < later.revision < 2**53  # numbers of JavaScript
    for revision in range(first, first + 21):
        with pytest.raises(ConflictError):
            later.edit(revision, with_prompt("A dog."))


@pytest.mark.parametrize("revision", [0, 1, 3, -1, 10**30])
def test_who_saw_another_version_is_refused(editor: BankEditor, revision: int) -> None:
    editor.edit(1, with_prompt("A cat."))
    acts: list[Callable[[], Any]] = [
        lambda: editor.edit(revision, with_prompt("A dog.")),
        lambda: editor.undo(revision),
        lambda: editor.redo(revision),
        lambda: editor.save(revision),
    ]
    for act in acts:
        with pytest.raises(ConflictError):
            act()
    assert (prompts(editor.bank), editor.revision) == (["A cat."], 2)
    assert not editor.path.exists()


def test_an_edit_that_fails_changes_nothing(editor: BankEditor) -> None:
    def broken(bank: PromptBank) -> PromptBank:
        raise InputError("no")

    with pytest.raises(InputError):
        editor.edit(1, broken)
    assert (editor.revision, editor.unsaved, editor.can_undo) == (1, False, False)


def test_the_old_file_is_kept(editor: BankEditor) -> None:
    editor.edit(1, with_prompt("A dog."))
    assert editor.save(2) == Saved(None, gone=False, draft=None)
    before = editor.path.read_bytes()
    editor.edit(2, with_prompt("A cat."))
    kept = editor.save(3).kept
    assert kept is not None
    assert kept.read_bytes() == before
    assert prompts(PromptBank.load(editor.path)) == ["A cat."]
    assert editor.unsaved is False


def test_a_file_that_somebody_else_wrote_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    BANK.save(path)
    editor = BankEditor(BANK, path, tmp_path / "draft.jsonl")
    editor.edit(editor.revision, with_prompt("A cat."))
    path.write_text("# of somebody else")
    with pytest.raises(FileChangedError, match=r"bank\.yaml was changed elsewhere") as first:
        editor.save(editor.revision)
    assert (path.read_text(), editor.unsaved) == ("# of somebody else", True)
    path.write_text("# of somebody else, who goes on")
    with pytest.raises(FileChangedError) as second:  # that is not what was seen
        editor.save(editor.revision, first.value.seen)
    kept = editor.save(editor.revision, second.value.seen).kept
    assert kept is not None
    assert kept.read_text() == "# of somebody else, who goes on"
    editor.edit(editor.revision, with_prompt("A tabby."))
    editor.save(editor.revision)  # what was saved here is known
    editor.edit(editor.revision, with_prompt("A lion."))
    path.write_bytes(editor.bank.to_bytes())
    assert editor.save(editor.revision) == Saved(None, gone=False, draft=None)  # they agree


def test_a_file_that_was_removed_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    BANK.save(path)
    editor = BankEditor(BANK, path, tmp_path / "draft.jsonl")
    editor.edit(editor.revision, with_prompt("A cat."))
    path.unlink()
    assert editor.save(editor.revision) == Saved(None, gone=True, draft=None)
    assert prompts(PromptBank.load(path)) == ["A cat."]


def test_what_changes_nothing_is_no_step(editor: BankEditor, tmp_path: Path) -> None:
    acts: list[Callable[[int], int]] = [
        editor.discard,
        lambda revision: editor.edit(revision, lambda bank: bank),
        lambda revision: editor.edit(revision, partial(prompts_added, number=0, prompts=[])),
        lambda revision: editor.edit(
            revision, partial(prompt_changed, number=0, prompt=0, text=prompts(BANK)[0])
        ),
        lambda revision: editor.edit(
            revision, partial(class_renamed, number=0, name=BANK.classes[0].name)
        ),
    ]
    editor.edit(1, with_prompt("A cat."))
    editor.undo(2)
    for act in acts:
        assert act(3) == 0
    assert (editor.revision, editor.can_undo, editor.can_redo) == (3, False, True)
    assert editor.bank is BANK
    assert not list((tmp_path / "out").glob("draft*"))


def race(acts: list[Callable[[], Any]]) -> list[Any]:
    """What all of them gave that were begun at once."""
    barrier, found = threading.Barrier(len(acts)), list[Any]()

    def run(act: Callable[[], Any]) -> None:
        barrier.wait()
        found.append(act())

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return found


def test_of_ten_at_once_one_wins(editor: BankEditor, tmp_path: Path) -> None:
    def attempt(number: int) -> Callable[[], int | None]:
        def act() -> int | None:
            try:
                editor.edit(1, with_prompt(f"Cat number {number}."))
            except ConflictError:
                return None
            return number

        return act

    found = race([attempt(number) for number in range(10)])
    [winner] = [one for one in found if one is not None]
    assert prompts(editor.bank) == [f"Cat number {winner}."]
    assert (editor.revision, len(found)) == (2, 10)
    editor.undo(2)
    assert prompts(editor.bank) == prompts(BANK)


def test_ten_who_try_again_lose_nothing(editor: BankEditor) -> None:
    """Each takes a class; whoever is refused looks again, as a page does."""

    def insist(number: int) -> Callable[[], int]:
        def act() -> int:
            tries = 0
            while True:
                tries += 1
                _, revision = editor.snapshot()
                try:
                    editor.edit(revision, with_prompt(f"Number {number}.", number % 5))
                except ConflictError:
                    continue
                return tries

        return act

    race([insist(number) for number in range(10)])
    assert editor.revision == 11
    said = sorted(text for entry in editor.bank for text in entry.texts)
    assert len(said) == 5
    assert all(text.startswith("Number ") for text in said)


class OnceBody(Body):
    """An edit in a test."""

    revision: int
    text: str


def test_of_ten_requests_at_once_one_is_done_and_nine_are_told(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def routes(space: Workspace) -> list[Route]:
        def act(body: OnceBody) -> dict[str, int]:
            assert space.editor is not None
            space.editor.edit(body.revision, with_prompt(body.text))
            return {"revision": space.editor.revision}

        return [command("/api/test/edit", OnceBody, act)]

    monkeypatch.setattr("cupl.web.app.bank_routes", routes)
    with serve() as app:
        assert app.space.editor is not None
        first = app.space.editor.revision

        def ask(number: int) -> Callable[[], Any]:
            body = {"revision": first, "text": f"Cat number {number}."}
            return lambda: (number, *app.ask("/api/test/edit", body))

        found = race([ask(number) for number in range(10)])
        won = [(number, told) for number, status, told in found if status == 200]
        lost = [told["error"] for _, status, told in found if status == 409]
        assert (len(won), len(lost)) == (1, 9)
        assert all("changed meanwhile" in one for one in lost)
        assert prompts(app.space.editor.bank) == [f"Cat number {won[0][0]}."]
        assert won[0][1] == {"revision": first + 1}
