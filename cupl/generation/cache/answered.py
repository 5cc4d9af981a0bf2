"""What was asked and answered, for people to look at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from cupl.generation.cache.entries import Stored
from cupl.generation.cache.questions import AskedQuestion, noted_questions
from cupl.generation.cache.reader import CacheReader
from cupl.llm.protocol import Response, cache_key

_AT_ONCE = 100
"""Samples that are looked up together; behind so many that are not there, none is looked for."""


@dataclass
class AnsweredQuestion:
    """A question and the answers to it, in the order in which they were asked for.

    Attributes:
        asked: the question, and who was asked.
        answers: what was said.
        failures: answers of no use.
        unreadable: entries that are damaged.

    """

    asked: AskedQuestion
    answers: list[Response] = field(default_factory=list)
    failures: int = 0
    unreadable: int = 0


def answered_questions(
    reader: CacheReader, classes: Sequence[str] = (), model: str | None = None
) -> Iterator[AnsweredQuestion]:
    """The questions of a cache to which there are answers, in the order they were first asked.

    Args:
        reader: the cache; nothing in it is changed.
        classes: only questions in which one of these stands as words, in any case.
        model: only questions to this model.

    Raises:
        InputError: the cache is damaged.

    """
    named = [re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE) for name in classes]
    for asked in noted_questions(reader.folder):
        if model not in (None, asked.model):
            continue
        if named and not any(pattern.search(asked.question) for pattern in named):
            continue
        found = _answers(reader, asked)
        if found.answers or found.failures or found.unreadable:
            yield found


def _answers(reader: CacheReader, asked: AskedQuestion) -> AnsweredQuestion:
    found = AnsweredQuestion(asked)
    for start in count(0, _AT_ONCE):
        keys = [cache_key(asked.digest, sample) for sample in range(start, start + _AT_ONCE)]
        entries = list(reader.get_many(keys))
        stored = {one.key: one.entry for one in entries if isinstance(one, Stored)}
        found.unreadable += len(entries) - len(stored)
        for entry in (stored[key] for key in keys if key in stored):
            if isinstance(entry, Response):
                found.answers.append(entry)
            else:
                found.failures += 1
        if not entries:
            return found
    raise AssertionError  # it counts without end
