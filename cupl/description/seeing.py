"""Asking a model that sees: which it cannot be, how it is asked, what names nothing."""

from __future__ import annotations

from cupl.bank.templates import QuestionSet
from cupl.errors import InputError
from cupl.generation.run_settings import RunSettings
from cupl.llm.mini import NAME as MINI
from cupl.llm.protocol import Api, Sampling

PICTURE_QUESTIONS = "pictures"
"""The set of questions about the photos of a class, by its name."""
SAMPLES, MAX_TOKENS = 3, 100
"""Answers to each question, and tokens of one: who sees something has more to tell of it."""


def check_can_see(model: str | None, api: Api | None = None) -> None:
    """Accept a model that may see.

    Raises:
        InputError: it is the embedded one, or is not asked by chat.

    """
    if model == MINI:
        raise InputError(
            "the mini model reads text alone and cannot see; name a chat model that can",
            arguments={"model": ...},
        )
    if api == "completions":
        raise InputError(
            "a model is shown photos by chat, not by completions", arguments={"api": "chat"}
        )


def settings_to_see(settings: RunSettings, samples: int = SAMPLES) -> RunSettings:
    """The settings of a run with the usual ones of one that shows photos.

    Raises:
        InputError: the model cannot see.

    """
    check_can_see(settings.get("model"), settings.get("api"))
    usual: RunSettings = {"samples": samples}
    sampling = settings.get("sampling") or Sampling(max_tokens=MAX_TOKENS)
    return {**usual, **settings, "sampling": sampling}


def questions_that_name_nothing(name: str, *questions: str) -> QuestionSet:
    """A set whose questions are about what is shown alone: there is no class to name yet."""
    return QuestionSet.model_construct(name=name, questions=questions)
