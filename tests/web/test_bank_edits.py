"""Edits of a bank: versions, undo, drafts, and who is first where many want to."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from cupl.bank.model import PromptBank
from cupl.errors import InputError
from cupl.web.answers import Body, ConflictError, command
from cupl.web.bank_edits import BankEditor
from cupl.web.workspace import Workspace
from tests.web.conftest import Serve
from tests.web.photos import BANK

Change = Callable[[PromptBank], PromptBank]


def with_prompt(text: str, place: int = 0) -> Change:
    """Put one prompt in the place of a class's."""

    def change(bank: PromptBank) -> PromptBank:
        classes = list(bank.classes)
        classes[place] = classes[place].model_copy(update={"prompts": {"by hand": [text]}})
        return bank.model_copy(update={"classes": classes})

    return change


@pytest.fixture
def editor(tmp_path: Path) -> BankEditor:
    found = BankEditor(BANK, tmp_path / "bank.yaml", tmp_path / "out" / "draft.yaml")
    found.revision = 1
    return found


def prompts(bank: PromptBank) -> list[str]:
    return list(bank.classes[0].texts)


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
    editor.path.write_bytes(BANK.to_bytes())
    editor.edit(1, with_prompt("A cat."))
    aside = editor.save(2)
    assert aside is not None
    assert aside.read_bytes() == BANK.to_bytes()
    assert prompts(PromptBank.load(editor.path)) == ["A cat."]
    assert editor.unsaved is False


def drafts(folder: Path) -> list[Path]:
    return sorted(folder.glob("draft*")) if folder.is_dir() else []


def test_a_draft_outlives_a_crash(editor: BankEditor, tmp_path: Path) -> None:
    draft = tmp_path / "out" / "draft.yaml"
    editor.edit(1, with_prompt("A cat."))
    after = BankEditor(BANK, editor.path, draft)
    assert (after.restored, prompts(after.bank), after.unsaved) == (True, ["A cat."], True)
    assert after.aside is None
    [own] = drafts(draft.parent)
    own.write_bytes(f"# of {BANK.digest}\n".encode() + b"classes: [\xff")
    assert BankEditor(BANK, editor.path, draft).restored is False
    editor.undo(2)
    assert drafts(draft.parent) == []


def test_each_bank_has_its_own_draft(editor: BankEditor, tmp_path: Path) -> None:
    draft, other_bank = tmp_path / "out" / "draft.yaml", with_prompt("Others.")(BANK)
    editor.edit(1, with_prompt("Hours of work."))
    other = BankEditor(other_bank, tmp_path / "other.yaml", draft)
    assert (other.restored, other.aside) == (False, None)
    other.edit(other.revision, with_prompt("A rocket."))
    for bank, path, text in [(BANK, editor.path, "Hours of work."),
                             (other_bank, other.path, "A rocket.")]:  # fmt: skip
        again = BankEditor(bank, path, draft)
        assert (again.restored, prompts(again.bank), again.aside) == (True, [text], None)
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    assert BankEditor(BANK, tmp_path / "link" / "bank.yaml", draft).restored


@pytest.mark.parametrize("act", ["edit", "undo"])
def test_a_draft_of_what_the_bank_was_is_kept(editor: BankEditor, tmp_path: Path, act: str) -> None:
    draft, changed = tmp_path / "out" / "draft.yaml", with_prompt("Changed by hand.")(BANK)
    editor.edit(1, with_prompt("Hours of work."))
    [own] = drafts(draft.parent)
    written = own.read_bytes()
    for _ in range(2):  # started twice, it is kept once
        later = BankEditor(changed, editor.path, draft)
        assert (later.restored, prompts(later.bank)) == (False, ["Changed by hand."])
        assert later.aside is not None
        assert later.aside.read_bytes() == written
        assert len(drafts(draft.parent)) == 2
    later.edit(later.revision, with_prompt("Another."))
    if act == "undo":
        later.undo(later.revision)
    assert later.aside.read_bytes() == written
    assert BankEditor(changed, editor.path, draft).restored is (act == "edit")


def test_a_draft_that_cannot_be_set_aside_is_not_written_over(
    editor: BankEditor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, new: bytes) -> Path | None:
        raise InputError(f"{path}: cannot be kept (no space left)")

    draft = tmp_path / "out" / "draft.yaml"
    editor.edit(1, with_prompt("Hours of work."))
    [own] = drafts(draft.parent)
    written = own.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("cupl.web.bank_draft.keep_old", full)
        later = BankEditor(with_prompt("Changed.")(BANK), editor.path, draft)
        assert later.aside == own
        with pytest.raises(InputError, match="cannot be kept"):
            later.edit(later.revision, with_prompt("Another."))
    assert (prompts(later.bank), own.read_bytes()) == (["Changed."], written)
    later.edit(later.revision, with_prompt("Another."))
    assert later.aside.read_bytes() == written
    assert own.read_bytes() != written


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
