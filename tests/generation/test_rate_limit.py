import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.generation.rate_limit import RateLimiter
from cupl.generation.retry import RetryPolicy


class Clock:
    """Seconds that pass only while everyone waits for them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._numbers = itertools.count()
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleeping, (self.now + seconds, next(self._numbers), future))
        await future

    async def run(self, *tasks: Awaitable[object]) -> None:
        """Until all are done; fails where they wait for something that never comes."""
        futures = [asyncio.ensure_future(task) for task in tasks]
        while not all(future.done() for future in futures):
            for _ in range(60):  # whoever need not wait goes on
                await asyncio.sleep(0)
            if self._sleeping:
                self.now, _, future = heapq.heappop(self._sleeping)
                if not future.done():
                    future.set_result(None)
            else:
                assert all(future.done() for future in futures), "nobody can go on"
        for done in futures:
            if not done.cancelled():
                done.result()


class Server:
    """Takes so many seconds for a request; remembers when each started."""

    def __init__(self, most: int, seconds: float = 1.0) -> None:
        self.clock = Clock()
        self.limiter = RateLimiter(most, self.clock, self.clock.sleep)
        self.seconds = seconds
        self.starts: list[tuple[float, str]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.pauses: list[float | None] = []

    async def request(
        self, name: str = "", limited: bool = False, after: float | None = None
    ) -> None:
        async with self.limiter.turn() as started:
            assert started == self.clock.now
            self.starts.append((started - 1000, name))
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            try:
                await self.clock.sleep(self.seconds)
            finally:
                self.under_way -= 1
            if limited:
                self.pauses.append(self.limiter.pause(started, after))
            else:
                self.limiter.went_well()

    def run(self, script: Callable[[], Awaitable[object]]) -> None:
        asyncio.run(self._run(script))

    async def _run(self, script: Callable[[], Awaitable[object]]) -> None:
        await self.clock.run(script())

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    @property
    def times(self) -> list[float]:
        return [start for start, _ in self.starts]


def test_no_more_requests_than_wanted_are_under_way() -> None:
    server = Server(3)
    server.run(lambda: asyncio.gather(*(server.request() for _ in range(7))))
    assert server.most_under_way == 3
    assert server.times == [0, 0, 0, 1, 1, 1, 2]


def test_first_come_first_served() -> None:
    server = Server(2)

    async def worker(name: str) -> None:
        for number in range(3):
            await server.request(f"{name}{number}")

    server.run(lambda: asyncio.gather(*map(worker, "abcd")))
    names = [name for _, name in server.starts]
    # A worker that is done does not get ahead of those who wait.
    assert names == [f"{name}{number}" for number in range(3) for name in "abcd"]


def test_one_pause_is_for_all_and_as_long_as_the_server_asks() -> None:
    server = Server(4)

    async def script() -> None:
        limited = [server.request("limited", limited=True, after=30.0) for _ in range(4)]
        await asyncio.gather(*limited, *(server.request("later") for _ in range(2)))

    server.run(script)
    assert server.pauses == [30.0, None, None, None]
    assert [start for start, name in server.starts if name == "later"] == [31, 31]


def test_those_under_way_do_not_halve_again() -> None:
    server = Server(8)

    async def script() -> None:
        await asyncio.gather(*(server.request(limited=True, after=5.0) for _ in range(8)))
        server.most_under_way = 0
        await asyncio.gather(*(server.request() for _ in range(4)))

    server.run(script)
    assert server.most_under_way == 4  # half of 8, not an eighth


def test_the_longest_wait_that_one_of_them_was_told_holds() -> None:
    server = Server(2)

    async def script() -> None:
        await asyncio.gather(
            server.request(limited=True, after=5.0),
            server.request(limited=True, after=20.0),
            server.request("later"),
        )

    server.run(script)
    assert server.starts[-1] == (21.0, "later")


def test_a_shorter_wait_does_not_cut_the_pause() -> None:
    server = Server(2)

    async def script() -> None:
        await asyncio.gather(
            server.request(limited=True, after=20.0),
            server.request(limited=True, after=5.0),
            server.request("later"),
        )

    server.run(script)
    assert server.starts[-1] == (21.0, "later")


def test_what_was_under_way_does_not_lengthen_a_pause_of_our_own() -> None:
    server = Server(2)

    async def late() -> None:
        async with server.limiter.turn() as started:
            await server.clock.sleep(1.4)
            assert server.limiter.pause(started, None) is None

    server.run(
        lambda: asyncio.gather(server.request(limited=True), late(), server.request("later"))
    )
    (pause,) = server.pauses
    assert pause is not None
    assert server.times[-1] == pytest.approx(1 + pause)


def test_a_pause_is_longer_after_each_other_until_an_answer_comes() -> None:
    now = 0.0
    pace = RateLimiter(1, lambda: now, asyncio.sleep)

    def pause() -> float:
        nonlocal now
        now += 1
        seconds = pace.pause(now, None)
        assert seconds is not None
        return seconds

    for number in range(1, 1100):  # more doublings than a float has
        longest = min(RetryPolicy.longest_wait, 2.0 ** min(number, 99))
        assert longest / 2 <= pause() <= longest
    pace.went_well()
    assert 1 <= pause() <= 2


def test_half_of_the_requests_after_a_pause_and_then_all_again() -> None:
    server = Server(8)

    async def script() -> None:
        await server.request(limited=True, after=1.0)
        server.most_under_way = 0
        await asyncio.gather(*(server.request() for _ in range(4)))
        await asyncio.gather(*(server.request() for _ in range(100)))

    server.run(script)
    counts = [len(list(group)) for _, group in itertools.groupby(server.times)][1:]
    assert counts[0] == 4
    # About one more with each round of answers, and never more than wanted.
    assert counts[1:-1] == sorted(counts[1:-1])
    assert all(b - a <= 1 for a, b in itertools.pairwise(counts[:-1]))
    assert max(counts) == 8


def test_one_request_at_least_may_be_under_way() -> None:
    server = Server(3)

    async def script() -> None:
        for _ in range(5):
            await server.request(limited=True, after=1.0)
        await asyncio.gather(*(server.request() for _ in range(2)))

    server.run(script)
    assert len(server.starts) == 7


def test_a_failed_request_gives_its_place_back() -> None:
    server = Server(1)

    async def fail() -> None:
        with suppress(ZeroDivisionError):
            async with server.limiter.turn():
                raise ZeroDivisionError

    server.run(lambda: asyncio.gather(fail(), server.request("next")))
    assert server.starts == [(0.0, "next")]


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_who_leaves_while_waiting_takes_no_ones_turn(victim: int) -> None:
    server = Server(1)

    async def script() -> None:
        first = asyncio.create_task(server.request("first"))
        await server.settle()
        waiting = [asyncio.create_task(server.request(str(number))) for number in range(3)]
        await first
        waiting[victim].cancel()  # at the moment at which the place becomes free
        await asyncio.gather(*waiting, return_exceptions=True)

    server.run(script)
    left = [str(number) for number in range(3) if number != victim]
    assert [name for _, name in server.starts if name in left] == left


def test_who_leaves_during_a_pause_takes_no_ones_turn() -> None:
    server = Server(1)

    async def script() -> None:
        await server.request(limited=True, after=10.0)
        waiting = [asyncio.create_task(server.request(str(number))) for number in range(3)]
        await server.settle()
        waiting[0].cancel()  # who counts the seconds for all
        await asyncio.gather(*waiting, return_exceptions=True)

    server.run(script)
    assert server.starts[1:] == [(11.0, "1"), (12.0, "2")]


OUTCOMES = st.one_of(
    st.just("good"),
    st.just("fault"),
    st.just("cancel"),
    st.just("leave"),
    st.none(),
    st.sampled_from([0.0, 0.5, 3.0, 100.0]),
)


@given(
    st.integers(1, 6),
    st.lists(st.tuples(OUTCOMES, st.sampled_from([0.0, 0.3, 1.0, 7.0])), max_size=40),
)
def test_whatever_becomes_of_the_requests_all_of_them_come_to_an_end(
    most: int, outcomes: list[tuple[str | float | None, float]]
) -> None:
    server = Server(most)
    begun = []

    async def request(outcome: str | float | None, seconds: float) -> None:
        async with server.limiter.turn() as started:
            begun.append(started)
            assert started >= server.limiter._until
            server.under_way += 1
            assert server.under_way <= most
            try:
                await server.clock.sleep(seconds)
            finally:
                server.under_way -= 1
            match outcome:
                case "good":
                    server.limiter.went_well()
                case "fault":
                    raise ZeroDivisionError
                case "cancel" | "leave":
                    pass
                case None | float():
                    server.limiter.pause(started, outcome)

    async def script() -> None:
        tasks = [asyncio.create_task(request(*outcome)) for outcome in outcomes]
        for task, (outcome, seconds) in zip(tasks, outcomes, strict=True):
            if outcome in ("cancel", "leave"):
                if outcome == "leave":  # in its midst, or while it waits for that
                    await server.clock.sleep(seconds + 0.1)
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    server.run(script)
    left_early = sum(outcome in ("cancel", "leave") for outcome, _ in outcomes)
    assert len(begun) >= len(outcomes) - left_early
    assert server.under_way == server.limiter._under_way == 0
