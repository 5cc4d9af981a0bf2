"""Claims hold between threads, caches and processes; all of them are real here."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.generation.cache import claims as claims_module
from cupl.generation.cache.store import ResponseCache

PROCESSES = multiprocessing.get_context("spawn")


def claim_and_wait(folder: Path, pipe: Connection) -> None:
    with ResponseCache(folder) as cache, cache.claim("this") as mine:
        pipe.send(mine)
        pipe.recv()


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=claim_and_wait, args=(tmp_path, theirs))
    with ResponseCache(tmp_path) as cache:
        process.start()
        theirs.close()
        assert ours.recv() is True
        with cache.claim("this") as mine, cache.claim("that") as other:
            assert (mine, other) == (False, True)
        process.kill()
        process.join()
        with cache.claim("this") as mine:
            assert mine


def test_a_claim_holds_for_other_processes_and_ends_with_its_block(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        for expected in (False, True):
            ours, theirs = PROCESSES.Pipe()
            process = PROCESSES.Process(target=claim_and_wait, args=(tmp_path, theirs))
            with cache.claim("this" if not expected else "that"):
                process.start()
                theirs.close()
                assert ours.recv() is expected
                ours.send("go on")
                process.join()


def test_a_claim_holds_within_a_process(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        with cache.claim("this") as first, cache.claim("this") as second:
            assert (first, second) == (True, False)
        with pytest.raises(KeyboardInterrupt), cache.claim("this"):
            raise KeyboardInterrupt
        with cache.claim("this") as again:
            assert again


def test_without_locks_at_worst_two_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr("fcntl.lockf", refuse)
    with ResponseCache(tmp_path) as cache, cache.claim("this") as mine:
        assert mine


# Caches and threads of one process


def test_a_claim_holds_between_two_caches_of_a_process(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as one, ResponseCache(tmp_path) as two:
        with one.claim("this") as mine, two.claim("this") as theirs, two.claim("that") as other:
            assert (mine, theirs, other) == (True, False, True)
        with two.claim("this") as again:
            assert again


def test_a_folder_is_one_by_whatever_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    paths = [tmp_path / "real", tmp_path / "link", tmp_path / "real" / ".." / "link"]
    with ExitStack() as opened:
        caches = [opened.enter_context(ResponseCache(path)) for path in paths]
        other = opened.enter_context(ResponseCache(tmp_path / "other"))
        claims = [opened.enter_context(cache.claim("this")) for cache in [*caches, other]]
    assert claims == [True, False, False, True]


def test_one_of_many_threads_gets_a_claim(tmp_path: Path) -> None:
    number = 8
    together = threading.Barrier(number, timeout=30)

    def claim() -> bool:
        with ResponseCache(tmp_path) as cache:
            together.wait()
            with cache.claim("this") as mine:
                together.wait()  # nobody lets go before all have tried
            return mine

    with ThreadPoolExecutor(number) as pool:
        results = [pool.submit(claim) for _ in range(number)]
        assert sorted(result.result() for result in results) == [False] * (number - 1) + [True]


@contextmanager
def another_process(folder: Path) -> Iterator[Callable[[str], bool]]:
    """Asks another process whether it can claim something."""
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=try_claims, args=(folder, theirs))
    process.start()
    theirs.close()

    def can_claim(name: str) -> bool:
        ours.send(name)
        return bool(ours.recv())

    try:
        yield can_claim
    finally:
        ours.close()
        process.join()


def try_claims(folder: Path, pipe: Connection) -> None:
    with ResponseCache(folder) as cache:
        while True:
            try:
                name = pipe.recv()
            except EOFError:
                return
            with cache.claim(name) as mine:
                pipe.send(mine)


def test_to_close_one_cache_drops_no_claim_of_another(tmp_path: Path) -> None:
    """To close any descriptor of the file would: POSIX locks belong to the process."""
    with another_process(tmp_path) as can_claim, ResponseCache(tmp_path) as kept:
        with kept.claim("this") as mine:
            assert mine
            with ResponseCache(tmp_path) as closed, closed.claim("that"):
                assert not can_claim("that")
            assert can_claim("that")
            assert not can_claim("this")
        assert can_claim("this")
    assert not claims_module._open


def test_a_cache_that_nobody_closed_holds_nothing(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path)
    del cache
    assert not claims_module._open


def test_a_claim_that_outlives_its_cache_touches_no_other_file(tmp_path: Path) -> None:
    with ExitStack() as later, ResponseCache(tmp_path) as cache:
        assert later.enter_context(cache.claim("this"))
    with ResponseCache(tmp_path) as cache, cache.claim("this") as mine:
        assert mine


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["open", "close", "claim", "release"]), st.integers(0, 2),
              st.sampled_from("abc")),
    max_size=30,
)  # fmt: skip


@settings(max_examples=60)
@given(OPERATIONS)
def test_whatever_opens_and_closes_a_claim_is_held_by_one(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    caches: dict[int, ExitStack] = {}
    opened: dict[int, ResponseCache] = {}
    held: dict[str, tuple[int, ExitStack]] = {}
    with ExitStack() as everything:
        for what, number, name in operations:
            if what == "open" and number not in caches:
                caches[number] = everything.enter_context(ExitStack())
                opened[number] = caches[number].enter_context(ResponseCache(folder))
            elif what == "close" and number in caches:
                for mine in [key for key, (owner, _) in held.items() if owner == number]:
                    held.pop(mine)[1].close()
                caches.pop(number).close()
            elif what == "claim" and number in caches:
                block = everything.enter_context(ExitStack())
                got = block.enter_context(opened[number].claim(name))
                assert got == (name not in held)
                if got:
                    held[name] = number, block
            elif what == "release" and name in held:
                held.pop(name)[1].close()
    assert not claims_module._open


# Forks


def forked(work: Callable[[], bool]) -> bool:
    """What ``work`` says in a child of this process."""
    return wait_for(fork(work))


def fork(work: Callable[[], bool]) -> int:
    """The id of a child of this process that ends with ``work``, whatever becomes of it."""
    child = os.fork()
    if not child:
        try:
            os._exit(10 if work() else 20)
        finally:
            os._exit(30)  # an error must not have the child go on with these tests
    return child


def wait_for(child: int) -> bool:
    """What the child said at its end."""
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (10, 20)
    return code == 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_is_another(tmp_path: Path) -> None:
    with another_process(tmp_path) as can_claim, ResponseCache(tmp_path) as cache:
        block = ExitStack()
        assert block.enter_context(cache.claim("this"))

        def can_child_claim(name: str) -> bool:
            with cache.claim(name) as mine, ResponseCache(tmp_path) as own, own.claim(name) as two:
                return mine and not two

        def child_leaves_the_block() -> bool:
            block.close()  # as a fork in the middle of it does, sooner or later
            return can_child_claim("this")

        assert not forked(lambda: can_child_claim("this")), "it is our parent's"
        assert not forked(child_leaves_the_block)
        assert forked(lambda: can_child_claim("that"))
        assert not can_claim("this"), "no child has dropped it"
        block.close()
        assert forked(lambda: can_child_claim("this"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_takes_over_what_its_parent_has_let_go(tmp_path: Path) -> None:
    released, release = os.pipe()

    def can_claim_later() -> bool:
        os.read(released, 1)
        with cache.claim("this") as mine:
            return mine

    with ResponseCache(tmp_path) as cache:
        with cache.claim("this"):
            child = fork(can_claim_later)
        os.write(release, b"x")
        assert wait_for(child)
    os.close(released)
    os.close(release)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_while_another_thread_claims(tmp_path: Path) -> None:
    """The child must not wait for a thread that it has not."""
    enough = threading.Event()

    def claim_on_and_on() -> None:
        with ResponseCache(tmp_path) as cache:
            while not enough.is_set():
                with cache.claim("that"):
                    pass

    def can_claim() -> bool:
        with cache.claim("this") as mine:
            return mine

    with ResponseCache(tmp_path) as cache, ThreadPoolExecutor(1) as pool:
        claiming = pool.submit(claim_on_and_on)
        try:
            assert all(forked(can_claim) for _ in range(30))
        finally:
            enough.set()
        claiming.result()
