"""``cupl encoders``: which encoders this machine has."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli.output import bytes_in_words, say
from cupl.io.tables import Column, draw_table
from cupl.io.terminal import printable, terminal_width

if TYPE_CHECKING:
    from cupl.encoders.catalog import ModelOnDisk, NameKind

_COMMIT = 7
_COLUMNS = [
    Column("model", "whole"),
    Column("family", rank=1),
    Column("width", "number", 3),
    Column("tokens", "number", 5),
    Column("side", "number", 4),
    Column("size", "number", 2),
    Column("commit", "whole", 6),
    Column("here", "whole"),
]


def encoders_command(
    name: Annotated[
        str | None,
        typer.Argument(help="A model of the hub's cache, a directory, or two models: in full."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the encoders that this machine has, and the kinds of names that --encoder takes.

    Only configurations are read: no weights, and nothing of the network.
    """
    from cupl.encoders.catalog import describe_model, models_on_disk, name_kinds

    models = models_on_disk() if name is None else describe_model(name)
    kinds = name_kinds() if name is None else []
    if as_json:
        found = {"models": list(map(asdict, models))}
        listed = {"names": [kind._asdict() for kind in kinds]}
        typer.echo(json.dumps(found if name is not None else {**listed, **found}, indent=2))
        return
    if name is not None:
        for model in models:
            typer.echo(_in_full(model), nl=False)
        return
    typer.echo(_kinds(kinds), nl=False)
    if not models:
        say("no model in the hub's cache; the first use of a name downloads it")
        return
    typer.echo()
    typer.echo(draw_table(_COLUMNS, list(map(_row, models)), terminal_width()), nl=False)


def _kinds(kinds: list[NameKind]) -> str:
    columns = [Column("--encoder", "whole"), Column("what"), Column("needs")]
    rows = [(one.name, one.meaning, _needs(one)) for one in kinds]
    return draw_table(columns, rows, terminal_width())


def _needs(kind: NameKind) -> str:
    if kind.extra is None:
        return "nothing"
    return "installed" if kind.installed else f"pip install 'cupl[{kind.extra}]'"


def _row(model: ModelOnDisk) -> tuple[str, ...]:
    role = "" if model.role == "encoder" else f" ({model.role})"
    return (
        model.name, model.family + role, _number(model.width), _number(model.tokens),
        _number(model.image_side), bytes_in_words(model.bytes), (model.revision or "")[:_COMMIT],
        "all" if model.missing is None else "in part",
    )  # fmt: skip


def _in_full(model: ModelOnDisk) -> str:
    here = "all of it is here" if model.missing is None else f"missing: {model.missing}"
    facts = [
        ("model", model.name), ("role", model.role), ("family", model.family),
        ("width", _number(model.width)), ("tokens", _number(model.tokens)),
        ("image side", _number(model.image_side)), ("on disk", bytes_in_words(model.bytes)),
        ("commit", model.revision or ""), ("folder", model.folder), ("files", here),
    ]  # fmt: skip
    return "".join(f"{key + ':':12}{printable(value)}\n" for key, value in facts if value)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
