import io
import os
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from cupl.bank.labels import ClassLabel
from cupl.errors import InputError
from cupl.evaluation.dataset import read_labelled

LABELS = [ClassLabel("cat"), ClassLabel("dog")]


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    return buffer.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize("labels", [(b"cat", b"dog"), (b"0", b"1"), (b"1", b"2")])
def test_samples_say_their_labels(tmp_path: Path, labels: tuple[bytes, bytes]) -> None:
    for shard, label in enumerate(labels):
        members = {f"{i}.{end}": label if end == "cls" else jpeg()
                   for i in range(3) for end in ("jpg", "cls")}  # fmt: skip
        write_tar(tmp_path / f"val-{shard}.tar", members)
    images = read_labelled(str(tmp_path / "val-{0..1}.tar"), LABELS)
    assert images.targets == [0, 0, 0, 1, 1, 1]
    assert images.paths[3] == f"{tmp_path}/val-1.tar::0.jpg"
    assert read_labelled(tmp_path / "*.tar", LABELS).paths == images.paths


def test_folders_in_a_tar_are_labels_where_samples_have_none(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"cat/1.jpg": jpeg(), "dog/x/2.jpg": jpeg(), "3.jpg": jpeg()})
    images = read_labelled(tmp_path / "a.tar", LABELS)
    assert images.targets == [0, 1]
    assert images.unmatched == {"": 1}


@pytest.mark.parametrize("end", ["/", "", "/*/*.jpg", "/**"])
def test_folders_below_a_prefix_are_labels(s3_bucket: str, end: str) -> None:
    import botocore.session

    client = botocore.session.get_session().create_client("s3")
    bucket, _, root = s3_bucket.removeprefix("s3://").partition("/")
    for key in ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg"):
        client.put_object(Bucket=bucket, Key=f"{root}/val/{key}", Body=jpeg())
    client.close()
    images = read_labelled(f"{s3_bucket}/val{end}", LABELS)
    assert images.targets == [0, 0, 1]
    assert images.source == f"{s3_bucket}/val{end}"


def test_a_path_that_lost_a_slash_is_still_a_url(s3_bucket: str) -> None:
    with pytest.raises(Exception, match="no such bucket"):
        read_labelled(Path("s3://nobodys-bucket/val"), LABELS)


def test_a_file_of_labels_goes_with_vectors(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"cat/1.jpg": jpeg()})
    with pytest.raises(InputError, match="goes with those"):
        read_labelled(os.fspath(tmp_path / "a.tar"), LABELS, tmp_path / "labels.csv")
