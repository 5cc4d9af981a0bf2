import ast
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from cupl.cli import app
from cupl.cli.flags import way_out
from tests.cli.conftest import Cupl

COMMANDS: Any = typer.main.get_command(app)
PACKAGE = Path(__file__).parents[2] / "cupl"


@pytest.mark.parametrize(
    ("words", "arguments", "expected"),
    [
        (["generate"], {"max_tokens": None, "samples": 20}, " (--max-tokens none, --samples 20)"),
        (
            ["generate", "x.txt"],
            {"timeout": ..., "offline": False},
            " (--timeout, without --offline)",
        ),
        (["batch", "export"], {"model": "a b", "timeout": ...}, " (--model 'a b')"),
        (["embed", "-o", "v"], {"resume": True, "output": ...}, " (--resume, -o)"),
        (
            ["generate"],
            {"extra": {"a": "it's", "b": False}},
            """ (--extra '{"a": "it'"'"'s", "b": false}')""",
        ),
        (["cache", "info"], {"max_tokens": None}, ""),
        ([], {"cache": ...}, ""),
        (["generate"], {}, ""),
    ],
)
def test_the_options_of_the_command_are_named(
    words: list[str], arguments: dict[str, object], expected: str
) -> None:
    assert way_out(COMMANDS, words, arguments) == expected


def test_the_message_of_the_library_is_followed_by_the_option(cupl: Cupl) -> None:
    outcome = cupl("cache", "info", "--cache", "nowhere")
    assert outcome.err.endswith("name another folder (--cache)\n")


def test_the_library_knows_no_options() -> None:
    """It names arguments; what they are called on a command line is the command line's matter."""
    flag = re.compile(r"(?<![-\w`])--[a-z][a-z-]+")
    rooms = [path for path in PACKAGE.rglob("*.py") if "cli" not in path.parts]
    named = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in rooms
        for line in path.read_text("utf-8").splitlines()
        if flag.search(line)
    ]
    assert named == []


def test_every_argument_that_an_error_names_is_an_option_of_some_command() -> None:
    leaves = [
        command
        for group in (COMMANDS, *COMMANDS.commands.values())
        for command in getattr(group, "commands", {}).values()
    ]
    known = {option.name for command in leaves for option in command.params}
    text = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    given = re.findall(r"arguments=\{([^}]*)\}|(?:named|way_out|more) = \{([^}]*)\}", text)
    names = set(re.findall(r'"(\w+)":', "".join("".join(pair) for pair in given)))
    assert {"cache", "max_tokens", "resume"} <= names
    assert names <= known


def test_a_way_out_stands_behind_no_other_bracket() -> None:
    """What the command line adds is in brackets itself."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and any(k.arg == "arguments" for k in node.keywords):
                text = node.args[0] if node.args else None
                end = text.values[-1] if isinstance(text, ast.JoinedStr) else text
                if isinstance(end, ast.Constant) and str(end.value).endswith(")"):
                    found.append(f"{path.name}: {end.value!s}")
    assert found == []
