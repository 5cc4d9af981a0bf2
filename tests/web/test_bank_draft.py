"""Drafts of a bank: what outlives a run, what is kept, and what cannot be written."""

import errno
from pathlib import Path

import pytest

from cupl.bank.model import PromptBank
from cupl.errors import InputError
from cupl.web.bank_edits import BankEditor
from tests.web.bank_steps import prompts, with_prompt
from tests.web.photos import BANK

REMOVE = Path.unlink


@pytest.fixture
def editor(tmp_path: Path) -> BankEditor:
    found = BankEditor(BANK, tmp_path / "bank.yaml", tmp_path / "out" / "draft.yaml")
    found.revision = 1
    return found


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
    aside = later.aside
    later.edit(later.revision, with_prompt("Another."))
    if act == "undo":
        later.undo(later.revision)
    assert aside is not None
    assert aside.read_bytes() == written
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
    assert later.aside is not None
    assert later.aside.read_bytes() == written
    assert own.read_bytes() != written


def keep_drafts(path: Path, missing_ok: bool = False) -> None:
    if path.name.startswith("draft"):
        raise OSError(errno.EROFS, "Read-only file system")
    REMOVE(path, missing_ok)


def test_a_draft_that_cannot_be_removed_is_a_sentence(
    editor: BankEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor.edit(1, with_prompt("A cat."))
    monkeypatch.setattr(Path, "unlink", keep_drafts)
    for act in (editor.undo, editor.discard):
        with pytest.raises(InputError, match="cannot remove .*Read-only file system"):
            act(2)
    assert (prompts(editor.bank), editor.revision, editor.unsaved) == (["A cat."], 2, True)
    assert (editor.can_undo, editor.can_redo) == (True, False)
    saved = editor.save(2)
    assert saved.draft is not None
    assert "Read-only file system" in saved.draft
    assert (prompts(PromptBank.load(editor.path)), editor.unsaved) == (["A cat."], False)


def test_a_draft_that_is_a_folder_keeps_no_bank_from_being_saved(
    editor: BankEditor, tmp_path: Path
) -> None:
    editor.edit(1, with_prompt("A cat."))
    [own] = drafts(tmp_path / "out")
    own.unlink()
    own.mkdir()
    for _ in range(2):
        with pytest.raises(InputError, match="cannot write"):
            editor.edit(2, with_prompt("A dog."))
    with pytest.raises(InputError, match="cannot remove"):
        editor.undo(2)
    assert editor.save(2).draft is not None
    assert prompts(PromptBank.load(editor.path)) == ["A cat."]
    again = BankEditor(editor.bank, editor.path, tmp_path / "out" / "draft.yaml")
    assert (again.restored, again.aside) == (False, own)
    with pytest.raises(InputError, match="cannot write"):
        again.edit(again.revision, with_prompt("A dog."))
