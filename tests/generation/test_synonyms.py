import asyncio
from collections import Counter
from contextlib import nullcontext

from cupl.bank.labels import ClassLabel
from cupl.generation.asking import Asking
from cupl.generation.budget import UsageMeter
from cupl.generation.cache.store import ResponseCache
from cupl.generation.listed_names import listed_names
from cupl.generation.listing import AnsweredList
from cupl.generation.plan import make_plan
from cupl.generation.requester import RequestOptions
from cupl.generation.synonyms import find_synonyms, synonym_names
from tests.answering import Answering

PUMA, LION = ClassLabel("puma", aliases=("cougar",)), ClassLabel("lion")


def listed(label: ClassLabel, *names: str) -> AnsweredList:
    return AnsweredList(label, "?", listed_names("\n".join(names)))


def test_names_that_are_new_and_of_one_class() -> None:
    found = synonym_names(
        [PUMA, LION],
        [
            listed(PUMA, "Pumas", "Cougar", "panther", "the lion", "big cat"),
            listed(LION, "king of beasts", "big cats"),
        ],
    )
    assert found.of == {"puma": ("panther",), "lion": ("king of beasts",)}
    assert found.dropped == Counter(
        {
            "a name that the class has": 2,
            "another class of the bank": 1,
            "named for several classes": 2,
        }
    )


def test_the_model_is_asked_once(cache: ResponseCache) -> None:
    llm = Answering({"other names of a puma": "1. panther", "other names of a lion": "I can't."})
    asking = Asking(cache, nullcontext(llm), RequestOptions(), UsageMeter())
    plan = make_plan([PUMA, LION], model="m")
    for _ in range(2):
        found = asyncio.run(find_synonyms(plan, asking, 3))
        assert found.of == {"puma": ("panther",)}
        assert found.dropped.total() >= 1
    assert "Name 3 other names of a puma:" in {request.question for request in llm.asked}
