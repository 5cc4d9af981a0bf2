import pytest

from cupl.errors import InputError
from cupl.index.where import both, parse_where, where_in


@pytest.mark.parametrize(
    ("text", "lance", "milvus"),
    [
        ("date > '2024'", "date > '2024'", 'date > "2024"'),
        ("label = 'it''s'", "label = 'it''s'", 'label == "it\'s"'),
        ("has(tags, 'a\"b')", "array_has(tags, 'a\"b')", 'array_contains(tags, "a\\"b")'),
        ("width BETWEEN 1 AND -3.5", "(width >= 1 AND width <= -3.5)",
         "(width >= 1 and width <= -3.5)"),
        ("label in ('a', 'b')", "label IN ('a', 'b')", 'label in ["a", "b"]'),
        ("label is not null", "NOT (label IS NULL)", "not (label is null)"),
        ("PATH like '%x%'", "path LIKE '%x%'", 'path like "%x%"'),
        ("date > '2024' -- x", "date > '2024'", 'date > "2024"'),
    ],
)  # fmt: skip
def test_a_condition_in_the_words_of_each_store(text: str, lance: str, milvus: str) -> None:
    assert parse_where(text).lance == f"({lance})"
    assert parse_where(text).milvus == f"({milvus})"


@pytest.mark.parametrize(
    "text",
    [
        "", "a b c", "1 = 1", "nosuch = 1", "width > 'a'", "date > 2024", "select 1",
        "date > '2024'); DROP TABLE photos; --", "label = 'a' UNION SELECT 1", "date > '2' LIMIT 1",
        "exists (select 1)", "label = (select 1)", "(" * 5000,
        "has(label, 'a')", "upper(label) = 'A'",
        "label = 'a", "width = 1 + 1", "photos.width = 1", "x" * 20_000, "has(tags, tags)",
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match="condition"):
        parse_where(text)


def test_conditions_together() -> None:
    first, second = parse_where("width > 1"), where_in("id", ["a'b", 'c"d'])
    assert both(None, None) is None
    assert both(first, None) is first
    joined = both(first, second)
    assert joined is not None
    assert joined.lance == "((width > 1)) AND (id IN ('a''b', 'c\"d'))"
    assert joined.milvus == '((width > 1)) and (id in ["a\'b", "c\\"d"])'
