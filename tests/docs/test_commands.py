"""Every command, option, file and module that a page names exists."""

import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer

from cupl.cli import app
from tests.docs.pages import PAGES, ROOT, commands_in, inline_code, text_of

CLI: Any = typer.main.get_command(app)


def options_of(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts} | {"--help", "--debug"}


def all_commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from all_commands(command, (*path, name))
        else:
            yield (*path, name)


def resolve(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words after ``cupl`` name, and its arguments."""
    command, rest = CLI, list(words)
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        name = rest.pop(0)
        assert name in command.commands, f"no command {name!r} in: cupl {' '.join(words)}"
        command = command.commands[name]
    return command, rest


def check_options(words: list[str]) -> None:
    """Every option of ``cupl ...`` is one of that command."""
    command, rest = resolve(words)
    given = {word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
    assert given <= options_of(command), f"cupl {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES)
def test_command_lines(page: str) -> None:
    for words in commands_in(page):
        check_options(words[1:])
        command, rest = resolve(words[1:])
        if not any(re.search(r"[$*]|\.\.\.", word) for word in rest):  # filled in by a shell
            with suppress(typer.Exit):  # of what prints and stops
                command.make_context("cupl", rest)  # types, choices, what is missing or too much


@pytest.mark.parametrize("page", PAGES)
def test_code_in_sentences(page: str) -> None:
    known = set().union(*(options_of(resolve(list(path))[0]) for path in all_commands(CLI)))
    for code in inline_code(page):
        if code.startswith("cupl "):
            check_options(code.split()[1:])
            continue
        given = {word.split("=")[0] for word in code.split() if re.match("--[a-z]", word)}
        assert given <= known | {"--version", "--attacks"}, code  # the second is of the tests


def test_every_command_is_named_somewhere() -> None:
    text = "\n".join(map(text_of, PAGES))
    assert [
        " ".join(path) for path in all_commands(CLI) if f"cupl {' '.join(path)}" not in text
    ] == []


def test_the_map_names_every_file() -> None:
    """The rooms of ``cupl/README.md``, and no file that is gone."""
    package = ROOT / "cupl"
    table = text_of("cupl/README.md").split("## Rooms")[1].split("## Where")[0]
    named, room = set(), ""
    for row in table.splitlines():
        cells = [cell.strip() for cell in row.split("|")]
        if len(cells) < 4:
            continue
        room = cells[1].strip("`") if cells[1].startswith("`") else "" if cells[1] else room
        named |= {room + name for name in re.findall(r"`([\w/]+\.py)`", cells[2])}
    files = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    entries = {name for name in files if name.endswith(("__init__.py", "__main__.py"))}
    assert files - entries == named - entries


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names(page: str) -> None:
    folder = (ROOT / page).parent
    # The map names files within their rooms.
    places = [folder, ROOT, ROOT / "cupl", *(ROOT / "cupl").glob("*/")]
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text_of(page)):
        assert "://" in target or (folder / target).exists(), target
    for code in inline_code(page):
        if re.fullmatch(r"[\w./-]+/[\w.-]+\.(py|yaml|md|csv)", code):
            assert any((place / code).exists() for place in places), code


@pytest.mark.parametrize("page", PAGES)
def test_headings_that_a_page_links_to(page: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text_of(page)):
        path = (ROOT / page).parent / target if target else ROOT / page
        headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in headings}
        assert anchor in anchors, f"{target}#{anchor}"


def test_modules_that_the_changelog_names() -> None:
    rows = re.findall(
        r"^\| `cupl[\w.]*` \| `(cupl[\w.]*)` \|$", text_of(".github/CHANGELOG.md"), re.M
    )
    assert len(rows) > 50
    assert [name for name in rows if find_spec(name) is None] == []


@pytest.mark.parametrize("page", PAGES)
def test_modules_that_a_page_runs(page: str) -> None:
    for name in re.findall(r"python -m ((?:tests|cupl)[\w.]*)", text_of(page)):
        assert find_spec(name), name


def test_there_are_pages() -> None:
    assert {"README.md", "prompts/README.md", "cupl/README.md"} <= set(PAGES)
    assert Path(ROOT / ".github/CHANGELOG.md").exists()
