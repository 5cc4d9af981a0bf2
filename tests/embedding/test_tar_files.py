import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cupl.embedding import stored_objects, tar_files
from cupl.embedding.image_errors import may_pass
from cupl.embedding.image_files import find_images
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_vectors import load_embeddings
from cupl.embedding.images import open_image, read_image
from cupl.embedding.left_out import LeftOut
from cupl.embedding.tar_files import numbered_names, sample_of, tar_and_member, tar_at
from cupl.errors import CuplError, InputError
from tests.embedding.conftest import COLORS
from tests.models import HandMadeEncoder


def png(color: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 7), color).save(buffer, "PNG")
    return buffer.getvalue()


def tar_of(path: Path, members: list[tuple[str, bytes]], format: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=format) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def error_of(do: Callable[[], object]) -> str:
    with pytest.raises(CuplError) as caught:
        do()
    return str(caught.value)


FORMATS = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("format", FORMATS)
def test_what_a_tar_holds_is_encoded_as_files_are(
    format: int, photos: Path, encoder: HandMadeEncoder, tmp_path: Path
) -> None:
    files = sorted(photos.iterdir())
    for half, part in enumerate((files[:11], files[11:])):
        tar_of(tmp_path / f"s-{half:04}.tar", [(f.name, f.read_bytes()) for f in part], format)
    embed_images(str(tmp_path / "s-{0000..0001}.tar"), encoder, tmp_path / "tars", shard_size=8)
    embed_images(photos, encoder, tmp_path / "files", shard_size=8)
    for one, other in zip(
        load_embeddings(tmp_path / "tars"), load_embeddings(tmp_path / "files"), strict=True
    ):
        assert torch.equal(one.vectors, other.vectors)
        assert [path.rpartition("::")[2] for path in one.paths] == [
            Path(path).name for path in other.paths
        ]
    assert find_images(str(tmp_path / "*.tar")) == find_images(str(tmp_path / "s-{0000..0001}.tar"))


def test_what_webdataset_writes_is_read(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as sink:
        for number in range(3):
            sample = {"png": png(COLORS[number]), "cls": number, "json": {"label": "no"}}
            sink.write({"__key__": f"{number:04}", **sample})
    found = find_images(tmp_path / "a.tar")
    assert found == [f"{tmp_path}/a.tar::{number:04}.png" for number in range(3)]
    assert [open_image(path).getpixel((0, 0)) for path in found] == COLORS[:3]
    assert [tar_at(f"{tmp_path}/a.tar").label(f"{number:04}.png") for number in range(3)] == [
        "0", "1", "2",
    ]  # fmt: skip


def test_labels_of_samples(tmp_path: Path) -> None:
    image = png(COLORS[0])
    path = tar_of(
        tmp_path / "a.tar",
        [
            ("a.png", image), ("a.cls", b" cat \n"), ("a.txt", b"a caption"),
            ("b.png", image), ("b.json", b'{"label": "dog"}'),
            ("c.png", image), ("c.json", b"[" * 100_000), ("c.txt", b"newt"),
            ("d.png", image), ("d.cls", b"\xff\xfe"),
            ("e/f.left.png", image), ("e/f.cls", b"7"),
        ],
    )  # fmt: skip
    names = [path.rpartition("::")[2] for path in find_images(path)]
    assert {name: tar_at(str(path)).label(name) for name in names} == {
        "a.png": "cat", "b.png": "dog", "c.png": "newt", "d.png": None, "e/f.left.png": "7",
    }  # fmt: skip


def test_only_plain_images_are_members(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    good = png(COLORS[1])
    with tarfile.open(path, "w") as tar:
        for name, kind in {
            "link.png": tarfile.SYMTYPE, "hard.png": tarfile.LNKTYPE, "pipe.png": tarfile.FIFOTYPE,
            "device.png": tarfile.CHRTYPE, "folder.png": tarfile.DIRTYPE,
        }.items():  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        for name in ["/abs.png", "../../up.png", "._junk.png", ".hidden/x.png", "a.txt", "é.png",
                     "n" * 200 + ".png", "twice.png", "twice.png"]:  # fmt: skip
            info = tarfile.TarInfo(name)
            info.size = len(good)
            tar.addfile(info, io.BytesIO(good))
    left = LeftOut()
    found = find_images(path, left_out=left)
    assert [one.rpartition("::")[2] for one in found] == [
        "/abs.png", "../../up.png", "é.png", "n" * 200 + ".png", "twice.png",
    ]  # fmt: skip
    assert all(open_image(one).getpixel((0, 0)) == COLORS[1] for one in found)
    assert left.images == {"of a name twice": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["a.tar"]


def test_a_tar_that_is_cut_off_gives_what_is_whole(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", [(f"{i}.png", png(COLORS[i]) * 40) for i in range(3)])
    content = path.read_bytes()
    path.write_bytes(content[: tar_at(str(path))._find("2.png").start + 100])
    left = LeftOut()
    found = find_images(path, left_out=left)
    assert [one[-5:] for one in found] == ["0.png", "1.png", "2.png"]
    assert len(left.closed) == 1
    assert "cut off" in left.closed[0]
    read_image(found[1])
    assert "cut off" in error_of(lambda: read_image(found[2]))


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100, b"\x1f\x8b" + b"x" * 2000])
def test_what_is_no_tar_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    assert "a.tar" in error_of(lambda: find_images(tmp_path / "a.tar"))


def test_a_header_that_asks_for_the_memory_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 2**33
    path = tmp_path / "a.tar"
    path.write_bytes(info.tobuf() + b"\0" * 2048)
    assert "no tar" in error_of(lambda: find_images(path))


def test_a_tar_that_has_changed_gives_no_wrong_image(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", [(f"{i}.png", png(COLORS[i])) for i in range(3)])
    tar = tar_at(str(path))
    names = list(tar.names())
    tar_of(path, [("other.png", png(COLORS[7]) * 9), ("1.png", png(COLORS[9]))])
    error = error_of(lambda: tar.read(names[1]))
    assert "has changed" in error
    assert may_pass(error)
    assert open_image(f"{path}::1.png").getpixel((0, 0)) == COLORS[9]


def test_a_member_that_is_not_there_may_come(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", [("0.png", png(COLORS[0]))])
    assert may_pass(error_of(lambda: read_image(f"{path}::1.png")))
    assert may_pass(error_of(lambda: read_image(f"{tmp_path}/none.tar::1.png")))


def test_a_member_of_too_many_bytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cupl.embedding import image_ownership

    path = tar_of(tmp_path / "a.tar", [("0.png", png(COLORS[0]))])
    monkeypatch.setattr(image_ownership, "MAX_FILE_BYTES", 10)
    assert "larger than" in error_of(lambda: read_image(f"{path}::0.png"))


def test_a_tar_in_a_store_is_read_in_large_pieces(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import botocore.session

    members = [(f"{i:03}.png", png(COLORS[i % 20])) for i in range(60)]
    path = tar_of(tmp_path / "a.tar", members)
    bucket, _, key = f"{s3_bucket}/a.tar".removeprefix("s3://").partition("/")
    client = botocore.session.get_session().create_client("s3")
    client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    client.close()
    asked = list[tuple[int, int]]()

    def counted(url: str, start: int, end: int) -> bytes:
        asked.append((start, end))
        return stored_objects.read_range(url, start, end)

    monkeypatch.setattr(tar_files, "read_range", counted)
    monkeypatch.setattr(tar_files, "_PIECE", 16 * 1024)
    url = f"{s3_bucket}/a.tar"
    found = find_images(url)
    assert find_images(f"{s3_bucket}/*.tar") == found
    colors = [open_image(one).getpixel((0, 0)) for one in found]
    assert colors == [COLORS[i % 20] for i in range(60)]
    size = path.stat().st_size
    assert len(asked) <= 3 * (size // (16 * 1024) + 1)
    tar_files.opened_tar.cache_clear()
    asked.clear()  # in another process: the members are found on the way
    read_image(found[0])
    assert len(asked) == 1


def test_a_tar_that_has_a_file_s_name_is_that_file(tmp_path: Path) -> None:
    file = tmp_path / "a.tar::b.png"
    file.write_bytes(png(COLORS[4]))
    assert tar_and_member(str(file)) is None
    assert open_image(file).getpixel((0, 0)) == COLORS[4]


def test_numbers_are_written_out() -> None:
    assert numbered_names("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert numbered_names("s3://b/{0..1}/{0..1}.tar") == [
        "s3://b/0/0.tar", "s3://b/0/1.tar", "s3://b/1/0.tar", "s3://b/1/1.tar",
    ]  # fmt: skip
    assert numbered_names("a-{0..3}.jpg") == ["a-{0..3}.jpg"]
    for wrong in ("a-{3..1}.tar", "a-{0..999999}.tar", f"a-{{{'1' * 5000}..2}}.tar"):
        with pytest.raises(InputError):
            numbered_names(wrong)


def test_the_key_of_a_sample() -> None:
    assert [sample_of(name) for name in ("a.jpg", "x.y/a.b.jpg", "a")] == ["a", "x.y/a", "a"]


@given(st.binary(max_size=3000))
def test_any_bytes_are_a_tar_or_none(content: bytes) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.tar"
        good = tar_of(path, [("0.png", png(COLORS[0]))]).read_bytes()
        path.write_bytes(good[:1536] + content)
        try:
            found = find_images(path, left_out=LeftOut())
        except InputError:
            return
        assert found[0].endswith("::0.png")


def test_a_folder_that_is_called_like_a_tar(tmp_path: Path) -> None:
    folder = tmp_path / "my.tar"
    folder.mkdir()
    (folder / "a.png").write_bytes(png(COLORS[0]))
    assert find_images(folder) == find_images([folder]) == [str(folder / "a.png")]
