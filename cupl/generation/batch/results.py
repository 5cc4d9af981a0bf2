"""What came back for a file of requests, into the response cache.

Result lines of OpenAI's Batch API and of vLLM's ``run-batch`` have the same parts:

    {"id": ..., "custom_id": ..., "response": {"status_code": 200, "body": {...}}, "error": null}

An older ``run-batch`` puts the completion where ``response`` is; others call that ``result``,
or have the status or the body as text. In the error file of OpenAI ``response`` is null or has
another status.

A line does not have the question. Whether an answer only says that again is seen where both are
at hand: :func:`cupl.generation.collect.collect` takes such an answer out of the cache.
"""

from __future__ import annotations

import contextlib
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cupl.errors import CuplError, InputError
from cupl.generation.batch.requests import CustomId
from cupl.generation.cache.entries import CacheEntry
from cupl.generation.cache.store import ResponseCache
from cupl.generation.filters import FAILED, why_unusable
from cupl.io.file_kinds import RESULTS, check_own_kind
from cupl.io.jsonl import load_line, numbered_lines
from cupl.io.reasons import missing, reason
from cupl.llm.access import openai_secrets
from cupl.llm.error_bodies import is_about_content
from cupl.llm.parsing import Completion, read_choices
from cupl.llm.protocol import Failure, Response, cache_key
from cupl.llm.redaction import redact
from cupl.progress import Progress, ignore

_SHOWN = 10
_AT_ONCE = 1000
"""Answers in one transaction."""
_MOST_REASONS = 100
_CODE = re.compile(r"[\w.-]{1,40}")


class LineError(ValueError):
    """A line without answers.

    Args:
        reason: one of a few.
        detail: what is special about this line.

    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


@dataclass
class ImportReport:
    """What became of the lines and of the answers that were asked for."""

    lines: int = 0
    kept: int = 0
    known: int = 0
    """Answers that were in the cache before."""
    absent: int = 0
    """Answers that a line was to have and has not."""
    failed: int = 0
    """Answers that a fault broke off, in lines that have others."""
    unusable: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    """Lines without answers, by reason."""
    shown: list[str] = field(default_factory=list)
    """The first of them, with file and line number."""


def import_results(
    paths: Sequence[Path],
    cache: ResponseCache,
    *,
    progress: Progress = ignore,
) -> ImportReport:
    """Keep every answer of result files that is of use; what is in the cache stays.

    Args:
        paths: from anywhere; their lines in any order.
        cache: where the answers go.
        progress: told of the bytes that are read, and of those there are.

    Raises:
        MissingFileError: a file is not there; nothing was read.
        InputError: a file cannot be read, or the cache not written.

    """
    for path in paths:
        check_own_kind(path, RESULTS)
    sizes, done = list(map(_size, paths)), 0
    total = 0 if None in sizes else sum(filter(None, sizes))
    report, batch = ImportReport(), _Batch(cache)
    for path in paths:
        for number, line in numbered_lines(path):
            done += len(line)
            if not line.strip():
                continue
            report.lines += 1
            try:
                name, (responses, failures) = read_result(line)
            except LineError as error:
                _note(report, error, f"{path}, line {number}")
                continue
            if failures:
                report.failed += len(failures)
                of = len(responses) + len(failures)
                what = f"{len(failures)} of {of} answers {FAILED}: {failures[0]}"
                _show(report, f"{path}, line {number}: {what}")
            report.absent += max(0, len(name.samples) - len(responses) - len(failures))
            for sample, response in zip(name.samples, responses, strict=False):
                batch.add(cache_key(name.digest, sample), response, name.attempt, report)
            if report.lines % _AT_ONCE == 0:
                progress(done, total)
    batch.flush()
    return report


def _size(path: Path) -> int | None:
    """In bytes; None of a pipe."""
    try:
        status = path.stat()
        return status.st_size if stat.S_ISREG(status.st_mode) else None
    except FileNotFoundError as error:
        raise missing(path, f"{path} does not exist") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error, path)})") from error


def _note(report: ImportReport, error: LineError, where: str) -> None:
    _show(report, f"{where}: {error}")
    crowded = len(report.bad) >= _MOST_REASONS and error.reason not in report.bad
    report.bad["other reasons" if crowded else error.reason] += 1


def _show(report: ImportReport, sentence: str) -> None:
    if len(report.shown) < _SHOWN:
        report.shown.append(sentence)


class _Batch:
    """Answers on their way into the cache, many in one transaction."""

    def __init__(self, cache: ResponseCache) -> None:
        self._cache = cache
        self._entries: dict[str, CacheEntry] = {}

    def add(self, key: str, response: Response, attempt: int, report: ImportReport) -> None:
        earlier = self._entries.get(key) or self._cache.get(key)
        if isinstance(earlier, Response):
            report.known += 1
            return
        reason = why_unusable(response)
        if reason is None:
            report.kept += 1
            self._entries[key] = response
        else:
            report.unusable[reason] += 1
            self._entries[key] = Failure(reason, max(attempt, earlier.tries if earlier else 0))
        if len(self._entries) >= _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        self._cache.put(self._entries)
        self._entries = {}


def read_result(line: bytes) -> tuple[CustomId, Completion]:
    """What a line is named after and the answers, fewer or more than were asked for.

    A question that a content filter turned down has as many as were asked for, and all of no use.

    Raises:
        LineError: there are no answers; it says why.

    """
    try:
        data = load_line(line)
        name = CustomId.parse(data.get("custom_id"))
    except ValueError as error:
        raise LineError(str(error)) from error
    if "response" not in data and "result" not in data and "method" in data:
        raise LineError("a request, not a result")
    if _is_held_back(data):
        return name, Completion([Response("", "content_filter")] * len(name.samples), [])
    body = _body(data)
    try:
        completion = read_choices(body, *openai_secrets())
    except CuplError:
        raise  # the key in the environment is none
    except (ValueError, RecursionError) as error:
        raise LineError(str(error)) from error
    if not completion.responses:
        raise LineError(FAILED, str(completion.failures[0]))
    return name, completion


def _is_held_back(data: dict[str, Any]) -> bool:
    """Whether a content filter turned the question down."""
    response = data.get("response")
    response = response if isinstance(response, dict) else {}
    return response.get("status_code") in (None, 400, 403, 422) and any(
        is_about_content(place) for place in (data.get("error"), response.get("body"))
    )


def _body(data: dict[str, Any]) -> object:
    """The completion of a result line.

    Raises:
        LineError: the request failed.

    """
    response, error = data.get("response", data.get("result")), data.get("error")
    response = response if isinstance(response, dict) else {}
    if isinstance(error, dict) and not any(error.values()):
        error = None  # spelled out: no code, no message
    if "choices" in response and not error:
        return response
    body, status = response.get("body"), response.get("status_code", 200 if response else None)
    if isinstance(status, str) and status.isdecimal() and len(status) == 3:
        status = int(status)
    if isinstance(body, str):
        with contextlib.suppress(ValueError):
            body = load_line(body.encode("utf-8", "replace"))
    if status == 200 and not error:
        return body
    code, message = next(_faults(error, body), ("", ""))
    known = type(status) is int and 100 <= status < 600 and status != 200
    what = f"status {status}" if known else "failed" if error else "no response"
    raise LineError(f"{what} ({code})" if code else what, redact(message, *openai_secrets()))


def _faults(*places: object) -> Iterator[tuple[str, str]]:
    """Code and message, from wherever a server has put them."""
    for place in places:
        fault = place.get("error", place) if isinstance(place, dict) else place
        if isinstance(fault, str) and fault:
            yield "", fault
        elif isinstance(fault, dict) and fault:
            names = (fault.get("code"), fault.get("type"))
            codes = (name for name in names if isinstance(name, str) and _CODE.fullmatch(name))
            yield next(codes, ""), str(fault.get("message") or "")
