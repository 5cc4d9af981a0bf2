import pytest

from cupl.errors import InputError
from cupl.index.where import both, parse_where, where_in


@pytest.mark.parametrize(
    ("text", "lance", "milvus"),
    [
        ("date > '2024'", "date > '2024'", 'date > "2024"'),
        ("label = 'it''s'", "label = 'it''s'", 'label == "it\'s"'),
        ("has(tags, 'a\"b')", "array_has(tags, 'a\"b')", 'array_contains(tags, "a\\"b")'),
        ("width BETWEEN 1e3 AND -3", "(width >= 1000 AND width <= -3)",
         "(width >= 1000 and width <= -3)"),
        ("not latitude BETWEEN -1 AND 2.5", "(latitude < -1.0 OR latitude > 2.5)",
         "(latitude < -1.0 or latitude > 2.5)"),
        ("label in ('a', 'b')", "label IN ('a', 'b')", 'label in ["a", "b"]'),
        ("label is not null", "label IS NOT NULL", "label is not null"),
        ("NOT (width > 1 OR label = 'a')", "(width <= 1 AND label != 'a')",
         '(width <= 1 and label != "a")'),
        ("label NOT IN ('a')", "(label NOT IN ('a') AND label IS NOT NULL)",
         '(label not in ["a"] and label is not null)'),
        (r"path LIKE 'a\_\b'", r"path LIKE 'a\_\\b'", r'path like "a\\_\\\\b"'),
        ("probability >= 0.1", "probability >= 0.10000000149011612",
         "probability >= 0.10000000149011612"),
        ("date BETWEEN '2023-07' AND '2023-07-14 16:05'",
         "(date >= '2023-07' AND date <= '2023-07-14 16:05')",
         '(date >= "2023-07" and date <= "2023-07-14 16:05")'),
        ("path NOT LIKE '%x%'", "(NOT (path LIKE '%x%') AND path IS NOT NULL)",
         '(not (path like "%x%") and path is not null)'),
        ("NOT path NOT LIKE '%x%'", "path LIKE '%x%'", 'path like "%x%"'),
        ("date like '%-07-%'", "date LIKE '%-07-%'", 'date like "%-07-%"'),
        ("PATH like '%x%'", "path LIKE '%x%'", 'path like "%x%"'),
        ("date > '2024' -- x", "date > '2024'", 'date > "2024"'),
    ],
)  # fmt: skip
def test_a_condition_in_the_words_of_each_store(text: str, lance: str, milvus: str) -> None:
    assert parse_where(text).lance == lance
    assert parse_where(text).milvus == milvus


@pytest.mark.parametrize(
    "text",
    [
        "", "a b c", "1 = 1", "nosuch = 1", "width > 'a'", "date > 2024", "select 1",
        "date > '2024'); DROP TABLE photos; --", "label = 'a' UNION SELECT 1", "date > '2' LIMIT 1",
        "exists (select 1)", "label = (select 1)", "(" * 5000,
        "has(label, 'a')", "upper(label) = 'A'",
        "label = 'a", "width = 1 + 1", "photos.width = 1", "x" * 20_000, "has(tags, tags)",
        "width > 1.5", "size = 9223372036854775808", "latitude < 1e999", "probability < 1e39",
        "date > '14.7.2023'", "date = 'yesterday'", "date IN ('2023', '2023-13')", "date < ''",
        "date BETWEEN '2023' AND '2023-7-14'", "not date >= '2023-07-14T16:05'",
        "date < '2023-07-32'",
        "label = '\udcff'", "label ilike 'a'", "path like 'a' escape 'b'", "width > - - 1",
        "width between symmetric 3 and 1",
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
    assert joined.lance == "(width > 1) AND (id IN ('a''b', 'c\"d'))"
    assert joined.milvus == '(width > 1) and (id in ["a\'b", "c\\"d"])'


def test_what_there_is_to_ask_for_is_named() -> None:
    with pytest.raises(InputError, match=r"no column 'tag' .*probability and has\(tags, 'x'\)"):
        parse_where("tag = 'a'")
    with pytest.raises(InputError, match=r"no column 'label' here; there are tags\)"):
        parse_where("has(label, 'a')")
