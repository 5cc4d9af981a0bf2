"""What a bank says of how its prompts came to be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictStr

_Count = Annotated[int, Field(ge=0)]


_FACTS = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class PruningFacts(BaseModel):
    """How prompts were dropped from a bank; see :func:`cupl.embedding.pruning.prune`.

    Attributes:
        by: the rule.
        threshold: what a prompt's score was compared with.
        keep: prompts that every class kept where it had as many.
        encoder: name of the model whose embeddings were judged.
        dropped: how many prompts went.

    """

    model_config = _FACTS

    by: StrictStr
    threshold: float
    keep: _Count
    encoder: StrictStr
    dropped: _Count


class AboutFacts(BaseModel):
    """How the questions of a bank were found: the language model wrote them for one's data.

    Attributes:
        data: what the data are, in the words of who has them.
        questions: what was written, with a place for the class each.
        dropped: answers and lines that were no question.

    """

    model_config = _FACTS

    data: StrictStr
    questions: list[StrictStr]
    dropped: _Count


class PairFacts(BaseModel):
    """Prompts that tell classes apart, added to a bank.

    Attributes:
        model: who was asked.
        server: its address without credentials; None where ``model`` says it.
        by: how the pairs were chosen.
        pairs: the two classes of each.
        dropped: attributes and answers that were of no use.

    """

    model_config = _FACTS

    model: StrictStr
    server: StrictStr | None = None
    by: StrictStr
    pairs: list[list[StrictStr]]
    dropped: _Count


class ContrastFacts(BaseModel):
    """How the classes of a bank were found: the language model named what is none of a list.

    Attributes:
        classes: how many the list had.
        names: look-alikes asked for about each, and as many siblings.
        dropped: answers and names that are no class of this bank.

    """

    model_config = _FACTS

    classes: _Count
    names: _Count
    dropped: _Count


class SubclassFacts(BaseModel):
    """How the sub-classes of a bank were found: the language model listed kinds of each class.

    Attributes:
        names: kinds asked for of each class.
        dropped: answers and names that are no sub-class of this bank.

    """

    model_config = _FACTS

    names: _Count
    dropped: _Count


class PictureFacts(BaseModel):
    """What a language model was shown of each class.

    Attributes:
        photos: how many in all.
        per_class: how many of a class at most.
        side: pixels of the longer side, at most, as they were sent.
        detail: how closely the server was to look, where that was said.
        groups: how many groups the photos were put into, which are the classes; the model named
            them. None where folders are.
        encoder: by whose embeddings they were grouped.

    """

    model_config = _FACTS

    photos: _Count
    per_class: _Count
    side: _Count
    detail: Literal["low", "high", "auto"] | None = None
    groups: _Count | None = None
    encoder: StrictStr | None = None


class MergedFacts(BaseModel):
    """One of the banks that a bank was merged of.

    Attributes:
        bank: its name.
        source: how its prompts came to be; None where it did not say.

    """

    model_config = _FACTS

    bank: StrictStr
    source: Source | None = None


class Source(BaseModel):
    """How the prompts came to be; the same source and answers give the same bank.

    Attributes:
        server: address of the server that answered, without credentials; None where ``model`` says
            it, as for OpenAI's own and the embedded one.
        about: how the questions were found, where a language model wrote them.
        contrast: how the classes were found, where they are none of a list.
        subclasses: how the sub-classes were found.
        pictures: what was shown with the questions.
        pairs: what was asked since to tell classes apart, the first time first.
        pruned: what was dropped since, the first time first.
        merged: the banks that it was merged of, where these came about in different ways.
        selected_from: how many classes the bank had that these are some of.
        edited: labels or prompts were changed since. cupl notices what is changed in Python; who
            changes the file in an editor can write it there.

    """

    model_config = _FACTS

    model: StrictStr | None = None
    weights: StrictStr | None = None
    server: StrictStr | None = None
    api: Literal["chat", "completions"] | None = None
    questions: StrictStr | None = None
    samples: _Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: _Count | None = None
    stop: list[StrictStr] | None = None
    seed: int | None = None
    extra: dict[str, JsonValue] | None = None
    preamble: StrictStr | None = None
    filters: list[StrictStr] | None = None
    min_prompts: _Count | None = None
    imported: StrictStr | None = None
    sha256: StrictStr | None = None
    about: AboutFacts | None = None
    contrast: ContrastFacts | None = None
    subclasses: SubclassFacts | None = None
    pictures: PictureFacts | None = None
    pairs: list[PairFacts] | None = None
    pruned: list[PruningFacts] | None = None
    merged: list[MergedFacts] | None = None
    selected_from: _Count | None = None
    edited: bool | None = None


MergedFacts.model_rebuild()
