"""SIGKILL while a model that sees answers: no photo is asked about, and paid for, twice."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.attacks.test_served_kills import kept
from tests.description.seeing_server import SeeingModel, make_photos, serve_seeing
from tests.processes import Limits, run


@pytest.mark.parametrize("output", ["bank.yaml", "captions.csv"])
def test_describe_is_killed_and_goes_on(tmp_path: Path, times: int, output: str) -> None:
    folder, scratch, model = tmp_path / "w", tmp_path / "scratch", SeeingModel()
    photos = make_photos(tmp_path / "photos", red=3, blue=3)
    made = ["--captions"] if output.endswith(".csv") else ["-o"]
    with serve_seeing(model) as server:
        words: list[object] = ["describe", photos, *made, folder / output, "--model", "m"]
        words += ["--base-url", server.url, "--cache", folder / "cache", "--concurrency", "2"]
        folder.mkdir()
        whole = run(words, scratch, Limits(watched=folder))
        assert whole.code == 0, whole.err
        data, answers = (folder / output).read_bytes(), kept(folder / "cache")
        assert answers == (6 if made == ["--captions"] else 36)
        for kill in range(1, 2 * times + 1):
            shutil.rmtree(folder)
            folder.mkdir()
            (folder / output).write_bytes(b"what a person had there\n")
            at = 1 + whole.changes * kill // (2 * times + 1)
            killed = run(words, scratch, Limits(watched=folder, at=at))
            assert killed.code == -signal.SIGKILL
            assert (folder / output).read_bytes() in (data, b"what a person had there\n"), at
            left = kept(folder / "cache")
            before = model.answers
            again = run(words, scratch)
            assert again.code == 0, (at, again.err)
            assert model.answers - before == answers - left, at
            assert (folder / output).read_bytes() == data, at
            names = {path.name for path in folder.iterdir()}
            assert names == {"cache", output, f"{output}.old"}, at
