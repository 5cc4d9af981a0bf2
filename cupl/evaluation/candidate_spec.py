"""A candidate as a person writes it: banks and sets of templates that are joined."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from cupl.bank.model import PromptBank
from cupl.bank.templates import TemplateSet
from cupl.embedding.pooling import check_pooling
from cupl.embedding.provenance import Combine
from cupl.errors import InputError, MissingFileError
from cupl.io.arguments import several
from cupl.io.text import read_text

_TOKEN = re.compile(
    r"\s*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<sign>[+,=])|(?P<bare>[^+,=]+))"
)
_HOLDS_TEMPLATES = re.compile(r"^\W{0,3}templates\W{0,2}:", re.MULTILINE)
_FORM = (
    "write NAME=BANK+TEMPLATES,combine=average,pooling=mean, and put a name with + , or = in quotes"
)

Part = PromptBank | TemplateSet | str | os.PathLike[str]


@dataclass(frozen=True)
class CandidateSpec:
    """What one row of an evaluation is made of.

    Attributes:
        parts: banks and sets of templates, whose prompts are joined: objects, files, the name of
            a bank of the evaluation, or the name of a set of templates such as ``photo``.
        name: in the table; by default that of the parts and what is set here.
        combine: ``concat`` (the default) pools the prompts of banks and templates as one list;
            ``average`` pools each and takes the mean of the two vectors.
        pooling: that of the evaluation by default.

    Raises:
        InputError: no part, or a setting that there is not.

    """

    parts: Sequence[Part]
    name: str | None = None
    combine: Combine | None = None
    pooling: str | None = None

    def __post_init__(self) -> None:
        """Find out early what cannot be."""
        if not self.parts:
            raise InputError("a candidate has at least one bank or set of templates")
        if self.combine not in (None, *get_args(Combine)):
            raise InputError(f"no combination is called {self.combine!r}: use concat or average")
        if self.pooling is not None:
            check_pooling(self.pooling)

    def __str__(self) -> str:
        """As :meth:`parse` reads it, of parts that are named."""
        parts = [getattr(part, "name", part) for part in self.parts]
        settings = [(key, getattr(self, key)) for key in ("combine", "pooling")]
        return "".join(
            (
                "" if self.name is None else f"{_written(self.name)}=",
                "+".join(map(_written, parts)),
                *(f",{key}={value}" for key, value in settings if value is not None),
            )
        )

    @classmethod
    def parse(cls, text: str) -> CandidateSpec:
        """Read ``NAME=BANK+TEMPLATES,combine=average,pooling=mean``.

        Only one part must be there. Quotes, double or single, go around a name or path that has
        ``+``, ``,`` or ``=`` in it.

        Raises:
            InputError: it is not of that form.

        """
        tokens = [(match.lastgroup == "sign", _text(match)) for match in _TOKEN.finditer(text)]
        try:
            return _parsed(tokens)
        except InputError as error:
            raise InputError(f"cannot read the candidate {text!r:.200}: {error}; {_FORM}") from None


def _written(name: object) -> str:
    text = str(name)
    mark = "'" if '"' in text else '"'
    return f"{mark}{text}{mark}" if re.search(r"""[+,=]|^['"\s]|\s$""", text) else text


def _text(match: re.Match[str]) -> str:
    bare = match["bare"]
    return match[match.lastgroup or 0] if bare is None else bare.strip()


def _parsed(tokens: list[tuple[bool, str]]) -> CandidateSpec:
    name = None
    if len(tokens) > 1 and tokens[1] == (True, "="):
        name, tokens = _word(tokens, "a name"), tokens[2:]
    parts = [_word(tokens, "a bank or templates")]
    tokens = tokens[1:]
    while tokens and tokens[0] == (True, "+"):
        parts.append(_word(tokens[1:], "a bank or templates"))
        tokens = tokens[2:]
    settings = dict[str, str]()
    while tokens:
        if tokens[0] != (True, ","):
            raise InputError(f"{tokens[0][1]!r} cannot stand there")
        key = _word(tokens[1:], "combine or pooling")
        if key not in ("combine", "pooling") or key in settings:
            again = "stands there twice" if key in settings else "is neither combine nor pooling"
            raise InputError(f"{key!r} {again}")
        if tokens[2:3] != [(True, "=")]:
            raise InputError(f"{key} has no value")
        settings[key] = _word(tokens[3:], f"a value of {key}")
        tokens = tokens[4:]
    return CandidateSpec(tuple(parts), name, **settings)  # type: ignore[arg-type]


def _word(tokens: list[tuple[bool, str]], what: str) -> str:
    """The first token, where it is none of the signs and not empty."""
    if not tokens:
        raise InputError(f"it ends where {what} should stand")
    is_sign, text = tokens[0]
    if is_sign or not text:
        raise InputError(f"{text!r} stands in place of {what}")
    return text


SpecSource = CandidateSpec | Part


def listed_specs(candidates: SpecSource | Sequence[SpecSource]) -> list[CandidateSpec | str]:
    """Candidates that were given as one or several; a bank or a set of templates is one by itself.

    Raises:
        InputError: one is something else.

    """
    given = several(candidates, CandidateSpec, PromptBank, TemplateSet)
    return [one if isinstance(one, str) else _spec(one) for one in given]


def _spec(one: object) -> CandidateSpec:
    if isinstance(one, CandidateSpec):
        return one
    if isinstance(one, os.PathLike):
        return CandidateSpec((os.fspath(one),))
    if isinstance(one, PromptBank | TemplateSet):
        return CandidateSpec((one,))
    raise InputError(
        f"a candidate is a CandidateSpec, a bank or a text such as 'bank.yaml+photo', not "
        f"{one!r:.80}"
    )


@dataclass(frozen=True)
class LoadedSpec:
    """The same with its parts read."""

    spec: CandidateSpec
    banks: list[PromptBank]
    templates: list[TemplateSet]
    files: list[str | None]
    """Of each bank as it was given; None of an object."""

    @property
    def parts_name(self) -> str:
        """Of the parts, and how they are combined."""
        names = [*(bank.name for bank in self.banks), *(part.name for part in self.templates)]
        return "+".join(names) + (", average" if self.spec.combine == "average" else "")


def load_specs(
    specs: Sequence[CandidateSpec | str], banks: Mapping[str, PromptBank]
) -> list[LoadedSpec]:
    """Read the parts of candidates, each file once.

    Args:
        specs: or texts for :meth:`CandidateSpec.parse`.
        banks: of the evaluation, by name.

    Raises:
        MissingFileError: a part is neither a bank of these, a set of templates nor a file.
        InputError: a part is a file of something else, or ``combine`` has nothing to combine.

    """
    known: dict[str, PromptBank | TemplateSet] = dict(banks)
    loaded = []
    for one in specs:
        spec = CandidateSpec.parse(one) if isinstance(one, str) else one
        parts = [_load(part, known) for part in spec.parts]
        found = [part for part in parts if isinstance(part, PromptBank)]
        templates = [part for part in parts if isinstance(part, TemplateSet)]
        pairs = zip(spec.parts, parts, strict=True)
        files = [_file(part) for part, one in pairs if isinstance(one, PromptBank)]
        loaded.append(read := LoadedSpec(spec, found, templates, files))
        if spec.combine and not (found and templates):
            raise InputError(
                f"{spec.combine} says what becomes of a bank and templates together: the candidate "
                f"{spec.name or read.parts_name!r:.100} has only one of them"
            )
    return loaded


def _file(part: Part) -> str | None:
    return os.fspath(part) if isinstance(part, str | os.PathLike) else None


def _load(part: Part, known: dict[str, PromptBank | TemplateSet]) -> PromptBank | TemplateSet:
    if isinstance(part, PromptBank | TemplateSet):
        return part
    name = os.fspath(part)
    if name not in known:
        known[name] = _read(
            name, [name for name, one in known.items() if isinstance(one, PromptBank)]
        )
    return known[name]


def _read(name: str, banks: Sequence[str]) -> PromptBank | TemplateSet:
    if os.path.isfile(name) and not _HOLDS_TEMPLATES.search(read_text(Path(name))):  # noqa: PTH113
        return PromptBank.load(name)
    try:
        return TemplateSet.load(name)
    except MissingFileError as error:
        there = f"; there are the banks {', '.join(banks)}" if banks else ""
        said = str(error).replace("no such templates file", "no such file of a bank or templates")
        raise MissingFileError(f"{said}{there}") from error
