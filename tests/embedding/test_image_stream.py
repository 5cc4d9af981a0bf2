import io
import itertools
import math
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cupl.embedding.image_sources import ImageSource
from cupl.embedding.image_stream import Encoded, encode_sources
from cupl.encoders.loading import load_encoder
from cupl.errors import InputError
from tests.models import HandMadeEncoder, save_clip

COLORS = {(shade, 0, 0): [1.0, float(shade), 0.0] for shade in range(200)}
ZERO, NAN, INFINITE, ODD = (0, 1, 0), (0, 2, 0), (0, 3, 0), (0, 4, 0)
VECTORS = {**COLORS, ZERO: [0.0] * 3, NAN: [math.nan, 1.0, 1.0], INFINITE: [math.inf, 1.0, 1.0]}
WAIT = 60


def encoder_of(batch: int = 4) -> HandMadeEncoder:
    encoder = HandMadeEncoder(images=VECTORS)
    encoder.image_batch = batch
    return encoder


def photo(color: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (3, 2), color)


def shades(number: int) -> Iterator[Image.Image]:
    return (photo((shade, 0, 0)) for shade in range(number))


def png(color: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    photo(color).save(buffer, "png")
    return buffer.getvalue()


def jpeg(color: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(buffer, "jpeg")
    return buffer.getvalue()


def own_threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("cupl-images")]


def shade_of(encoded: Encoded) -> int:
    assert encoded.vector is not None
    return int(encoded.vector[1])


KINDS: list[tuple[ImageSource, str | None]] = [
    (png(ZERO), "the image vector is zero or not finite"),
    (png(NAN), "the image vector is zero or not finite"),
    (png(INFINITE), "the image vector is zero or not finite"),
    (png(ODD), "the image cannot be encoded: no vector for the pixel (0, 4, 0)"),
    (jpeg((5, 0, 0))[:-9], "the image is damaged or cut off"),
    (b"", "the file is empty"),
    ("gone.png", "there is no such file"),
]
mixes = st.lists(
    st.sampled_from(KINDS)
    | st.integers(0, 199).map(lambda shade: (photo((shade, 0, 0)), None))
    | st.integers(0, 199).map(lambda shade: (png((shade, 0, 0)), None)),
    max_size=30,
)


@given(mixes, st.integers(1, 7), st.none() | st.integers(1, 5))
def test_any_mix_keeps_its_order_and_its_errors(
    mix: list[tuple[ImageSource, str | None]], batch: int, workers: int | None
) -> None:
    sources = [source for source, _ in mix]
    found = list(encode_sources(iter(sources), encoder_of(batch), workers))
    assert [one.error for one in found] == [error for _, error in mix]
    assert [one.path for one in found] == [
        source if isinstance(source, str) else None for source in sources
    ]
    for (source, error), one in zip(mix, found, strict=True):
        if error is not None:
            assert one.vector is None
            continue
        image = source if isinstance(source, Image.Image) else Image.open(io.BytesIO(source))  # type: ignore[arg-type]
        assert shade_of(one) == image.convert("RGB").tobytes()[0]
    assert own_threads() == []


def test_a_slow_image_is_waited_for_and_overtaken_by_none() -> None:
    last = threading.Event()

    class Slow(HandMadeEncoder):
        def prepare(self, image: Image.Image) -> torch.Tensor:
            prepared = super().prepare(image)
            if prepared[0] == 0:
                assert last.wait(WAIT)
            if prepared[0] == 5:
                last.set()
            return prepared

    encoder = Slow(images=VECTORS)
    assert [shade_of(one) for one in encode_sources(shades(6), encoder, 2)] == list(range(6))


def test_threads_prepare_the_next_batch_while_the_model_runs_here() -> None:
    prepared = threading.Event()
    threads: dict[str, set[threading.Thread]] = {"prepare": set(), "encode": set()}

    class Watched(HandMadeEncoder):
        def prepare(self, image: Image.Image) -> torch.Tensor:
            threads["prepare"].add(threading.current_thread())
            shade = super().prepare(image)
            if shade[0] == 4:
                prepared.set()
            return shade

        def encode_prepared(self, images: torch.Tensor) -> torch.Tensor:
            threads["encode"].add(threading.current_thread())
            assert prepared.wait(WAIT)  # of an image of the next batch
            return super().encode_prepared(images)

    encoder = Watched(images=VECTORS)
    encoder.image_batch = 4
    assert len(list(encode_sources(shades(6), encoder, 1))) == 6
    assert threads["encode"] == {threading.current_thread()}
    assert threading.current_thread() not in threads["prepare"]
    assert encoder.image_calls == [4, 2]


@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (4, 2), (3, 8)])
def test_two_batches_and_an_image_a_worker_are_held(batch: int, workers: int) -> None:
    window = 2 * batch + workers
    alive: set[int] = set()
    most, read, yielded = 0, 0, 0
    lock = threading.Lock()
    numbers = itertools.count()

    class Counting(HandMadeEncoder):
        def prepare(self, image: Image.Image) -> torch.Tensor:
            nonlocal most
            prepared = super().prepare(image)
            with lock:
                number = next(numbers)
                alive.add(number)
                most = max(most, len(alive))
            weakref.finalize(prepared, alive.discard, number)
            return prepared

    def sources() -> Iterator[Image.Image]:
        nonlocal read
        for read in range(1, 201):
            assert read - yielded <= window
            yield photo((read - 1, 0, 0))

    encoder = Counting(images=VECTORS)
    encoder.image_batch = batch
    for one in encode_sources(sources(), encoder, workers):
        assert shade_of(one) == yielded
        yielded += 1
    assert yielded == 200
    assert batch < most <= window
    assert alive == set()


def test_nothing_is_read_before_it_is_asked_for() -> None:
    sources = shades(3)
    encode_sources(sources, encoder_of())
    assert len(list(sources)) == 3


@pytest.mark.parametrize("number", [0, 1, 4, 5])
def test_a_short_last_batch(number: int) -> None:
    encoder = encoder_of(4)
    found = list(encode_sources(shades(number), encoder))
    assert [shade_of(one) for one in found] == list(range(number))
    assert encoder.image_calls == [[], [1], [], [], [4], [4, 1]][number]


def test_closing_early_stops_the_threads_and_the_reading() -> None:
    numbers = itertools.count()
    endless = (photo((number % 200, 0, 0)) for number in numbers)
    results = encode_sources(endless, encoder_of(4), 2)
    assert shade_of(next(results)) == 0
    assert own_threads()
    results.close()
    assert own_threads() == []
    assert next(numbers) <= 2 * 4 + 2


def _read_error() -> Iterator[Image.Image]:
    yield from shades(20)
    raise OSError("the list ends here")


def _interrupted() -> Iterator[Image.Image]:
    yield from shades(20)
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("sources", "error"), [(_read_error, OSError), (_interrupted, KeyboardInterrupt)]
)
def test_an_error_in_the_list_leaves_no_thread(
    sources: Callable[[], Iterator[Image.Image]], error: type[BaseException]
) -> None:
    with pytest.raises(error):
        list(encode_sources(sources(), encoder_of()))
    assert own_threads() == []


def test_what_is_wrong_with_the_encoder_is_no_image_s_fault() -> None:
    class Full(HandMadeEncoder):
        def encode_prepared(self, images: torch.Tensor) -> torch.Tensor:
            raise InputError("the GPU has too little free memory")

    with pytest.raises(InputError, match="too little free memory"):
        list(encode_sources(shades(9), Full(images=VECTORS)))
    assert own_threads() == []


def test_paths_are_named_and_files_read(tmp_path: Path) -> None:
    good, huge = tmp_path / "good.png", tmp_path / "huge.png"
    good.write_bytes(png((7, 0, 0)))
    Image.new("1", (20_000, 10_000)).save(huge)
    (tmp_path / "wrong.jpg").write_bytes(good.read_bytes())
    (tmp_path / "text.png").write_text("no image")
    names = ["good.png", "huge.png", "wrong.jpg", "text.png", "gone.png"]
    paths: list[ImageSource] = [tmp_path / name for name in names]
    found = list(encode_sources(paths, encoder_of()))
    assert [one.path for one in found] == list(map(str, paths))
    assert [shade_of(found[0]), shade_of(found[2])] == [7, 7]
    assert found[1].error == "the image has more pixels than Pillow agrees to decode"
    assert "not an image" in str(found[3].error)
    assert found[4].error == "there is no such file"


def test_vectors_are_those_of_one_image_at_a_time(tmp_path: Path) -> None:
    clip = load_encoder(str(save_clip(tmp_path / "clip")), "cpu", batch_size=4)
    images = [Image.effect_noise((60 + size, 90), 80).convert("RGB") for size in range(10)]
    expected = torch.cat([clip.encode_images([image]) for image in images])
    found = [one.vector for one in encode_sources(images, clip, 3)]
    assert torch.allclose(torch.stack([v for v in found if v is not None]), expected, atol=1e-5)


def test_a_large_jpeg_is_not_decoded_at_its_full_size() -> None:
    class Sizes(HandMadeEncoder):
        def prepare(self, image: Image.Image) -> torch.Tensor:
            return torch.tensor(image.size, dtype=torch.float32)

        def encode_prepared(self, images: torch.Tensor) -> torch.Tensor:
            return images

    encoder = Sizes(images={(0, 0, 0): [1, 1]})
    encoder.image_side = 20
    sources = []
    for image_format in ("JPEG", "PNG"):
        buffer = io.BytesIO()
        Image.new("RGB", (400, 300)).save(buffer, image_format)
        sources.append(buffer.getvalue())
    sizes = [
        one.vector.tolist() for one in encode_sources(sources, encoder) if one.vector is not None
    ]
    assert sizes == [[100, 75], [400, 300]]
