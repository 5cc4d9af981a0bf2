"""A language model that lists, asks and describes as a test tells it."""

from collections.abc import Mapping
from typing import Any

from cupl.llm.protocol import Request, Response
from tests.fakes import Reply, chat_reply, question_in
from tests.sentences import sentences


def answer_anything(body: dict[str, Any]) -> Reply:
    """A list where names are asked for, questions, rows on both classes of a pair, or sentences."""
    question = question_in(body)
    if question.startswith("Name ") and "kinds of" in question:
        kind = question.partition("kinds of ")[2].split()[0]
        return 200, chat_reply(f"1. marsh{kind}\n2. rock{kind}")
    if question.startswith("Name "):
        return 200, chat_reply("1. **Gecko** - dry\n2. skink\n3. stick insect")
    if "Write 10 different questions" in question:
        return 200, chat_reply("1. What does a [NAME] look like here?\n2. How big is a [NAME]?")
    if question.endswith(" apart?"):
        first, second = question.partition(" tell ")[2].removesuffix(" apart?").split(" and ")
        return 200, chat_reply(f"size | {first} is small here. | {second} is large here.")
    return 200, chat_reply(*sentences(question, body.get("n", 1)))


class Answering:
    """Answers what a question holds a text of; another question with descriptions. It counts."""

    def __init__(self, lists: Mapping[str, str | Response]) -> None:
        self.lists = lists
        self.asked: list[Request] = []

    async def complete(self, request: Request, n: int) -> list[Response]:
        self.asked.append(request)
        for part, answer in self.lists.items():
            if part in request.question:
                one = answer if isinstance(answer, Response) else Response(answer)
                return [one] * n
        return [Response(text) for text in sentences(request.question, n)]
