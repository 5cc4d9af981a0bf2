import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.generation.cache.answered import AnsweredQuestion, answered_questions
from cupl.generation.cache.questions import QUESTIONS_FILE, QuestionNotes, noted_questions
from cupl.generation.cache.reader import CacheReader
from cupl.generation.cache.store import ResponseCache
from cupl.llm.protocol import Failure, Request, Response, cache_key


def asking(question: str, model: str = "m") -> Request:
    return Request("http://localhost/v1", model, "chat", question)


def answer(folder: Path, request: Request, *texts: str | None) -> None:
    """Keep answers to a request; None is one of no use."""
    entries = {
        cache_key(request.digest, sample): Failure("empty", 1) if text is None else Response(text)
        for sample, text in enumerate(texts)
    }
    with ResponseCache(folder) as cache:
        cache.put(entries)
        cache.note(request.digest, request)


def shown(folder: Path, *classes: str, model: str | None = None) -> list[AnsweredQuestion]:
    with CacheReader(folder) as reader:
        return list(answered_questions(reader, classes, model))


def test_questions_and_their_answers(tmp_path: Path) -> None:
    answer(tmp_path, asking("What is a cup?"), "A cup.", None, "A mug.")
    answer(tmp_path, asking("What is a newt?"), *map(str, range(150)))
    first, second = shown(tmp_path)
    assert first.asked.question == "What is a cup?"
    assert [one.text for one in first.answers] == ["A cup.", "A mug."]
    assert first.failures == 1
    assert [one.text for one in second.answers] == list(map(str, range(150)))


@pytest.mark.parametrize(
    ("classes", "model", "found"),
    [
        (["cup"], None, ["a CUP"]),
        (["cup", "cupboard"], None, ["a CUP", "a cupboard"]),
        (["c++"], None, ["c++"]),
        ([], "n", ["other"]),
        (["cup"], "n", []),
        (["."], None, []),
    ],
)
def test_a_class_stands_as_words_in_the_question(
    tmp_path: Path, classes: list[str], model: str | None, found: list[str]
) -> None:
    for name in ("a CUP", "a cupboard", "c++"):
        answer(tmp_path, asking(f"What is {name} like?"), "A.")
    answer(tmp_path, asking("What is other like?", "n"), "A.")
    questions = [one.asked.question for one in shown(tmp_path, *classes, model=model)]
    assert questions == [f"What is {name} like?" for name in found]


def test_a_question_is_noted_once_by_many_runs(tmp_path: Path) -> None:
    for _ in range(3):
        answer(tmp_path, asking("What is a cup?"), "A.")
    lines = (tmp_path / QUESTIONS_FILE).read_text().split()
    assert sum("digest" in line for line in lines) == 1
    assert len(shown(tmp_path)) == 1


def test_what_nobody_answered_is_not_shown(tmp_path: Path) -> None:
    answer(tmp_path, asking("What is a cup?"))
    assert shown(tmp_path) == []


@given(
    junk=st.lists(
        st.binary(max_size=30)
        | st.sampled_from([b"{}", b"[1]", b'{"digest": 1}', b"\xff", b'{"digest":']),
        max_size=3,
    ),
    questions=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3, unique=True),
)
def test_lines_that_are_none_are_left_out(
    junk: list[bytes], questions: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    file = folder / QUESTIONS_FILE
    for question in questions:
        with file.open("ab") as stream:
            stream.write(b"".join(junk))  # a line that a kill cut off
        QuestionNotes(folder).note(asking(question).digest, asking(question))
    assert [one.question for one in noted_questions(folder)] == questions


def test_a_damaged_answer_is_counted(tmp_path: Path) -> None:
    import sqlite3

    answer(tmp_path, asking("What is a cup?"), "A cup.", "A mug.")
    with sqlite3.connect(tmp_path / "cache.db") as database:
        database.execute("UPDATE Cache SET value = 'no json' WHERE rowid = 1")
    (found,) = shown(tmp_path)
    assert (len(found.answers), found.unreadable) == (1, 1)


def test_where_no_note_can_be_kept_answers_are(tmp_path: Path) -> None:
    (tmp_path / QUESTIONS_FILE).mkdir()
    answer(tmp_path, asking("What is a cup?"), "A cup.")
    with ResponseCache(tmp_path) as cache:
        assert cache.get(cache_key(asking("What is a cup?").digest, 0)) == Response("A cup.")


def test_the_notes_are_json_for_others_too(tmp_path: Path) -> None:
    answer(tmp_path, asking("Was ist ein Frosch\u2028?"), "A.")
    lines = (tmp_path / QUESTIONS_FILE).read_bytes().split(b"\n")
    (noted,) = [json.loads(line) for line in lines if line]
    assert noted["question"] == "Was ist ein Frosch\u2028?"
