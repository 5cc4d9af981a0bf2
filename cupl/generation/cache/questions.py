"""Which questions a response cache has answers to: keys are digests, from which none can be read.

A file of lines beside the database, to which every run adds the questions that it has not. It is
for people to look at: where it cannot be read or written, answers are found all the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cupl.io.jsonl import load_line
from cupl.llm.protocol import Request

QUESTIONS_FILE = "cache.db.questions"
_LONGEST = 100_000
"""Characters of a line; a question is rarely longer than 200."""


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question to a model, under whose digest the answers lie.

    Attributes:
        digest: of the request; see :func:`~cupl.llm.protocol.cache_key`.
        question: as it was sent, without the preamble.
        model: by the name that the request had.
        endpoint: of the server.

    """

    digest: str
    question: str
    model: str
    endpoint: str


@dataclass
class QuestionNotes:
    """Adds questions to the file of a cache, each once."""

    folder: Path
    _known: set[str] | None = field(default=None)

    def note(self, digest: str, request: Request) -> None:
        """Write down what is asked, unless that was done before."""
        if self._known is None:
            self._known = {asked.digest for asked in noted_questions(self.folder)}
        if digest in self._known:
            return
        self._known.add(digest)
        fields = {
            "digest": digest, "question": request.question, "model": request.model,
            "endpoint": request.endpoint,
        }  # fmt: skip
        # At the end in one write, as other runs do; a line that a kill cut off ends here.
        with suppress(OSError):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            file = os.open(self.folder / QUESTIONS_FILE, flags, 0o600)
            try:
                os.write(file, f"\n{json.dumps(fields)}\n".encode("ascii"))
            finally:
                os.close(file)


def noted_questions(folder: Path) -> Iterator[AskedQuestion]:
    """The questions that were noted, each once, in their order; other lines are left out."""
    seen: set[str] = set()
    with suppress(OSError), (folder / QUESTIONS_FILE).open("rb") as file:
        while line := file.readline(_LONGEST):
            with suppress(ValueError, TypeError):
                asked = AskedQuestion(**load_line(line))
                values = (asked.digest, asked.question, asked.model, asked.endpoint)
                if all(isinstance(value, str) for value in values) and asked.digest not in seen:
                    seen.add(asked.digest)
                    yield asked
