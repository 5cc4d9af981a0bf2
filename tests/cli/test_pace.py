import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.cli import output
from cupl.cli.output import progress
from cupl.cli.pace import Pace, duration


class Watched:
    """A pace whose clock is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told = list[str]()
        self.pace = Pace("prompts", self.told.append, lambda: self.now)

    def at(self, seconds: float, done: int, total: int) -> list[str]:
        self.now = 100 + seconds
        self.pace.update(done, total)
        return self.told


def test_long_work_is_told_once_as_soon_as_the_pace_is_known() -> None:
    watched = Watched()
    assert watched.at(0, 0, 20_296) == []
    assert watched.at(1, 50, 20_296) == []
    assert watched.at(2, 75, 20_296) == []
    line = "20,146 prompts to go, about 7 min"
    assert watched.at(3, 150, 20_296) == [line]
    assert watched.at(200, 160, 20_296) == [line]


def test_the_start_of_a_server_is_not_in_the_pace() -> None:
    watched = Watched()
    for second, done in ((0, 0), (30, 1), (33, 2), (36, 3)):
        assert watched.at(second, done, 90) == []
    assert watched.at(39, 4, 90) == ["86 prompts to go, about 4 min"]


def test_one_that_is_slow_is_no_pace() -> None:
    watched = Watched()
    for second, done in ((0, 0), (1, 1), (41, 2), (42, 3), (43, 4), (44, 5)):
        watched.at(second, done, 6)
    assert watched.told == []


def test_what_the_cache_has_is_no_work() -> None:
    watched = Watched()
    watched.at(0, 10_000, 20_000)
    watched.at(5, 10_050, 20_000)
    assert watched.at(15, 10_150, 20_000) == ["9,850 prompts to go, about 16 min"]


def test_short_work_and_work_without_an_end_are_not_told() -> None:
    watched = Watched()
    for second in range(50):
        assert watched.at(second, second * 10, 600) == []
    watched = Watched()
    for second in range(500):
        assert watched.at(second, second, 0) == []


def test_work_that_turns_out_long_is_told_when_it_does() -> None:
    watched = Watched()
    watched.at(0, 0, 1000)
    assert watched.at(10, 500, 1000) == []
    assert watched.at(100, 550, 1000) == ["450 prompts to go, about 14 min"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(60, "1 min"), (89, "1 min"), (540, "9 min"), (3540, "59 min"), (3590, "1 h"),
     (7800, "2 h 10 min"), (36_100, "10 h"), (90_100, "25 h")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(seconds=st.floats(60, 1e6))
def test_a_duration_is_near_what_it_says(seconds: float) -> None:
    words = duration(seconds).replace(",", "").split()
    said = sum(
        int(number) * {"min": 60, "h": 3600}[unit]
        for number, unit in zip(words[::2], words[1::2], strict=True)
    )
    assert abs(said - seconds) <= max(30, seconds / 100)


def test_without_a_terminal_the_line_comes_before_the_tenths(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 5.0, 8.0, 9.0])
    monkeypatch.setattr(output, "Pace", lambda label, tell: Pace(label, tell, lambda: next(times)))
    with progress("images") as update:
        for done in (0, 10, 30, 200):
            update(done, 1000)
    assert capsys.readouterr().err.splitlines() == [
        "970 images to go, about 2 min", "images: 200 of 1000",
    ]  # fmt: skip
