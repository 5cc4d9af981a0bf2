"""The pages of the documentation, and the command lines in them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", ".github/*.md", "prompts/*.md", "cupl/**/*.md")
    for path in ROOT.glob(pattern)
)

_FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_ENDS_A_COMMAND = {"|", "&&", ";", ">", "<"}


class Line(NamedTuple):
    """One command line of a block."""

    text: str
    words: list[str]
    """``["cupl", "bank", ...]``; empty for another program."""


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def lines_of(code: str) -> Iterator[Line]:
    """The command lines of a block, in a shell's ways: comments, continued lines, ``&&``."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if "cupl" not in words:
            yield Line(line, [])
            continue
        command = words[words.index("cupl") :]
        ends = [place for place, word in enumerate(command) if word in _ENDS_A_COMMAND]
        yield Line(line, command[: min(ends, default=len(command))])


def commands_in(page: str) -> Iterator[list[str]]:
    """Every command line of a page's blocks that runs cupl."""
    text = text_of(page)
    blocks = [found["code"] for found in _FENCED.finditer(text) if found["language"] == "sh"]
    for found in _FENCED.finditer(text):
        if found["language"] == "console":
            blocks.append("\n".join(re.findall(r"^\$ (.+)$", found["code"], re.MULTILINE)))
    prose = _FENCED.sub("", text)
    blocks += [found[0] for found in _INDENTED.finditer(prose) if "cupl " in found[0]]
    for code in blocks:
        yield from (line.words for line in lines_of(code) if line.words)


def inline_code(page: str) -> Iterator[str]:
    """Every ``code`` in the prose of a page."""
    for found in _INLINE.finditer(_FENCED.sub("", text_of(page))):
        yield " ".join(found[1].split())
