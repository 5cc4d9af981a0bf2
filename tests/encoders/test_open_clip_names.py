import sys
from pathlib import Path

import pytest

from cupl.encoders.names import split_path
from cupl.encoders.open_clip_names import import_open_clip, parse_open_clip_name
from cupl.errors import InputError, MissingFileError, MissingPackageError


def test_every_published_name() -> None:
    for architecture, tag in import_open_clip().list_pretrained():
        assert parse_open_clip_name(f"{architecture}/{tag}") == (architecture, tag)


@pytest.mark.parametrize(
    ("name", "architecture", "tag"),
    [
        ("ViT-B/32/openai", "ViT-B-32", "openai"),
        ("ViT-B-32/laion2b-s34b-B79K", "ViT-B-32", "laion2b_s34b_b79k"),
        ("ViT-B-32/256/datacomp_s34b_b86k", "ViT-B-32-256", "datacomp_s34b_b86k"),
    ],
)
def test_other_spellings(name: str, architecture: str, tag: str) -> None:
    assert parse_open_clip_name(name) == (architecture, tag)


def test_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a@b:c").mkdir()
    file = tmp_path / "a@b:c" / "openai"
    file.write_bytes(b"")
    assert parse_open_clip_name(f"ViT-B-32/{file}") == ("ViT-B-32", file)
    assert parse_open_clip_name(f"ViT-B/32/{file}") == ("ViT-B-32", file)
    assert parse_open_clip_name("RN50/a@b:c/openai") == ("RN50", Path("a@b:c/openai"))


@pytest.mark.parametrize(
    ("name", "said", "way_out"),
    [
        ("ViTB32/laion2b_s34b_b79k", "no architecture", "ViT-B-32/laion2b_s34b_b79k"),
        ("ViT-L/14@336px/openai", "no architecture", "ViT-L-14-336/openai"),
        ("ViT-B-32:laion2b_s34b_b79k", "no architecture", "ViT-B-32/laion2b_s34b_b79k"),
        ("vit-b-32/openai", "no architecture", "ViT-B-32/openai"),
        ("", "no architecture", None),
        ("ViT-B-32/laion2b_s34b", "no weights called 'laion2b_s34b'", "ViT-B-32/laion2b_s34b_b79k"),
        ("ViT-B-32", "is to be named with its weights", None),
        ("ViT-B-32/a\nb", r"no weights called 'a\\nb'", None),
        ("ViT-B-32/" + "x" * 5000, "no weights called", None),
        ("ViT-H-16/openai", "no weights of ViT-H-16 are published", ...),
    ],
)
def test_unknown_names(name: str, said: str, way_out: object) -> None:
    with pytest.raises(InputError, match=said) as caught:
        parse_open_clip_name(name)
    assert len(str(caught.value)) < 500
    offered = caught.value.arguments["encoder"]
    if isinstance(way_out, str):
        assert offered == f"open_clip:{way_out}"
    if way_out is not ...:  # what is offered is right when it is copied
        assert parse_open_clip_name(str(offered).removeprefix("open_clip:"))


@pytest.mark.parametrize("rest", ["mine.safetensors", "../models/epoch_3.pt", "folder/file"])
def test_a_file_that_is_not_there(rest: str) -> None:
    with pytest.raises(MissingFileError, match=f"there is no file '{rest}'"):
        parse_open_clip_name(f"ViT-B-32/{rest}")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'cupl\[open-clip\]'"):
        parse_open_clip_name("ViT-B-32/openai")


def test_paths_in_names() -> None:
    assert split_path("openai/clip") == ("", "openai/clip")
    assert split_path("/models/clip") == ("", "/models/clip")
    assert split_path("open_clip:ViT-B-32/openai") == ("open_clip:ViT-B-32/openai", "")
    assert split_path("open_clip:RN50//a/b.pt") == ("open_clip:RN50/", "/a/b.pt")
    assert split_path("open_clip:/a/b") == ("open_clip:", "/a/b")
    assert split_path("open_clip:hf-hub:a/b") == ("open_clip:hf-hub:a/b", "")
