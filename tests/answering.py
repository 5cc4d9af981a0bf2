"""A language model that lists, asks and describes as a test tells it."""

from collections.abc import Mapping

from cupl.llm.protocol import Request, Response
from tests.sentences import sentences


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
