"""Templates: questions to ask about a class, and hand-written prompts that name it."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StrictStr,
    ValidationError,
    field_validator,
)

from cupl.bank.articles import indefinite_article
from cupl.bank.labels import MAX_NAME, ClassLabel
from cupl.bank.open_clip_templates import OPEN_CLIP_SETS, open_clip_templates
from cupl.errors import InputError
from cupl.io.complaints import own_words
from cupl.io.file_kinds import QUESTION_SET, TEMPLATE_SET
from cupl.io.paths import prompts_dir
from cupl.io.reasons import missing
from cupl.io.text import name_as_text, read_text
from cupl.io.yaml import dump_yaml, read_yaml

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_ARTICLES = ("a ", "an ", "the ")


def with_article(name: str) -> str:
    """The name with "a" or "an" before it; one that brings its article ("the moon") as it is."""
    if name.lower().startswith(_ARTICLES):
        return name
    # The sound is that of the first word, and a descriptor may be long.
    return f"{indefinite_article(name[:MAX_NAME])} {name}"


def fill(template: str, name: str) -> str:
    """Put a class name into a template.

    ``{}`` becomes the name and ``{a}`` the name with its article. The name is data: braces,
    backslashes and percent signs in it come through unharmed.
    """
    return _PLACEHOLDER.sub(lambda found: with_article(name) if found[1] == "a" else name, template)


def check_template(template: str) -> str:
    """Accept a template that names the class.

    Raises:
        InputError: there is no placeholder, or one that is neither ``{}`` nor ``{a}``.

    """
    kinds = set(_PLACEHOLDER.findall(template))
    if unknown := kinds - {"", "a"}:
        raise InputError(
            f"unknown placeholder {{{unknown.pop()}}} in {template!r}; use {{}} or {{a}}"
        )
    if not kinds:
        raise InputError(f"{template!r} never names the class: put {{}} or {{a}} where it belongs")
    return template


_Template = Annotated[
    StrictStr, Field(min_length=1, max_length=2000), AfterValidator(check_template)
]


class _TemplateFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: ClassVar[str]
    kind: ClassVar[str]
    name: StrictStr

    @classmethod
    def load(cls, name: str | Path) -> Self:
        """Read a set that comes with cupl, by its name, or a file.

        A file is YAML, a list in YAML or JSON, or text (``.txt``), a line each, where lines that
        begin with ``#`` are comments; a list and a text are named as their file.

        Raises:
            MissingFileError: there is neither.
            InputError: the file is no such set; the message names the line.

        """
        path = _find(cls.folder, name)
        plain = _plain_list(path, cls.kind)
        if plain is None:
            return read_yaml(path, cls, cls.kind)
        try:
            return cls.model_validate({"name": name_as_text(path.stem), cls.folder: plain})
        except ValidationError as error:
            raise InputError(f"{path}: {own_words(error.errors()[0])}") from error


class QuestionSet(_TemplateFile):
    """Questions to ask a language model about every class."""

    folder = "questions"
    kind = QUESTION_SET
    format: Literal["cupl-questions/1"] = "cupl-questions/1"
    questions: Annotated[tuple[_Template, ...], Field(min_length=1)]

    def to_bytes(self) -> bytes:
        """The file, to be edited and loaded again."""
        return dump_yaml(
            {"format": self.format, "name": self.name, "questions": list(self.questions)}
        )

    @field_validator("questions")
    @classmethod
    def _check(cls, questions: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(questions)) < len(questions):
            raise InputError("a question stands here twice")
        return questions


Questions = QuestionSet | str | Path | Sequence[str]
"""A set of questions, the name or path of one, or what it holds."""


def questions_of(given: Questions) -> QuestionSet:
    """The set that is meant.

    Raises:
        MissingFileError: there is no set of that name, and no such file.
        InputError: it is no set, or a question never names the class.

    """
    if isinstance(given, QuestionSet):
        return given
    if isinstance(given, str | Path):
        return QuestionSet.load(given)
    try:
        return QuestionSet(name="own", questions=tuple(given))
    except (ValidationError, TypeError) as error:
        why = "is a set, the name of one or a list of questions"
        if isinstance(error, ValidationError):
            why = own_words(error.errors()[0])
        raise InputError(f"questions: {why}") from error


class TemplateSet(_TemplateFile):
    """Hand-written prompts that name the class, such as "a photo of a {}."."""

    folder = "templates"
    kind = TEMPLATE_SET
    format: Literal["cupl-templates/1"] = "cupl-templates/1"
    templates: Annotated[tuple[_Template, ...], Field(min_length=1)]

    @classmethod
    def load(cls, name: str | Path) -> Self:
        """As of the other sets; ``openai`` and ``imagenet-simple`` are those of open_clip.

        Raises:
            MissingFileError: there is no such set or file.
            MissingPackageError: open_clip is not installed.
            InputError: the file is no such set; the message names the line.

        """
        if str(name) in OPEN_CLIP_SETS:
            return cls(name=str(name), templates=open_clip_templates(str(name)))
        return super().load(name)


def _plain_list(path: Path, kind: str) -> list[str] | None:
    """What is in a text file or a list; None where the file has keys."""
    if not path.is_file():  # a pipe can be read once
        return None
    lines = [line.strip() for line in read_text(path, kind).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if path.suffix.lower() == ".txt":
        return lines
    first = next((line for line in lines if line != "---"), "")
    return list(read_yaml(path, _List, kind).root) if first.startswith(("- ", "[")) else None


class _List(RootModel[list[StrictStr]]):
    """A file that is nothing but a list."""


def _find(kind: str, name: str | Path) -> Path:
    """Path of a shipped file by its bare name, or of the user's own."""
    known = {path.stem: path for path in sorted((prompts_dir() / kind).glob("*.yaml"))}
    path = known.get(str(name), Path(name))
    if not os.path.exists(path):  # noqa: PTH110 (Path's raises for over-long names)
        if _PLACEHOLDER.search(str(name)):
            raise InputError(
                f"{str(name)!r:.100} is no name of a file: {kind} are given as a YAML file, or in "
                f"Python as a list, such as [{str(name)!r:.100}]"
            )
        raise missing(path, f"{name}: no such {kind} file; cupl brings {', '.join(known)}")
    return path


def fill_templates(templates: Sequence[str], labels: Sequence[ClassLabel]) -> list[list[str]]:
    """For each class the templates with its name in them; a name is data, braces and all.

    Raises:
        InputError: a template has no placeholder, or one that is neither ``{}`` nor ``{a}``.

    """
    for template in templates:
        check_template(template)
    return [[fill(template, label.name) for template in templates] for label in labels]
