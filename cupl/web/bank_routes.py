"""Routes of the page Bank: classes and prompts edited in place, what they do, and more of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field, ValidationError
from starlette.responses import Response
from starlette.routing import Route

from cupl.bank.labels import MAX_NAME
from cupl.bank.lint import CHECKS, shared, uneven
from cupl.bank.model import PromptBank
from cupl.bank.selecting import ClassSelector
from cupl.errors import InputError, MissingFileError
from cupl.web.answers import Body, JsonAnswer, RefusedError, Reply, command, query
from cupl.web.bank_asking import MOST_ASKED, PromptAsker
from cupl.web.bank_changes import (
    class_added,
    class_removed,
    class_renamed,
    prompt_changed,
    prompt_removed,
    prompts_added,
)
from cupl.web.bank_edits import BankEditor, FileChangedError
from cupl.web.bank_effects import prompt_effects
from cupl.web.settings import ViewSettings
from cupl.web.workspace import Workspace

MOST_CHARACTERS = 2000
"""Of a prompt: no text tower reads as much."""
_MOST_SETTINGS = 1000

_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
_Text = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
_Number = Annotated[int, Field(ge=0, le=10_000_000)]


class RevisionBody(Body):
    """The bank as a page saw it."""

    revision: int


class SaveBody(RevisionBody):
    """What is to be saved; ``over`` is the file of somebody else that may be set aside."""

    over: Annotated[str, Field(max_length=64)] | None = None


class NewPrompt(Body):
    """A prompt, and the question that it answers; ``""`` for none."""

    text: _Text
    question: Annotated[str, Field(max_length=MOST_CHARACTERS)] = ""


class EditBody(RevisionBody):
    """An edit; what it needs of the rest depends on what is done."""

    do: Literal[
        "add-class", "rename-class", "remove-class", "add-prompts", "change-prompt", "remove-prompt"
    ]
    number: _Number = 0
    prompt: _Number = 0
    name: _Name | None = None
    text: _Text | None = None
    prompts: Annotated[list[NewPrompt], Field(max_length=1000)] = Field(default=[])


class AskBody(RevisionBody):
    """More prompts of a class, by a model's name."""

    number: _Number
    model: Annotated[str, Field(min_length=1, max_length=200)]
    prompts: Annotated[int, Field(ge=1, le=MOST_ASKED)] = 9


def bank_routes(space: Workspace) -> list[Route]:
    """The routes of the bank; each says that there is none where there is none."""
    return [*_looking(space), *_editing(space), *_asking(space)]


def _looking(space: Workspace) -> list[Route]:
    def overview(asked: Mapping[str, str]) -> dict[str, Any]:
        return bank_overview(_editor(space))

    def one_class(asked: Mapping[str, str]) -> dict[str, Any]:
        bank, revision = _editor(space).snapshot()
        return {"revision": revision, **class_shown(bank, _number(bank, asked))}

    def effects(asked: Mapping[str, str]) -> dict[str, Any]:
        bank, _ = _editor(space).snapshot()
        settings = _settings(asked.get("settings", "{}"))
        return prompt_effects(space, _number(bank, asked), settings)

    def file(asked: Mapping[str, str]) -> Response:
        editor = _editor(space)
        name = editor.path.name.encode("utf-8", "replace")
        where = f"attachment; filename=\"bank.yaml\"; filename*=UTF-8''{quote(name)}"
        data = editor.bank.to_bytes()
        return Response(data, 200, {"Content-Disposition": where}, "application/yaml")

    return [
        query("/api/bank", overview),
        query("/api/bank/class", one_class),
        query("/api/bank/effects", effects),
        query("/api/bank/file", file),
    ]


def _editing(space: Workspace) -> list[Route]:
    def edit(body: EditBody) -> dict[str, Any]:
        return _after(space, _editor(space).edit(body.revision, _change(body)))

    def undo(body: RevisionBody) -> dict[str, Any]:
        return _after(space, _editor(space).undo(body.revision))

    def redo(body: RevisionBody) -> dict[str, Any]:
        return _after(space, _editor(space).redo(body.revision))

    def discard(body: RevisionBody) -> dict[str, Any]:
        return _after(space, _editor(space).discard(body.revision))

    def save(body: SaveBody) -> Reply:
        editor = _editor(space)
        try:
            saved = editor.save(body.revision, body.over)
        except FileChangedError as error:
            return JsonAnswer({"error": str(error), "over": error.seen}, 409)
        kept = None if saved.kept is None else str(saved.kept)
        return {
            "file": str(editor.path), "kept": kept, "gone": saved.gone, "draft": saved.draft,
            "bank": bank_overview(editor),
        }  # fmt: skip

    return [
        command("/api/bank/edit", EditBody, edit),
        command("/api/bank/undo", RevisionBody, undo),
        command("/api/bank/redo", RevisionBody, redo),
        command("/api/bank/discard", RevisionBody, discard),
        command("/api/bank/save", SaveBody, save),
    ]


def _asking(space: Workspace) -> list[Route]:
    asker = PromptAsker(space.sources.language_model)

    def choices(asked: Mapping[str, str]) -> dict[str, Any]:
        return asker.choices()

    def estimate(body: AskBody) -> dict[str, Any]:
        bank = _editor(space).at(body.revision)
        entry = bank.classes[_within(bank, body.number)]
        return asker.estimate(bank, entry, body.model, body.prompts)

    def ask(body: AskBody) -> dict[str, Any]:
        bank = _editor(space).at(body.revision)
        entry = bank.classes[_within(bank, body.number)]
        job = space.jobs.start(
            "ask", f"Asking {body.model:.60} about {entry.name:.60}",
            lambda progress: asker.ask(bank, entry, body.model, body.prompts, progress),
        )  # fmt: skip
        return job.to_dict()

    return [
        query("/api/bank/models", choices),
        command("/api/bank/ask/estimate", AskBody, estimate),
        command("/api/bank/ask", AskBody, ask),
    ]


def bank_overview(editor: BankEditor) -> dict[str, Any]:
    """The classes without their prompts, and how the file stands."""
    bank, revision = editor.snapshot()
    return {
        "revision": revision, "name": bank.name, "file": str(editor.path),
        "unsaved": editor.unsaved, "restored": editor.restored,
        "aside": None if editor.aside is None else str(editor.aside),
        "can_undo": editor.can_undo, "can_redo": editor.can_redo,
        "classes": [
            {"name": entry.name, "id": entry.id, "prompts": len(entry.texts)} for entry in bank
        ],
    }  # fmt: skip


def class_shown(bank: PromptBank, number: int) -> dict[str, Any]:
    """One class with its prompts, and what a person should look at in it."""
    entry = bank.classes[number]
    alone = bank.model_copy(update={"classes": [entry]})
    checks = [look for look in CHECKS if look not in (shared, uneven)]  # these are of many classes
    told = f"{entry.label}: "
    return {
        "number": number, "name": entry.name, "id": entry.id, "aliases": entry.aliases,
        "prompts": [
            {"question": question, "text": text} for question, text in entry.question_prompt_pairs
        ],
        "kinds": [{"name": kind.name, "prompts": kind.texts} for kind in entry.subclasses],
        "findings": [
            {"kind": one.kind, "text": one.text.removeprefix(told)}
            for look in checks
            for one in look(alone)
        ],
    }  # fmt: skip


def _change(body: EditBody) -> Callable[[PromptBank], PromptBank]:
    """What is to be done with the bank.

    Raises:
        RefusedError: the name or the text is missing.

    """
    texts = [(one.question, one.text) for one in body.prompts]
    match body.do:
        case "add-class":
            name = _needed(body.name, "name")
            return partial(class_added, name=name, prompts=[text for _, text in texts])
        case "rename-class":
            return partial(class_renamed, number=body.number, name=_needed(body.name, "name"))
        case "remove-class":
            return partial(class_removed, number=body.number)
        case "add-prompts":
            return partial(prompts_added, number=body.number, prompts=texts)
        case "change-prompt":
            text = _needed(body.text, "text")
            return partial(prompt_changed, number=body.number, prompt=body.prompt, text=text)
        case "remove-prompt":
            return partial(prompt_removed, number=body.number, prompt=body.prompt)


def _needed(value: str | None, what: str) -> str:
    if value is None:
        raise RefusedError(422, f"{what}: it is missing")
    return value


def _after(space: Workspace, number: int) -> dict[str, Any]:
    """The bank after a step, and the class that the step was about."""
    editor = _editor(space)
    bank, revision = editor.snapshot()
    shown = class_shown(bank, min(number, len(bank) - 1))
    return {"bank": bank_overview(editor), "class": {"revision": revision, **shown}}


def _editor(space: Workspace) -> BankEditor:
    if space.editor is None:
        raise MissingFileError("there is no bank to edit: start cupl serve with a bank or names")
    return space.editor


def _number(bank: PromptBank, asked: Mapping[str, str]) -> int:
    """The class that a request names, by its number or its name."""
    name = asked.get("class", "")
    if name.isascii() and name.isdecimal() and len(name) < 9 and int(name) < len(bank):
        return int(name)
    return ClassSelector(bank.classes, bank.name).find(name)


def _within(bank: PromptBank, number: int) -> int:
    if number >= len(bank):
        raise InputError(f"the bank has no class {number}")
    return number


def _settings(text: str) -> ViewSettings:
    if len(text) > _MOST_SETTINGS:
        raise RefusedError(422, "settings: too long")
    try:
        return ViewSettings.model_validate_json(text)
    except ValidationError as error:
        raise RefusedError(422, f"settings: {error.errors()[0]['msg'][:200]}") from None
