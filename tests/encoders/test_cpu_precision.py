import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cupl.encoders import cpu_precision
from cupl.encoders.cpu_precision import faster, measured, processor
from cupl.encoders.device import check_precision, resolve_precision
from cupl.encoders.loading import load_encoder
from cupl.errors import InputError, MissingFileError
from cupl.io import paths
from tests.models import save_clip

CPU = torch.device("cpu")
FLOAT32, BFLOAT16 = torch.float32, torch.bfloat16


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many times it was tried; bfloat16 is twice as fast here."""
    tries: list[int] = []

    def fake() -> dict[torch.dtype, list[float]]:
        tries.append(1)
        return {FLOAT32: [2.0], BFLOAT16: [1.0]}

    monkeypatch.delenv("CUPL_PRECISION")
    monkeypatch.setattr(cpu_precision, "measured", fake)
    cpu_precision._looked_up.cache_clear()
    return tries


@pytest.mark.parametrize(
    ("float32", "bfloat16", "expected"),
    [
        ([2.0, 2.1], [1.0, 1.1], "bfloat16"),
        ([1.3], [1.0], "bfloat16"),
        ([1.29], [1.0], "float32"),
        ([1.0], [4.0], "float32"),
        # What else runs on a machine adds to some rounds, and to the others nothing.
        ([9.0, 1.0], [1.0, 1.0], "float32"),
        ([2.0, 2.0], [9.0, 1.0], "bfloat16"),
    ],
)
def test_the_faster_by_enough(float32: list[float], bfloat16: list[float], expected: str) -> None:
    assert faster({FLOAT32: float32, BFLOAT16: bfloat16}) == expected


def test_a_layer_is_timed_in_both_in_turn() -> None:
    torch.manual_seed(1)
    chance = torch.get_rng_state()
    times = measured()
    assert list(times) == [FLOAT32, BFLOAT16]
    assert len(times[FLOAT32]) == len(times[BFLOAT16])
    assert min(times[FLOAT32] + times[BFLOAT16]) > 0
    assert torch.equal(torch.get_rng_state(), chance)


def test_it_is_tried_once_and_kept(probes: list[int]) -> None:
    assert resolve_precision("auto", CPU) == BFLOAT16
    (kept,) = (paths.cache_dir() / "precision").iterdir()
    assert kept.read_text() == "bfloat16"
    kept.write_text("float32")  # as another process may have found
    assert resolve_precision("auto", CPU) == BFLOAT16
    cpu_precision._looked_up.cache_clear()
    assert resolve_precision("auto", CPU) == FLOAT32
    assert len(probes) == 1


def test_what_is_kept_is_of_a_processor_and_its_threads(
    probes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_precision("auto", CPU)
    for name, value in (("processor", lambda: "another"), ("_PROBE", "2")):
        monkeypatch.setattr(cpu_precision, name, value)
        cpu_precision._looked_up.cache_clear()
        resolve_precision("auto", CPU)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    resolve_precision("auto", CPU)
    assert len(probes) == 4


@pytest.mark.parametrize("content", [b"", b"float16", b"bfloat16\n", b"\xff", b"x" * 10_000])
def test_what_is_kept_and_damaged_is_made_again(probes: list[int], content: bytes) -> None:
    resolve_precision("auto", CPU)
    (kept,) = (paths.cache_dir() / "precision").iterdir()
    kept.write_bytes(content)
    cpu_precision._looked_up.cache_clear()
    assert resolve_precision("auto", CPU) == BFLOAT16
    assert kept.read_text() == "bfloat16"
    assert len(probes) == 2


def test_a_cache_that_cannot_be_written_costs_only_time(
    probes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CUPL_CACHE", str(tmp_path / "file"))
    assert resolve_precision("auto", CPU) == BFLOAT16
    assert len(probes) == 1


def test_what_cannot_be_tried_is_float32(
    probes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> dict[torch.dtype, list[float]]:
        raise RuntimeError("no bfloat16 here")

    monkeypatch.setattr(cpu_precision, "measured", refuse)
    assert resolve_precision("auto", CPU) == FLOAT32


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_a_precision_that_is_named_is_not_tried(probes: list[int], name: str) -> None:
    assert resolve_precision(name, CPU) == getattr(torch, name)
    assert not probes


def test_nor_for_mini(probes: list[int]) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    assert load_encoder("mini").precision == "float32"
    assert not probes


def test_nor_for_a_gpu_or_a_model_that_is_not_there(
    probes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert resolve_precision("auto", torch.device("cuda")) == BFLOAT16
    with pytest.raises(MissingFileError):
        load_encoder("/nowhere/model")
    assert not probes


def test_an_encoder_says_what_was_chosen(probes: list[int], tmp_path: Path) -> None:
    model = save_clip(tmp_path / "clip")
    encoder = load_encoder(model)
    assert encoder.precision == "bfloat16"
    exact = load_encoder(model, precision="float32")
    texts = ["a photo of a cat", "a small dog with a large tree", "the frog"]
    cosines = torch.nn.functional.cosine_similarity(
        encoder.encode_text(texts), exact.encode_text(texts)
    )
    assert 0.999 < cosines.min() < 1


@pytest.mark.usefixtures("probes")
def test_the_environment_may_say_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUPL_PRECISION", "float16")
    assert resolve_precision("auto", CPU) == torch.float16
    assert resolve_precision("bfloat16", CPU) == BFLOAT16
    monkeypatch.setenv("CUPL_PRECISION", "half")
    with pytest.raises(InputError, match="CUPL_PRECISION is 'half'"):
        check_precision("auto", CPU)


def test_a_processor_has_a_name_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.search("flags|Features", processor()) or not Path("/proc/cpuinfo").exists()

    def gone(*arguments: object) -> str:
        raise FileNotFoundError

    real: Callable[..., str] = Path.read_text
    monkeypatch.setattr(Path, "read_text", gone)
    assert processor().strip()
    monkeypatch.setattr(Path, "read_text", real)
