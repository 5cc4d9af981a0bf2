import string
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.errors import InputError
from cupl.index.query import parse_query
from tests.models import draw

Plain = list[tuple[float, str | None, object]]


def parsed(query: str) -> Plain:
    return [(term.weight, term.text, term.image) for term in parse_query(query)]


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("a red bicycle", [(1, "a red bicycle", None)]),
        ("2:retriever + ./pool.jpg - fruit",
         [(2, "retriever", None), (1, None, "./pool.jpg"), (-1, "fruit", None)]),
        ("- fruit", [(-1, "fruit", None)]),
        (" + fruit", [(1, "fruit", None)]),
        ("0.5: dog - .25:cat", [(0.5, "dog", None), (-0.25, "cat", None)]),
        ("a black-and-white dog", [(1, "a black-and-white dog", None)]),
        ("12:30 train", [(1, "12:30 train", None)]),
        ("a 16:9 screen", [(1, "a 16:9 screen", None)]),
        ("C++ and a+b -x", [(1, "C++ and a+b -x", None)]),
        ("note: a dog", [(1, "note: a dog", None)]),
        ('"salt + pepper" - 2:"12:30"', [(1, "salt + pepper", None), (-2, "12:30", None)]),
        ('the "mona lisa" - frame', [(1, 'the "mona lisa"', None), (-1, "frame", None)]),
        ('"mona lisa" painted', [(1, '"mona lisa" painted', None)]),
        ('a 5" pipe', [(1, 'a 5" pipe', None)]),
        (r'"a \"b\" \\ - c"', [(1, r'a "b" \ - c', None)]),
        ('./"IMG - copy.jpg" + /"a + b.png"',
         [(1, None, "./IMG - copy.jpg"), (1, None, "/a + b.png")]),
        ('"./not a photo"', [(1, "./not a photo", None)]),
        ("cat.jpg", [(1, "cat.jpg", None)]),
        ("'; DROP TABLE photos; --", [(1, "'; DROP TABLE photos; --", None)]),
        ("a\0b", [(1, "a\0b", None)]),
    ],
)  # fmt: skip
def test_the_terms_of_a_query(query: str, terms: Plain) -> None:
    assert parsed(query) == terms


def test_an_image_file_that_is_there_is_a_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw(4, 4).save("cat.png")
    Path("dog").mkdir()
    assert parsed("cat.png - dog") == [(1, None, "cat.png"), (-1, "dog", None)]


def test_a_photo_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert parsed("~/a.jpg") == [(1, None, "/home/me/a.jpg")]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "empty"), ("  ", "empty"), ("dog - ", "empty"), ("- ", "empty"), ("2:", "empty"),
        ("dog +  + cat", "empty"), ('" "', "empty"), ("0:dog", "no weight"),
        ("nan:dog", "no weight"), ("1e400:dog", "no weight"), ("cat + -inf: dog", "no weight"),
        ("-2:dog", "no weight"), ("1001:dog", "no weight"), ("9" * 400 + ":dog", "no weight"),
        (" + ".join(["a"] * 1001), "1,000 terms"),
    ],
)  # fmt: skip
def test_what_is_no_query_is_refused_in_a_sentence(query: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_query(query)


@pytest.mark.parametrize("piece", ["9", " ", '"', "\\", '"\\', ": ", " -", ".", "a"])
def test_a_long_query_takes_no_time(piece: str) -> None:
    begun = time.perf_counter()
    try:
        parse_query("a" + piece * 100_000)
        parse_query(piece * 100_000)
    except InputError:
        pass
    assert time.perf_counter() - begun < 2


def written(weight: float, text: str | None, image: object) -> str:
    value = (text or str(image)[2:]).replace("\\", "\\\\").replace('"', '\\"')
    return f'{abs(weight)!r}:{"" if text else "./"}"{value}"'


TEXTS = st.text(min_size=1, max_size=30).filter(str.strip) | st.text(
    string.digits + "+- :\"'\\./a", min_size=1, max_size=12
).filter(str.strip)


@given(st.lists(st.tuples(st.floats(0.001, 1000), st.booleans(), TEXTS, st.booleans()),
                min_size=1, max_size=5))  # fmt: skip
def test_what_is_quoted_comes_back(parts: list[tuple[float, bool, str, bool]]) -> None:
    terms: Plain = [
        (weight if more else -weight, None if photo else value, f"./{value}" if photo else None)
        for weight, photo, value, more in parts
    ]
    texts = [("+ " if term[0] > 0 else "- ") + written(*term) for term in terms]
    assert parsed(" ".join(texts)) == terms


@given(st.text(max_size=60))
def test_any_text_is_terms_or_refused(query: str) -> None:
    try:
        terms = parse_query(query)
    except InputError:
        return
    assert all(term.text or term.image for term in terms)
