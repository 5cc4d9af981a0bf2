"""Long work: its states, stopping, one of a kind, and what is kept of it."""

import threading
from typing import Any

import pytest

from cupl.errors import InputError
from cupl.progress import Progress
from cupl.web.jobs import JobBusyError, Jobs, JobStopped
from tests.web.conftest import Serve


def until_stopped(progress: Progress) -> None:
    """Work without end, that tells how far it is."""
    done = 0
    while True:
        done += 1
        progress(done, 0)
        threading.Event().wait(0.005)


def test_what_it_gives_is_kept() -> None:
    def work(progress: Progress) -> dict[str, int]:
        progress(2, 3)
        return {"a": 1}

    job = Jobs().start("evaluate", "Evaluating", work)
    assert job.wait(10)
    assert job.to_dict() == {
        "id": 1, "kind": "evaluate", "title": "Evaluating", "state": "done", "done": 2, "total": 3,
        "result": {"a": 1}, "error": None, "stopping": False,
    }  # fmt: skip


def fails(error: Exception) -> Any:
    def work(progress: Progress) -> None:
        raise error

    return work


def test_an_error_of_ours_is_told_and_another_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    jobs = Jobs()
    ours = jobs.start("a", "A", fails(InputError("the disk is full")))
    other = jobs.start("b", "B", fails(ValueError("key sk-123")))
    assert ours.wait(10)
    assert other.wait(10)
    assert (ours.state, ours.error) == ("failed", "the disk is full")
    assert (other.state, other.error) == ("failed", "a fault in cupl (ValueError)")
    assert "sk-123" in capsys.readouterr().err


def test_it_stops_when_it_next_tells_its_progress() -> None:
    job = Jobs().start("a", "A", until_stopped)
    assert not job.to_dict()["stopping"]
    job.stop()
    assert job.wait(10)
    assert (job.state, job.result, job.error) == ("stopped", None, None)
    assert not job.to_dict()["stopping"]
    with pytest.raises(JobStopped):
        job.progress(1, 1)


def test_no_two_of_a_kind_run_at_once() -> None:
    jobs, started, refused = Jobs(), list[int](), list[Exception]()
    barrier = threading.Barrier(10)

    def start() -> None:
        barrier.wait()
        try:
            started.append(jobs.start("evaluate", "E", until_stopped).id)
        except JobBusyError as error:
            refused.append(error)

    threads = [threading.Thread(target=start) for _ in range(10)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (len(started), len(refused)) == (1, 9)
    other = jobs.start("sort", "S", until_stopped)
    assert other.state == "running"
    jobs.stop_all(10)
    assert {one.state for one in jobs.listed()} == {"stopped"}
    again = jobs.start("evaluate", "E", lambda progress: None)
    assert again.wait(10)


def test_the_last_ones_are_kept_and_running_ones_always() -> None:
    jobs = Jobs()
    running = jobs.start("long", "L", until_stopped)
    for _ in range(120):
        assert jobs.start("short", "S", lambda progress: None).wait(10)
    numbers = [one.id for one in jobs.listed()]
    assert len(numbers) < 5
    assert numbers[-1] == 121
    assert jobs.find(running.id) is running
    assert jobs.find(2) is None
    jobs.stop_all(10)


def test_one_that_does_not_listen_is_not_waited_for() -> None:
    jobs, end = Jobs(), threading.Event()
    job = jobs.start("deaf", "D", lambda progress: end.wait(60))
    jobs.stop_all(0.05)
    assert (job.state, job.stopping) == ("running", True)
    end.set()
    assert job.wait(10)


def test_a_result_is_sent_to_who_asks_for_it(serve: Serve) -> None:
    """All tabs ask for the state all the time: what a job gave does not come with each."""
    with serve(photos=None) as app:
        job = app.space.jobs.start("a", "A", lambda progress: {"found": ["x" * 100_000]})
        assert job.wait(10)
        [told] = [one for one in app.good("/api/state")["jobs"] if one["id"] == job.id]
        assert told["state"] == "done"
        assert "result" not in told
        assert app.good(f"/api/jobs/result?id={job.id}") == {
            **told, "result": {"found": ["x" * 100_000]},
        }  # fmt: skip
        for other in ("", "?id=", "?id=9", "?id=-1", "?id=x", "?id=%C2%B2", f"?id={'9' * 5000}"):
            assert app.ask(f"/api/jobs/result{other}")[0] == 404
