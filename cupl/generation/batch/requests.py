"""Requests as files of OpenAI's Batch format, for what answers them elsewhere and later.

A line is a request, and its ``custom_id`` alone says where in the response cache the answers go:

    {"custom_id": "cupl-<digest>-<samples>", "method": "POST", "url": "/v1/...", "body": {...}}

Format and limits: https://developers.openai.com/api/docs/guides/batch; vLLM's ``run-batch`` reads
the same: https://docs.vllm.ai/en/latest/cli/run-batch/.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cupl.errors import InputError
from cupl.generation.cache.store import ResponseCache
from cupl.generation.collect import FilterOptions
from cupl.generation.plan import MissingAnswers, Plan, missing_answers, move_seed
from cupl.generation.refill import next_answers
from cupl.generation.retry import RetryPolicy
from cupl.io.atomic import settle, staging
from cupl.io.jsonl import MAX_LINE, load_line, numbered_lines
from cupl.io.targets import is_stream
from cupl.llm.mini import NAME as MINI
from cupl.llm.protocol import Failure, digest_of
from cupl.progress import ignore

MAX_REQUESTS = 50_000
MAX_BATCH_BYTES = 200_000_000
MAX_ID = 64
"""OpenAI names no limit for the ``custom_id``; this is the one of several other servers."""
MAX_SAMPLES = 10_000
_NAME = re.compile(r"cupl([1-9][0-9]{0,3})?-([A-Za-z0-9_-]{43})-([0-9]{1,5}(?:[-_][0-9]{1,5})*)")


class CustomId(NamedTuple):
    """What a line is named after; with this alone its answers find their places.

    As text: ``cupl-``, the digest in base64, and the samples, such as ``-0-2_5_7-9``. A second
    attempt starts with ``cupl2-``: answers of no use are counted, and to import them again must
    not count them again.
    """

    digest: str
    """Of the request, 64 hexadecimal digits."""
    samples: tuple[int, ...]
    """Ascending."""
    attempt: int = 1

    def __str__(self) -> str:
        packed = base64.urlsafe_b64encode(bytes.fromhex(self.digest)).rstrip(b"=").decode()
        attempt = self.attempt if self.attempt > 1 else ""
        return f"cupl{attempt}-{packed}-{_ranges(self.samples)}"

    @classmethod
    def parse(cls, text: object) -> CustomId:
        """The name from its text.

        Raises:
            ValueError: it is none of ours.

        """
        found = _NAME.fullmatch(text) if isinstance(text, str) and len(text) <= MAX_ID else None
        if found is None:
            raise ValueError("a custom_id that is not cupl's")
        samples: list[int] = []
        for stretch in found[3].split("_"):
            first, *rest = map(int, stretch.split("-"))
            last = rest[-1] if rest else first
            if len(samples) + last - first >= MAX_SAMPLES or first <= max(samples[-1:], default=-1):
                raise ValueError("a custom_id with too many samples, or in no order")
            samples += range(first, last + 1)
        digest = base64.urlsafe_b64decode(found[2] + "=").hex()
        name = cls(digest, tuple(samples), int(found[1] or 1))
        if not samples or str(name) != text:  # there is one way to write it
            raise ValueError("a custom_id that is not cupl's")
        return name


def _ranges(samples: Sequence[int]) -> str:
    """Stretches of numbers without a gap: their difference from their position is the same."""
    stretches = itertools.groupby(enumerate(samples), lambda pair: pair[1] - pair[0])
    ends = [[number for _, number in stretch] for _, stretch in stretches]
    return "_".join(f"{s[0]}-{s[-1]}" if len(s) > 1 else f"{s[0]}" for s in ends)


@dataclass
class RequestFile:
    """A file of requests and what is in it."""

    path: Path
    requests: int = 0
    answers: int = 0
    """How many are asked for."""
    size: int = 0
    """In bytes."""
    url: str = ""
    model: str = ""
    sha256: str = ""


@dataclass
class Export:
    """The files that were written, and where what lay in their places is now."""

    files: list[RequestFile] = field(default_factory=list)
    kept: list[tuple[Path, Path]] = field(default_factory=list)
    """Old name and new name of files that said something else."""


def write_requests(
    plan: Plan,
    cache: ResponseCache,
    output: Path,
    *,
    filtering: FilterOptions | None = None,
    n: int | None = 10,
    tries: float = RetryPolicy.answer_tries,
    per_file: int = MAX_REQUESTS,
    notice: Callable[[str], None] = ignore,
) -> Export:
    """Write what a plan still needs: all of it or nothing, and nothing where nothing is missing.

    The files are ``NAME.jsonl``, ``NAME-2.jsonl`` and so on. A file in their places that says
    something else is renamed; so are further parts of an earlier export, which would be asked and
    paid for with the new ones.

    Args:
        plan: what is wanted.
        cache: what is there.
        output: the first file.
        filtering: what is to be kept of the answers: once those of the plan are there, classes that
            kept too few get more. None for no more than the plan.
        n: most answers in one request; None for one.
        tries: see :func:`cupl.generation.plan.missing_answers`.
        per_file: most requests in one file.
        notice: told in a sentence which classes get more.

    Raises:
        InputError: the model is the embedded one, a file cannot be written, or ``filtering`` does
            not fit the plan.
        MissingFileError: the folder does not exist.

    """
    if plan.model == MINI:
        raise InputError(
            "the mini model runs inside cupl and reads no request files; name the model that "
            "is to answer",
            arguments={"model": ...},
        )
    if filtering is None:
        units = missing_answers(plan, cache, n=n, tries=tries)
    else:
        units = next_answers(plan, cache, filtering, n=n, tries=tries, notice=notice)
    with staging(output) as folder:
        files = _split((line for unit in units for line in _lines(unit, cache)), folder, per_file)
        if not files:
            return Export()
        if len(files) > 1 and is_stream(output):
            raise InputError(f"{output} would take {len(files)} files: name an ordinary file")
        staged = [file.path for file in files]
        for number, file in enumerate(files, 1):
            file.path = _part(output, number)
        kept = settle(
            list(zip(staged, (file.path for file in files), strict=True)),
            stale=() if is_stream(output) else _parts_of_an_export(output, len(files) + 1),
        )
    return Export(files, kept)


def _lines(unit: MissingAnswers, cache: ResponseCache) -> Iterator[tuple[bytes, int]]:
    """The lines of a unit, each with the number of answers it asks for.

    More than one only where the samples have so many gaps that a name would be too long.
    """
    parts = [unit.samples]
    while parts:
        samples = parts.pop()
        attempt = _attempt(unit, samples, cache)
        name = str(CustomId(unit.digest, samples, attempt))
        if len(name) > MAX_ID:
            half = len(samples) // 2
            parts += [samples[half:], samples[:half]]
            continue
        line = {
            "custom_id": name,
            "method": "POST",
            "url": f"/v1{unit.request.path}",
            "body": unit.ask(samples, attempt - 1).body(len(samples)),
        }
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        if len(data) > MAX_LINE:
            raise InputError(
                f"a request has {len(data):,} bytes; give a shorter preamble",
                arguments={"preamble": ...},
            )
        yield data, len(samples)


def _attempt(unit: MissingAnswers, samples: Sequence[int], cache: ResponseCache) -> int:
    """Which attempt it is for the sample that was asked for least often; more than 9999 is that."""
    fewest = 9998
    for sample in samples:
        entry = cache.get(unit.key(sample))
        if not isinstance(entry, Failure):
            return 1
        fewest = min(fewest, entry.tries)
    return fewest + 1


def _split(lines: Iterator[tuple[bytes, int]], folder: Path, most: int) -> list[RequestFile]:
    files: list[RequestFile] = []
    line = next(lines, None)
    while line is not None:
        part = RequestFile(folder / str(len(files)))
        files.append(part)
        with part.path.open("xb") as file:
            while line is not None:
                data, answers = line
                if part.requests == most or part.size + len(data) > MAX_BATCH_BYTES:
                    break
                file.write(data)
                part.requests += 1
                part.answers += answers
                part.size += len(data)
                line = next(lines, None)
    return files


def _part(output: Path, number: int) -> Path:
    return output if number == 1 else output.with_name(f"{output.stem}-{number}{output.suffix}")


def _parts_of_an_export(output: Path, number: int) -> Iterator[Path]:
    """Further parts that lie beside the first, from this number on."""
    named = re.compile(rf"{re.escape(output.stem)}-([0-9]{{1,6}}){re.escape(output.suffix)}")
    for path in sorted(output.parent.iterdir()):
        found = named.fullmatch(path.name)
        if found and int(found[1]) >= number and path.is_file():
            with path.open("rb") as file, contextlib.suppress(ValueError):
                CustomId.parse(load_line(file.readline(MAX_LINE)).get("custom_id"))
                yield path


def check_requests(path: Path, endpoint: str) -> RequestFile:
    """Look through a file before it is sent to where it costs money.

    Args:
        path: as :func:`write_requests` made it.
        endpoint: the server it is to be sent to.

    Raises:
        MissingFileError: it is not there.
        InputError: it breaks a limit of the Batch API, was changed, or is for another server, or is
            a pipe.

    """
    _refuse_pipe(path)
    found = RequestFile(path)
    content = hashlib.sha256()
    names: set[str] = set()
    for number, line in numbered_lines(path):
        try:
            name, url, model, answers = _check_line(line, endpoint)
            if name in names:
                raise ValueError("its custom_id was there before")
            if found.requests and (url, model) != (found.url, found.model):
                raise ValueError("another model or URL than in the lines before")
        except ValueError as error:
            raise InputError(
                f"{path}, line {number}: {error}; export it again", arguments={"base_url": ...}
            ) from error
        names.add(name)
        content.update(line)
        found.url, found.model = url, model
        found.requests, found.answers = number, found.answers + answers
        found.size += len(line)
        if found.requests > MAX_REQUESTS or found.size > MAX_BATCH_BYTES:
            raise InputError(
                f"{path} has more than {MAX_REQUESTS:,} requests or {MAX_BATCH_BYTES // 10**6} MB; "
                "cupl batch export splits what is longer"
            )
    if not found.requests:
        raise InputError(f"{path} is empty")
    found.sha256 = content.hexdigest()
    return found


def _refuse_pipe(path: Path) -> None:
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise InputError(
                f"{path} is read twice, to check it and to send it: write it into a file first"
            )


def _check_line(line: bytes, endpoint: str) -> tuple[str, str, str, int]:
    """Name, URL, model and number of answers of a line.

    Raises:
        ValueError: it is not what was exported for this server.

    """
    data = load_line(line)
    name = CustomId.parse(data.get("custom_id"))
    url, body = data.get("url"), data.get("body")
    if not isinstance(url, str) or not isinstance(body, dict) or data.get("method") != "POST":
        raise ValueError("no request")
    single = {key: value for key, value in body.items() if key != "n"}
    if type(single.get("seed")) is int:
        first, tries = name.samples[0], name.attempt - 1
        single["seed"] = move_seed(single["seed"], first, tries, back=True)
    answers = len(name.samples)
    same = digest_of(endpoint, url.removeprefix("/v1"), single) == name.digest
    if not same or body.get("n", 1) != answers or not url.startswith("/v1/"):
        raise ValueError(f"not exported for the server {endpoint}, or changed since")
    return str(name), url, str(body.get("model")), answers
