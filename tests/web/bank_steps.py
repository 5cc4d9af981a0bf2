"""Banks to edit, and steps that several tests of the page make."""

from collections.abc import Callable
from typing import Any

from cupl.bank.model import ClassPrompts, PromptBank
from tests import fakes
from tests.sentences import sentences
from tests.web.photos import BANK
from tests.web.serving import Served

RICH = ClassPrompts(
    name="cat",
    id="n02121808",
    aliases=["house cat"],
    prompts={"What?": ["A cat has whiskers.", "A tabby cat."], "Where?": ["A cat on a sofa."]},
    subclasses=[ClassPrompts(name="siamese", prompts={"": ["A siamese with blue eyes."]})],
)
RICH_BANK = PromptBank(name="rich", classes=[RICH, *BANK.classes[1:]])


Change = Callable[[PromptBank], PromptBank]


def with_prompt(text: str, place: int = 0) -> Change:
    """Put one prompt in the place of a class's."""

    def change(bank: PromptBank) -> PromptBank:
        classes = list(bank.classes)
        classes[place] = classes[place].model_copy(update={"prompts": {"by hand": [text]}})
        return bank.model_copy(update={"classes": classes})

    return change


def prompts(bank: PromptBank) -> list[str]:
    return list(bank.classes[0].texts)


def now(app: Served) -> dict[str, int]:
    """The bank as a page sees it that was just opened."""
    return {"revision": app.good("/api/bank")["revision"]}


def edit(app: Served, do: str, **more: Any) -> Any:
    return app.good("/api/bank/edit", {**now(app), "do": do, **more})


def shown(app: Served, number: int = 0) -> Any:
    return app.good(f"/api/bank/class?class={number}")


def asked_server(body: dict[str, Any]) -> fakes.Reply:
    return 200, fakes.chat_reply(*sentences(fakes.question_in(body), body.get("n", 1)))
