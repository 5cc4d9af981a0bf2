"""The page Bank in a browser."""

from pathlib import Path
from typing import Any

from cupl.bank.model import PromptBank
from cupl.web.bank_edits import BankEditor
from cupl.web.bank_models import LanguageModel
from tests import fakes
from tests.web.bank_steps import RICH_BANK, asked_server, edit
from tests.web.conftest import Serve
from tests.web.photos import BANK
from tests.web.serving import visited


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


def test_a_tab_of_an_earlier_run_shows_the_bank_of_this_one(
    serve: Serve, browser: Any, tmp_path: Path
) -> None:
    with serve(photos=None) as app, visited(browser, f"{app.url}/#bank") as visit:
        page = visit.page
        page.get_by_label("New prompt").fill("A cat on a sofa.")
        app.space.editor = BankEditor(RICH_BANK, tmp_path / "bank.yaml", tmp_path / "draft.jsonl")
        page.get_by_label("New prompt").press("Enter")
        page.get_by_text("was changed").first.wait_for()
        page.get_by_text("1 kind of it").wait_for()
        assert app.space.editor.bank == RICH_BANK
        visit.complaints[:] = [one for one in visit.complaints if "409" not in one]


def test_the_page_says_where_edits_are_that_do_not_fit(serve: Serve, browser: Any) -> None:
    with serve(photos=None, bank=RICH_BANK) as app:
        edit(app, "remove-class", number=1)
    with serve(photos=None) as app, visited(browser, f"{app.url}/#bank") as visit:
        visit.page.get_by_text("do not fit this bank").wait_for()
        [kept] = app.space.folder.glob("*.old")
        visit.page.get_by_text(f"they are kept in {kept}").wait_for()
        assert visit.audit() == []


def test_the_page_asks_before_it_saves_over_another_file(
    serve: Serve, browser: Any, tmp_path: Path
) -> None:
    path = tmp_path / "bank.yaml"
    BANK.save(path)
    with serve(photos=None) as app:
        edit(app, "remove-class", number=4)
        path.write_text("# of somebody else")
        with visited(browser, f"{app.url}/#bank") as visit:
            page = visit.page
            page.get_by_role("button", name="Save", exact=True).click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_text("was changed elsewhere").wait_for()
            assert visit.audit() == []
            dialog.get_by_role("button", name="Cancel").click()
            assert path.read_text() == "# of somebody else"
            page.get_by_role("button", name="Save", exact=True).click()
            dialog.get_by_role("button", name="Save all the same").click()
            page.get_by_text("What was there before is kept in").wait_for()
            assert len(PromptBank.load(path)) == 4
            edit(app, "remove-class", number=0)
            page.get_by_text("not saved").first.wait_for()
            path.unlink()
            page.get_by_role("button", name="Save", exact=True).click()
            page.get_by_text("had been removed meanwhile").wait_for()
            visit.complaints[:] = [one for one in visit.complaints if "409" not in one]
