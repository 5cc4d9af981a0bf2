import pytest

from cupl.io.words import number_of


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 classes"), (1, "1 class"), (1200, "1,200 classes")]
)
def test_a_number_and_its_noun(number: int, text: str) -> None:
    assert number_of(number, "class", "classes") == text
    assert number_of(number, "prompt").endswith(" prompt") == (number == 1)
