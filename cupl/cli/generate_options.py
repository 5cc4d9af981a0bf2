"""The options that say what is asked, shared by the commands that ask or plan to."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cupl.cli.output import none_or

if TYPE_CHECKING:
    from cupl.bank.labels import ClassLabel
    from cupl.generation.collect import FilterOptions
    from cupl.generation.plan import Plan
    from cupl.llm.protocol import Sampling

ClassesOption = Annotated[
    str | None,
    typer.Argument(
        help="Text file (a name a line), CSV (id,name), bank, ImageFolder, or 'imagenet'."
    ),
]
NamesOption = Annotated[
    list[str] | None, typer.Option("-c", "--class", help="A class name; repeat for more.")
]
QuestionsOption = Annotated[str, typer.Option(help="base, imagenet, or a YAML file.")]
ModelOption = Annotated[
    str | None,
    typer.Option(
        help="Model as the server knows it; mini is the embedded one. [default: gpt-4.1-mini]"
    ),
]
BaseUrlOption = Annotated[
    str | None, typer.Option(help="Any OpenAI-compatible server. [default: $OPENAI_BASE_URL]")
]
ApiKeyEnvOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Environment variable that holds the server's key. [default: OPENAI_API_KEY for "
        "OpenAI itself; another server gets no key]",
    ),
]
ApiOption = Annotated[
    Literal["chat", "completions"] | None,
    typer.Option(help="chat or completions. [default: chat]"),
]
SamplesOption = Annotated[int, typer.Option(min=1, help="Answers to each question.")]
TemperatureOption = Annotated[
    Any,
    typer.Option(
        parser=none_or(float),
        metavar="<number|none>",
        help="How much chance is in an answer: 0 is always the likeliest word. [default: 0.99; "
        "mini 0.6]",
    ),
]
TopPOption = Annotated[
    Any,
    typer.Option(
        parser=none_or(float),
        metavar="<number|none>",
        help="Draw only from the likeliest words that make up this share. [default: none]",
    ),
]
MaxTokensOption = Annotated[
    Any,
    typer.Option(
        parser=none_or(int),
        metavar="<number|none>",
        help="Where an answer is cut off, in tokens (a word is one or two). [default: 50]",
    ),
]
StopOption = Annotated[
    list[str] | None,
    typer.Option(help="Text that ends an answer; repeat for more. [default: none]"),
]
SeedOption = Annotated[
    Any,
    typer.Option(
        parser=none_or(int),
        metavar="<number|none>",
        help="Where chance starts, on servers that take a seed. [default: none]",
    ),
]
ExtraOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="JSON",
        help="What else the server wants, as an object; repeat for more. For instance "
        "'{\"enable_thinking\": false}'",
    ),
]
NOption = Annotated[
    Any,
    typer.Option(
        parser=none_or(int),
        metavar="<number|none>",
        help="Most answers in one request. [default: 10]",
    ),
]
PreambleOption = Annotated[
    str | None,
    typer.Option(
        help="File with the system message, or for completions the text around the "
        "question ({}); none for none. [default: asks for one plain sentence]"
    ),
]
MinPromptsOption = Annotated[
    int, typer.Option(min=1, help="A class that keeps fewer is asked for more samples, bounded.")
]
SimilarityOption = Annotated[
    Any,
    typer.Option(
        parser=none_or(float),
        metavar="<number|none>",
        help="Prompts of a class alike to so many percent are near-duplicates. [default: 95]",
    ),
]
DropSharedOption = Annotated[
    bool, typer.Option("--drop-shared", help="Drop a sentence under several classes.")
]
FiltersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="NAME",
        help="Run this filter of answers, and only those named so, in this order; repeat for "
        "more. cupl generate --list-filters names them.",
    ),
]
NoFiltersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--no-filter", metavar="NAME", help="Leave out this filter of answers; repeat for more."
    ),
]
CacheOption = Annotated[
    Path | None, typer.Option(help="Folder of answers. [default: ~/.cache/cupl/responses]")
]

ConcurrencyOption = Annotated[int, typer.Option(min=1, max=1000, help="Requests at once.")]
TimeoutOption = Annotated[float, typer.Option(min=0.001, help="Seconds that one request may take.")]
MaxRequestsOption = Annotated[
    int | None, typer.Option(min=1, help="Stop before more are sent, with all tries.")
]
MaxTokensTotalOption = Annotated[
    int | None, typer.Option(min=1, help="Stop before more could be charged in this run.")
]
PriceInOption = Annotated[
    float | None, typer.Option(min=0, help="Money for a million tokens of questions.")
]
PriceOutOption = Annotated[
    float | None, typer.Option(min=0, help="Money for a million tokens of answers.")
]
RetryFailedOption = Annotated[
    bool, typer.Option("--retry-failed", help="Ask again for what was of no use three times.")
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Ask nothing; use the cache.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be asked, and stop.")]


def plan_of(
    classes: str | None,
    names: list[str] | None,
    questions: str,
    model: str | None,
    base_url: str | None,
    api: Literal["chat", "completions"] | None,
    samples: int,
    temperature: Any,
    top_p: Any,
    max_tokens: Any,
    stop: list[str] | None,
    seed: Any,
    extra: list[str] | None,
    preamble: str | None,
) -> "Plan":
    """The plan that the options describe."""
    from cupl.generation.plan import DEFAULT_MODEL, make_plan

    model = model or DEFAULT_MODEL
    return make_plan(
        labels_of(classes, names or []),
        questions,
        model=model,
        base_url=base_url,
        api=api,
        samples=samples,
        sampling=sampling_of(model, temperature, top_p, max_tokens, stop, seed, extra),
        preamble=preamble_of(preamble),
    )


def filtering_of(
    filters: list[str] | None,
    without: list[str] | None,
    min_prompts: int,
    similarity: Any,
    drop_shared: bool,
) -> "FilterOptions":
    """What is kept of the answers, as the options say."""
    from cupl.generation.collect import FilterOptions
    from cupl.generation.filters import choose_filters

    return FilterOptions(
        filters=choose_filters(filters or None, without=without or ()),
        similarity=95.0 if similarity is None else None if similarity == "none" else similarity,
        drop_shared=drop_shared,
        min_prompts=min_prompts,
    )


def most_at_once(n: Any) -> int | None:
    """The value of ``--n``; None where one answer is asked for without saying so."""
    most = None if n == "none" else 10 if n is None else int(n)
    if most is not None and most < 1:
        raise typer.BadParameter("--n is at least 1, or none")
    return most


def labels_of(source: str | None, names: list[str]) -> "list[ClassLabel]":
    """The classes that the options name; what was understood is said."""
    from cupl.bank.class_lists import classes_from_names, read_classes
    from cupl.bank.labels import check_labels
    from cupl.cli.output import say, say_warning

    if source is None and not names:
        raise typer.BadParameter("name the classes: a file, a folder, or -c NAME")
    labels = read_classes(source, say) if source is not None else []
    labels += (named := classes_from_names(names, say) if names else [])
    for label in named:
        if "," in label.name:
            say_warning(
                f"{label.name!r:.200} is one class; repeat -c for each, or name a file of classes"
            )
    check_labels(labels)
    return labels


def sampling_of(
    model: str,
    temperature: Any,
    top_p: Any,
    max_tokens: Any,
    stop: list[str] | None,
    seed: Any,
    extra: list[str] | None,
) -> "Sampling":
    """The model's usual settings with those that were given in their place."""
    from cupl.generation.plan import usual_sampling
    from cupl.llm.extra import parse_extra

    given = {
        "temperature": temperature, "top_p": top_p, "max_tokens": max_tokens, "seed": seed,
    }  # fmt: skip
    changes: dict[str, Any] = {
        option: None if value == "none" else value
        for option, value in given.items()
        if value is not None
    }
    if stop:
        texts = tuple(text.replace("\\n", "\n") for text in stop)
        changes["stop"] = None if texts == ("none",) else texts
    for text in extra or ():
        changes["extra"] = changes.get("extra", {}) | parse_extra(text)
    return replace(usual_sampling(model), **changes)


def preamble_of(option: str | None) -> str | None:
    """The file's text; "" where the usual one is meant, None for none."""
    from cupl.io.text import read_text

    if option is None:
        return ""
    return None if option == "none" else read_text(Path(option)) or None
