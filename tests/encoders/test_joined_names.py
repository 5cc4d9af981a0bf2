"""Names of encoders of two models."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.encoders.joined_names import (
    BRIDGE,
    PAIR,
    JoinedName,
    change_paths,
    is_pinned,
    join_revisions,
    parts_of_name,
    split_name,
    split_revision,
)
from cupl.errors import InputError

NAMES = st.text("abcXYZ0123456789-_./:", min_size=1, max_size=20).filter(
    lambda name: not name.startswith((PAIR, BRIDGE))
)
COMMIT = "0123456789" * 4


@given(kind=st.sampled_from([PAIR, BRIDGE]), image=NAMES, text=NAMES)
def test_a_name_is_divided_into_what_it_was_made_of(kind: str, image: str, text: str) -> None:
    name = JoinedName(kind, image, text)
    assert split_name(str(name)) == name


@pytest.mark.parametrize("name", ["mini", "openai/clip-vit-base-patch32", "/a+b", "open_clip:A/b"])
def test_a_name_of_one_model_is_not_divided(name: str) -> None:
    assert split_name(name) is None
    assert parts_of_name(name) == [name]


def test_a_sign_in_a_folder_divides_nothing(tmp_path: Path) -> None:
    (tmp_path / "a+b").mkdir()
    (tmp_path / "c+d").mkdir()
    left, right = tmp_path / "a+b", tmp_path / "c+d"
    for image, text in [(str(left), "org/text"), ("org/clip", str(right)), (str(left), str(right))]:
        assert split_name(f"{PAIR}{image}+{text}") == (PAIR, image, text)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("pair:a", "it has no '\\+'"),
        ("pair:", "it has no '\\+'"),
        ("pair:a+", "only one model"),
        ("bridge:+b", "only one model"),
        ("pair:a+b+c", "which '\\+' stands between"),
        ("pair:pair:a/b+c", "two models itself"),
    ],
)
def test_what_cannot_be_divided_is_refused(name: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        split_name(name)
    assert parts_of_name(name) == []


def test_two_folders_that_fit_are_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a+b").mkdir()
    Path("b+c").mkdir()
    with pytest.raises(InputError, match="which '\\+' stands between"):
        split_name("pair:a+b+c")


def test_revisions_are_of_both() -> None:
    name = JoinedName(PAIR, "a", "b")
    assert split_revision(name, None) == (None, None)
    for image, text in [(COMMIT, "main"), (None, COMMIT), ("v1", None)]:
        assert split_revision(name, join_revisions(image, text)) == (image, text)
    assert join_revisions(None, None) is None
    for wrong in ("main", "a+b+c"):
        with pytest.raises(InputError, match="the revision is that of both"):
            split_revision(name, wrong)


def test_pinned_is_what_names_only_commits() -> None:
    assert is_pinned(COMMIT)
    assert is_pinned(f"{COMMIT}+{COMMIT}")
    assert is_pinned(f"+{COMMIT}")
    for not_pinned in (None, "main", f"{COMMIT}+main", "+"):
        assert not is_pinned(not_pinned)


def test_paths_are_changed_in_each_model() -> None:
    names = {"pair:/x/a+org/b": "pair:X/a+org/b", "/x/a": "X/a", "mini": "mini"}
    names["pair:open_clip:ViT-B-32//x/a.pt+/x/b"] = "pair:open_clip:ViT-B-32/X/a.pt+X/b"
    for name, changed in names.items():
        assert change_paths(name, lambda path: path.replace("/x", "X")) == changed
