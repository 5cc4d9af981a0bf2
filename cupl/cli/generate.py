"""``cupl generate``: class names to a prompt bank."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cupl.cli.output import check_target, count, none_or, progress, say, set_aside

if TYPE_CHECKING:
    from cupl.classes import ClassLabel
    from cupl.generation import Missing, Plan, Report
    from cupl.llm.base import Sampling


def generate(
    classes: Annotated[
        str | None,
        typer.Argument(
            help="Text file (a name a line), CSV (id,name), bank, ImageFolder, or 'imagenet'."
        ),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option("-c", "--class", help="A class name; repeat for more.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Bank to write.")] = None,
    questions: Annotated[str, typer.Option(help="base, imagenet, or a YAML file.")] = "base",
    model: Annotated[
        str | None,
        typer.Option(
            help="Model as the server knows it; mini is the embedded one. [default: gpt-4.1-mini]"
        ),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Any OpenAI-compatible server. [default: $OPENAI_BASE_URL]")
    ] = None,
    api: Annotated[
        Literal["chat", "completions"] | None,
        typer.Option(help="chat or completions. [default: chat]"),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Answers to each question.")] = 10,
    temperature: Annotated[
        Any, typer.Option(parser=none_or(float), help="[default: 0.99; mini 0.6]")
    ] = None,
    top_p: Annotated[Any, typer.Option(parser=none_or(float), help="[default: none]")] = None,
    max_tokens: Annotated[Any, typer.Option(parser=none_or(int), help="[default: 50]")] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(help="Text that ends an answer; repeat for more. [default: none]"),
    ] = None,
    n: Annotated[
        Any,
        typer.Option(parser=none_or(int), help="Most answers in one request. [default: 10]"),
    ] = None,
    preamble: Annotated[
        str | None,
        typer.Option(
            help="File with the system message, or for completions the text around the "
            "question ({}); none for none. [default: asks for one plain sentence]"
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Requests at once.")] = 8,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of answers. [default: ~/.cache/cupl/responses]")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nothing; use the cache.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked, and stop.")
    ] = False,
) -> None:
    """Ask a language model to describe classes and write the prompt bank.

    Every answer is cached the moment it arrives: after an interruption the same command
    continues, and nothing is asked, or paid for, twice. Each sampling option takes "none",
    which leaves it to the server. The key comes from $OPENAI_API_KEY.
    """
    from cupl import generation
    from cupl.cache import ResponseCache

    if output is None and not dry_run:
        raise typer.BadParameter("name the bank to write with -o BANK.yaml")
    if output is not None:
        check_target(output)
    most = None if n == "none" else 10 if n is None else n
    if most is not None and most < 1:
        raise typer.BadParameter("--n is at least 1, or none")
    model = model or generation.DEFAULT_MODEL
    plan = generation.make_plan(
        _labels(classes, name or []),
        questions,
        model=model,
        base_url=base_url,
        api=api,
        samples=samples,
        sampling=_sampling(model, temperature, top_p, max_tokens, stop),
        preamble=_preamble(preamble),
    )
    with ResponseCache(cache) as responses:
        missing = generation.find_missing(plan, responses)
        _say_plan(plan, missing, most)
        if dry_run:
            return
        assert output is not None  # noqa: S101 (checked above)
        with _answers_kept(), progress("answers") as update:
            bank, report = generation.fulfil(
                plan, missing, responses, generation.connect(plan, base_url), output.stem,
                concurrency=concurrency, n=most, offline=offline, progress=update,
            )  # fmt: skip
    set_aside(output, bank.to_bytes())
    bank.save(output)
    _say_result(output, len(bank), report)


def _labels(source: str | None, names: list[str]) -> "list[ClassLabel]":
    from cupl.classes import check_labels, labels_from_names, read_classes

    if source is None and not names:
        raise typer.BadParameter("name the classes: a file, a folder, or -c NAME")
    labels = read_classes(source) if source is not None else []
    labels += labels_from_names(names) if names else []
    check_labels(labels)
    return labels


@contextmanager
def _answers_kept() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        say("every answer so far is in the cache; the same command continues")
        raise


def _sampling(
    model: str, temperature: Any, top_p: Any, max_tokens: Any, stop: list[str] | None
) -> "Sampling":
    """The model's usual settings with those that were given in their place."""
    from cupl.generation import usual_sampling

    given = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}
    changes: dict[str, Any] = {
        option: None if value == "none" else value
        for option, value in given.items()
        if value is not None
    }
    if stop:
        texts = tuple(text.replace("\\n", "\n") for text in stop)
        changes["stop"] = None if texts == ("none",) else texts
    return replace(usual_sampling(model), **changes)


def _preamble(option: str | None) -> str | None:
    """The file's text; "" where the usual one is meant, None for none."""
    from cupl.yamlfile import read_text

    if option is None:
        return ""
    return None if option == "none" else read_text(Path(option)) or None


def _say_plan(plan: "Plan", missing: "Missing", n: int | None) -> None:
    requests = sum(-(-len(samples) // (n or 1)) for _, samples in missing.work)
    say(
        f"{count(len(plan.labels), 'class', 'classes')}, "
        f"{count(len(plan.questions.questions), 'question')}, "
        f"{count(plan.samples, 'sample')} each: {count(missing.cached, 'answer')} cached, "
        f"{missing.answers:,} missing, {count(requests, 'request')} to {plan.model}"
    )


def _say_result(output: Path, classes: int, report: "Report") -> None:
    say(
        f"wrote {output}: {count(classes, 'class', 'classes')}, {count(report.kept, 'prompt')} kept"
    )
    for reason, number in report.dropped.most_common():
        say(f"  dropped {number:,}: {reason}")
    say(f"next: cupl bank check {output}, or cupl classify IMAGE... --bank {output}")
