import os

from hypothesis import given
from hypothesis import strategies as st

from cupl.report.file_names import file_names


def test_names_stay_readable() -> None:
    names = ["openai/clip-vit-base-patch32", "old, top", "Old, top", "..", "a" * 99, "café & Co."]
    assert file_names(names) == [
        "openai-clip-vit-base-patch32", "old-top", "Old-top-2", "unnamed", "a" * 60, "café-Co",
    ]  # fmt: skip


@given(st.lists(st.text(), max_size=8))
def test_no_name_leads_elsewhere_or_is_like_another(names: list[str]) -> None:
    given_names = file_names(names)
    assert len({name.casefold() for name in given_names}) == len(names)
    for name in given_names:
        assert os.path.basename(name) == name  # noqa: PTH119
        assert 0 < len(name.encode()) < 80
        assert not name.startswith(".")
