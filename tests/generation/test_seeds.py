"""A seed is sent, is part of what answers are filed under, and is another for each request."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.model import PromptBank
from cupl.errors import InputError
from cupl.generation.batch.requests import check_requests, write_requests
from cupl.generation.cache.store import ResponseCache
from cupl.generation.pipeline import generate
from cupl.generation.plan import make_plan, move_seed
from cupl.llm.protocol import SEED_RANGE, Failure, Request, Response, Sampling, cache_key
from tests.generation.test_plan import ONE

URL = "http://localhost:8000/v1"


class Seeded:
    """Answers by the seed alone; each answer but the first of a request has the next seed."""

    def __init__(self, text_of: Callable[[int], str], at_most: int = 100) -> None:
        self.text_of = text_of
        self.at_most = at_most
        self.seeds: list[int] = []

    async def complete(self, request: Request, n: int) -> list[Response]:
        seed = request.body(n)["seed"]
        self.seeds.append(seed)
        return [Response(self.text_of(seed + i)) for i in range(min(n, self.at_most))]

    async def close(self) -> None:
        pass


def bank_of(folder: Path, llm: Seeded, **settings: Any) -> PromptBank:
    return generate(["cat"], ONE, cache=folder, llm=llm, concurrency=1, **{"samples": 5} | settings)


def numbered(seed: int) -> str:
    return f"A cat has {'toe ' * (seed % 50)}rings."


@pytest.mark.parametrize(("n", "at_most"), [(10, 100), (2, 100), (None, 1), (10, 1), (4, 2)])
def test_however_it_is_asked_every_sample_is_drawn_anew(
    tmp_path: Path, n: int | None, at_most: int
) -> None:
    llm = Seeded(numbered, at_most)
    bank = bank_of(tmp_path, llm, n=n, sampling=Sampling(seed=7), similarity=None)
    assert bank.classes[0].texts == [numbered(7 + i) for i in range(5)]
    assert len(set(llm.seeds)) == len(llm.seeds)


def test_a_further_try_has_another_seed(tmp_path: Path) -> None:
    llm = Seeded(lambda seed: "" if seed < 100_000 else numbered(seed), 1)
    settings: dict[str, Any] = {"samples": 2, "similarity": None, "sampling": Sampling(seed=3)}
    assert len(bank_of(tmp_path, llm, **settings).classes[0].texts) == 2
    assert llm.seeds == [3, 100_003, 4, 100_004]


def test_to_ask_again_in_another_run_has_another_seed_too(tmp_path: Path) -> None:
    llm = Seeded(lambda seed: numbered(seed) if seed % 100_000 == 3 else "", 1)
    settings: dict[str, Any] = {"samples": 2, "similarity": None, "sampling": Sampling(seed=3)}
    bank_of(tmp_path, llm, **settings)
    before = len(llm.seeds)
    bank_of(tmp_path, llm, retry_failed=True, **settings)
    assert llm.seeds[before:] == [300_004, 400_004, 500_004]


def test_the_bank_says_it(tmp_path: Path) -> None:
    bank = bank_of(tmp_path, Seeded(numbered), sampling=Sampling(seed=7))
    assert bank.source is not None
    assert bank.source.seed == 7
    assert "seed" not in make_plan(["cat"], ONE).source([], 1).model_dump(exclude_none=True)


def test_another_seed_is_another_question() -> None:
    digests = set()
    for seed in (None, 0, 1):
        plan = make_plan(["cat"], ONE, sampling=Sampling(seed=seed))
        [request] = plan.requests(plan.labels[0])
        assert ("seed" in request.body()) == (seed is not None)
        digests.add(request.digest)
    assert len(digests) == 3


@pytest.mark.parametrize("seed", [-1, SEED_RANGE, True, 1.5, "7"])
def test_what_is_no_seed(seed: Any) -> None:
    with pytest.raises(InputError, match="seed must be a whole number from 0 to 2147483647"):
        Sampling(seed=seed)


@given(st.integers(0, SEED_RANGE - 1), st.integers(0, 30_000), st.integers(0, 9999))
def test_a_seed_moves_and_comes_back(seed: int, sample: int, tries: int) -> None:
    moved = move_seed(seed, sample, tries)
    assert Sampling(seed=moved).seed == moved
    assert move_seed(moved, sample, tries, back=True) == seed


def test_requests_in_files_move_it_too_and_are_known_again(tmp_path: Path) -> None:
    plan = make_plan(
        ["cat"], ONE, model="m", base_url=URL, samples=4, sampling=Sampling(seed=SEED_RANGE - 1)
    )
    [request] = plan.requests(plan.labels[0])
    path = tmp_path / "r.jsonl"
    with ResponseCache(tmp_path / "c") as cache:
        cache.put({cache_key(request.digest, sample): Failure("empty", 1) for sample in (2, 3)})
        write_requests(plan, cache, path, n=2)
    bodies = [json.loads(line)["body"] for line in path.read_text().splitlines()]
    assert [body["seed"] for body in bodies] == [SEED_RANGE - 1, 100_001]
    assert check_requests(path, URL).answers == 4
    path.write_text(path.read_text().replace('"seed":100001', '"seed":100002'))
    with pytest.raises(InputError, match="line 2: not exported .* or changed since"):
        check_requests(path, URL)
