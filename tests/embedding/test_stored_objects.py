import io
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import torch
from PIL import Image

from cupl.embedding import remote_stores
from cupl.embedding.image_errors import NO_FILE, may_pass
from cupl.embedding.image_files import find_images
from cupl.embedding.image_retries import LOST_IN_A_ROW
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_stream import encode_sources
from cupl.embedding.image_vectors import load_embeddings
from cupl.embedding.images import open_image, read_image
from cupl.embedding.left_out import LeftOut
from cupl.embedding.store_faults import (
    BROKEN_OFF,
    BUSY,
    KEYS_REFUSED,
    LATE,
    NO_ACCESS,
    NO_BUCKET,
    NO_KEYS,
    OUT_OF_REACH,
)
from cupl.errors import CuplError, InputError, MissingFileError, MissingPackageError, ServerError
from tests.embedding.conftest import COLORS
from tests.models import HandMadeEncoder
from tests.s3_faults import KINDS, FailingStore, failing_store

SECRET = "not-to-be-shown"


@cache
def client(address: str) -> Any:
    """One that nothing of is under test."""
    keys = {"aws_access_key_id": "nobody", "aws_secret_access_key": SECRET}
    return botocore.session.get_session().create_client(
        "s3", endpoint_url=address, region_name="us-east-1", **keys
    )


def put(url: str, content: bytes) -> None:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    client(os.environ["AWS_ENDPOINT_URL"]).put_object(Bucket=bucket, Key=key, Body=content)


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def bucket(s3_bucket: str, photos: Path) -> str:
    """The twenty photos in a bucket, two of them damaged."""
    for path in photos.iterdir():
        put(f"{s3_bucket}/in/{path.name}", path.read_bytes())
    return f"{s3_bucket}/in"


@pytest.fixture(scope="module")
def one_that_fails() -> Iterator[FailingStore]:
    with failing_store() as store:
        buffer = io.BytesIO()
        Image.new("RGB", (9, 7), COLORS[3]).save(buffer, "PNG")
        store.content = buffer.getvalue()
        yield store


@pytest.fixture
def failing(one_that_fails: FailingStore, monkeypatch: pytest.MonkeyPatch) -> FailingStore:
    """It is asked once, as trying again takes time."""
    one_that_fails.faults.clear()
    one_that_fails.asked.clear()
    for name, value in {
        "AWS_ENDPOINT_URL_S3": one_that_fails.address, "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": SECRET,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote_stores, "_TRIES", 1)
    config = remote_stores._S3_OPTIONS["config_kwargs"]
    monkeypatch.setitem(config, "retries", {"total_max_attempts": 1})
    return one_that_fails


def told(do: Callable[[], object]) -> CuplError:
    with pytest.raises(CuplError) as caught:
        do()
    return caught.value


@pytest.mark.parametrize("end", ["", "/", "/*.png", "/**"])
def test_a_prefix_gives_the_vectors_of_the_folder_to_the_last_bit(
    bucket: str, photos: Path, encoder: HandMadeEncoder, tmp_path: Path, end: str
) -> None:
    embed_images(bucket + end, encoder, tmp_path / "remote", shard_size=8)
    embed_images(photos, encoder, tmp_path / "local", shard_size=8)
    for there, here in zip(
        load_embeddings(tmp_path / "remote"), load_embeddings(tmp_path / "local"), strict=True
    ):
        assert there.paths == [f"{bucket}/{Path(path).name}" for path in here.paths]
        assert there.errors == here.errors
        assert torch.equal(there.vectors, here.vectors)


def test_names_that_are_no_photos_are_left_out_as_in_folders(s3_bucket: str) -> None:
    names = ["b.jpg", "a/x.JPG", "a/.hidden.jpg", ".git/c.jpg", "a/@eaDir/d.jpg", "a/._x.jpg",
             "notes.txt", "a/", "nothing", "photo.xcf"]  # fmt: skip
    for name in names:
        put(f"{s3_bucket}/{name}", b"x")
    left = LeftOut()
    found = find_images(f"{s3_bucket}/", left_out=left)
    assert found == [f"{s3_bucket}/a/x.JPG", f"{s3_bucket}/b.jpg"]
    assert left.junk == {".git": 1, "@eaDir": 1, "._*": 1}
    assert left.images == {".xcf": 1}


def test_all_files_opens_what_its_name_does_not_tell(bucket: str, photos: Path) -> None:
    put(f"{bucket}/nameless", (photos / "00.png").read_bytes())
    put(f"{bucket}/text", b"text")
    assert f"{bucket}/nameless" not in find_images(bucket)
    found = find_images(bucket, all_files=True)
    assert f"{bucket}/nameless" in found
    assert f"{bucket}/text" not in found


def test_patterns_match_as_on_disk(s3_bucket: str) -> None:
    for name in ["a1.jpg", "a2.png", "sub/a3.jpg", "sub/deep/a4.jpg", "b[1].jpg"]:
        put(f"{s3_bucket}/{name}", b"x")

    def found(pattern: str) -> list[str]:
        return [one.removeprefix(f"{s3_bucket}/") for one in find_images(f"{s3_bucket}/{pattern}")]

    assert found("*.jpg") == ["a1.jpg", "b[1].jpg"]
    assert found("a?.*") == ["a1.jpg", "a2.png"]
    assert found("*/a3.jpg") == ["sub/a3.jpg"]
    assert found("**/a[34].jpg") == ["sub/a3.jpg", "sub/deep/a4.jpg"]
    with pytest.raises(CuplError, match=r"no image"):
        found("none*.jpg")


def test_an_object_is_read_by_one_request(failing: FailingStore) -> None:
    url = "s3://bucket/a.png"
    assert open_image(url).getpixel((0, 0)) == COLORS[3]
    assert failing.asked == {"a.png": 1}
    assert pickle.loads(pickle.dumps(find_images(url))) == [url]  # noqa: S301


def test_threads_read_at_once(failing: FailingStore) -> None:
    errors: list[BaseException] = []

    def read(number: int) -> None:
        try:
            read_image(f"s3://bucket/{number}.png")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=read, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert failing.asked.total() == 16


WHY = {
    "SlowDown": BUSY, "InternalError": BUSY, "no-xml": BUSY, "AccessDenied": NO_ACCESS,
    "InvalidAccessKeyId": KEYS_REFUSED, "SignatureDoesNotMatch": KEYS_REFUSED,
    "ExpiredToken": KEYS_REFUSED, "NoSuchKey": NO_FILE, "NoSuchBucket": NO_BUCKET,
    "reset": BROKEN_OFF, "cut-off": BROKEN_OFF, "hang": LATE,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_store_does_is_told_from_what_is_wrong_with_an_image(
    kind: str, failing: FailingStore, encoder: HandMadeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "hang":
        monkeypatch.setenv("AWS_OTHER", "another client")
        monkeypatch.setitem(remote_stores._S3_OPTIONS["config_kwargs"], "read_timeout", 0.1)
    failing.faults["bad.png"] = kind
    good, bad = encode_sources(["s3://bucket/good.png", "s3://bucket/bad.png"], encoder)
    assert good.error is None
    assert bad.error is not None
    assert WHY[kind] in bad.error
    assert may_pass(bad.error)
    assert SECRET not in bad.error
    assert "Signature=" not in bad.error
    assert failing.asked["bad.png"] <= 4


def test_a_store_that_is_busy_is_asked_a_few_times(
    one_that_fails: FailingStore, failing: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_OTHER", "one that tries again")
    monkeypatch.setattr(remote_stores, "_TRIES", 2)
    failing.faults["bad.png"] = "SlowDown"
    assert BUSY in str(told(lambda: read_image("s3://bucket/bad.png")))
    assert 2 <= failing.asked["bad.png"] <= 8


@pytest.mark.parametrize("kind", ["SlowDown", "NoSuchKey", "cut-off"])
def test_a_resumed_run_reads_what_could_not_be_read(
    kind: str, failing: FailingStore, encoder: HandMadeEncoder, tmp_path: Path
) -> None:
    paths = [f"s3://bucket/{i}.png" for i in range(6)]
    embed_images(paths, encoder, tmp_path / "whole", shard_size=4)
    failing.faults["2.png"] = kind
    tally = embed_images(paths, encoder, tmp_path / "out", shard_size=4)
    assert (tally.failed, tally.may_pass) == (1, 1)
    failing.faults.clear()
    tally = embed_images(paths, encoder, tmp_path / "out", shard_size=4, resume=True)
    assert tally.failed == 0
    whole = {file.name: file.read_bytes() for file in (tmp_path / "whole").iterdir()}
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == whole


def test_a_store_that_is_gone_stops_the_run(
    failing: FailingStore, encoder: HandMadeEncoder, tmp_path: Path
) -> None:
    paths = [f"s3://bucket/{i}.png" for i in range(LOST_IN_A_ROW + 20)]
    failing.faults = {f"{i}.png": "AccessDenied" for i in range(len(paths))}
    with pytest.raises(InputError, match="as if their drive was gone"):
        embed_images(paths, encoder, tmp_path / "out")


def test_a_huge_object_is_not_read_whole(
    failing: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cupl.embedding import image_ownership, stored_objects

    for module in (image_ownership, stored_objects):
        monkeypatch.setattr(module, "MAX_FILE_BYTES", len(failing.content) - 1)
    assert "larger than" in str(told(lambda: read_image("s3://bucket/a.png")))


def test_an_empty_object_is_no_image(s3_bucket: str) -> None:
    put(f"{s3_bucket}/a.png", b"")
    error = told(lambda: read_image(f"{s3_bucket}/a.png"))
    assert str(error) == "the file is empty"
    assert not may_pass(str(error))


@pytest.mark.parametrize("end", ["", "/", "/a.jpg", "/*.jpg", "/**/*.jpg"])
def test_a_bucket_that_is_not_there_is_told_at_once(s3_bucket: str, end: str) -> None:
    error = told(lambda: find_images(f"s3://nobodys-bucket{end}"))
    assert isinstance(error, MissingFileError)
    assert NO_BUCKET in str(error)


@pytest.mark.parametrize("end", ["/", "/a.jpg", "/*.jpg"])
def test_without_keys_it_is_told_at_once(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = told(lambda: find_images(s3_bucket + end))
    assert isinstance(error, ServerError)
    assert NO_KEYS in str(error)


def test_public_data_needs_no_keys(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    from fsspec.config import conf, set_conf_env

    monkeypatch.setenv("FSSPEC_S3_ANON", "true")
    before = dict(conf)
    try:
        set_conf_env(conf)  # as it is read when fsspec is imported
        assert len(find_images(f"{bucket}/")) == 20
    finally:
        conf.clear()
        conf.update(before)


@pytest.mark.parametrize("end", ["/", "/a.jpg"])
def test_a_store_that_is_away_is_told_at_once(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    error = told(lambda: find_images(s3_bucket + end))
    assert isinstance(error, ServerError)
    assert OUT_OF_REACH in str(error)


@pytest.mark.parametrize(
    "url",
    [
        f"s3://key:{SECRET}@photos/a.jpg",
        f"s3://{SECRET}@photos/a.jpg",
        f"s3://key:{SECRET}@photos/*.tar",
        f"https://photos.example/a.jpg?X-Amz-Signature={SECRET}",
        f"s3://photos/a.jpg?X-Amz-Signature={SECRET}",
        f"az://photos/a.jpg?sv=1&sig={SECRET}",
    ],
)
def test_keys_in_urls_are_refused_and_not_shown(url: str) -> None:
    for reading in (find_images, lambda one: find_images([one, "b.jpg"])):
        error = told(lambda reading=reading: reading(url))  # type: ignore[misc]
        assert isinstance(error, InputError)
        assert "into the environment" in str(error)
        assert SECRET not in str(error)
    assert SECRET not in str(told(lambda: read_image(url)))


def test_the_account_of_a_container_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "abfss://photos@account.dfs.core.windows.net/a/"
    assert remote_stores.without_keys(url) == url
    remote_stores.check_keyless(url)


@pytest.mark.parametrize(("url", "extra"), [("gs://b/a.jpg", "gs"), ("az://b/", "az")])
def test_what_is_not_installed_is_named(url: str, extra: str) -> None:
    error = told(lambda: find_images(url))
    assert isinstance(error, MissingPackageError)
    assert f"pip install 'cupl[{extra}]'" in str(error)


@pytest.mark.parametrize("url", ["s3://", "s3:///a.jpg"])
def test_a_url_without_a_bucket_is_refused(url: str) -> None:
    assert "names no bucket" in str(told(lambda: find_images(url)))


def test_memory_and_the_web_are_no_stores() -> None:
    for url in ("memory://a.jpg", "https://photos.example/a.jpg", "ftp://photos.example/a.jpg"):
        assert find_images(url) == [url]
        assert "this is a URL" in str(told(lambda url=url: read_image(url)))  # type: ignore[misc]
