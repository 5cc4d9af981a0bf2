"""``cupl bank``: import, select, merge, check and prune."""

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cupl.cli import encoder_options
from cupl.cli.output import (
    MADE,
    count,
    files_of_cache,
    progress,
    quoted,
    say,
    say_next,
    show_line,
    write_bank,
)
from cupl.encoders.loading import DEFAULT_ENCODER
from cupl.io.outputs import check_target

if TYPE_CHECKING:
    from cupl.bank.model import PromptBank
    from cupl.embedding.pruning import DroppedPrompt

bank_app = typer.Typer(
    name="bank",
    help="Import, select, merge, check, prune and sharpen prompt banks.",
    no_args_is_help=True,
)


@bank_app.command("import")
def import_bank_command(
    source: Annotated[
        Path, typer.Argument(help="JSON: an object of class to list of prompts or descriptors.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Bank to write (.yaml).")],
    kind: Annotated[
        Literal["auto", "prompts", "descriptors"], typer.Option(help="auto looks at the texts.")
    ] = "auto",
) -> None:
    """Make a prompt bank from JSON, such as the published CuPL files or descriptor files."""
    from cupl.bank.importing import import_json

    check_target(output, source)
    bank, changes = import_json(source, kind)
    write_bank(output, bank.to_bytes())
    say(f"wrote {output}: {count(len(bank), 'class', 'classes')}, {count(bank.size, 'prompt')}")
    for reason, number in changes.most_common():
        say(f"  {number:,}: {reason}")
    say_next(f"cupl bank check {quoted(output)}", output)


@bank_app.command("select")
def select_command(
    bank: Annotated[Path, typer.Argument(help="Prompt bank (.yaml).")],
    classes: Annotated[
        list[str],
        typer.Option(
            metavar="A,B,...|FILE",
            help="By name, id or alias, with commas between them; again for more. Or a list of "
            "classes, as for generate. The bank gets this order.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Bank to write (.yaml).")],
) -> None:
    """Write a bank of some of the classes of another."""
    from cupl.bank.class_lists import select_classes
    from cupl.bank.model import PromptBank
    from cupl.io.text import name_as_text

    check_target(output, bank, *classes)
    whole = PromptBank.load(bank)
    some = select_classes(whole, classes, say)
    some.name = name_as_text(output.stem)
    write_bank(output, some.to_bytes())
    say(f"wrote {output}: {len(some):,} of {_classes(whole)}, {count(some.size, 'prompt')}")
    vectors = quoted(output.with_suffix(".safetensors"))
    say_next(f"cupl encode {quoted(output)} -o {vectors}", output)


@bank_app.command("merge")
def merge_command(
    banks: Annotated[list[Path], typer.Argument(help="Two prompt banks (.yaml), or more.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Bank to write (.yaml).")],
) -> None:
    """Write a bank of the classes and the prompts of several.

    The same class in two banks keeps the name it has in the first; its prompts are united by
    question, and none is added twice. Classes that only a later bank has come after those before.
    """
    from functools import reduce
    from operator import or_

    from cupl.bank.model import PromptBank
    from cupl.io.text import name_as_text

    check_target(output, *banks)
    if len(banks) < 2:
        raise typer.BadParameter("name two banks or more to merge")
    loaded = [PromptBank.load(bank) for bank in banks]
    merged = reduce(or_, loaded)
    merged.name = name_as_text(output.stem)
    write_bank(output, merged.to_bytes())
    given = sum(bank.size for bank in loaded)
    say(f"wrote {output}: {_classes(merged)}, {merged.size:,} of {count(given, 'prompt')}")
    shared = sum(map(len, loaded)) - len(merged)
    if shared:
        say(f"  {count(shared, 'class', 'classes')} in an earlier bank too, united with that")
    say_next(f"cupl bank check {quoted(output)}", output)


def _classes(bank: "PromptBank") -> str:
    return count(len(bank), "class", "classes")


@bank_app.command("check")
def check_bank_command(
    bank: Annotated[Path, typer.Argument(help="Prompt bank (.yaml).")],
    show: Annotated[int, typer.Option(min=0, help="Findings to print of each kind.")] = 10,
) -> None:
    """List what a person should look at in a bank; exit code 1 only where it cannot be used."""
    from cupl.bank.lint import check_bank
    from cupl.bank.model import PromptBank

    prompts = PromptBank.load(bank)
    findings = check_bank(prompts)
    totals = Counter(finding.kind for finding in findings)
    for kind, number in totals.items():
        texts = [finding.text for finding in findings if finding.kind == kind]
        for text in texts[:show]:
            show_line(f"{kind}: {text}")
        if number > show:
            show_line(f"{kind}: ... {number - show:,} more (--show {number})")
    summary = ", ".join(f"{number:,} {kind}" for kind, number in totals.items())
    say(
        f"{bank}: {count(len(prompts), 'class', 'classes')}, {count(prompts.size, 'prompt')}; "
        f"{summary or 'nothing to look at'}"
    )


@bank_app.command("prune")
def prune_bank_command(
    bank: Annotated[Path, typer.Argument(help="Prompt bank (.yaml).")],
    by: Annotated[
        Literal["redundancy", "outliers"],
        typer.Option(
            help="redundancy: prompts that say again what one before them says; outliers: prompts "
            "closer to another class than to their own."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Bank to write (.yaml).")],
    encoder: encoder_options.EncoderOption = DEFAULT_ENCODER,
    text_encoder: encoder_options.TextEncoderOption = None,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    text_cache: encoder_options.TextCacheOption = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="redundancy: the cosine above which a prompt is dropped; outliers: the "
            "silhouette below which. What a cosine means depends on the encoder: read what it "
            "drops. [default: 0.95; outliers 0]"
        ),
    ] = None,
    keep: Annotated[
        int, typer.Option(min=1, help="Prompts that every class keeps where it has as many.")
    ] = 3,
    listing: Annotated[
        Path | None,
        typer.Option("--list", help="CSV of what was dropped, in place of standard output."),
    ] = None,
) -> None:
    """Drop prompts that add nothing or lead astray, judged by their embeddings without labels."""
    encoder = encoder_options.with_text_encoder(encoder, text_encoder)
    from cupl.bank.model import PromptBank
    from cupl.embedding.pruning import prune as prune_bank
    from cupl.encoders.loading import load_encoder

    inputs = [bank, *encoder_options.files_of(encoder), *files_of_cache(text_cache or None)]
    check_target(output, *inputs)
    if listing is not None:
        check_target(listing, *inputs)
        if os.path.realpath(listing) == os.path.realpath(output):
            raise typer.BadParameter("--list and -o name the same file")
    before = PromptBank.load(bank)
    loaded = load_encoder(encoder, device, precision, revision=revision)
    with progress("prompts") as update:
        pruned = prune_bank(
            before, loaded, by=by, threshold=threshold, keep=keep, text_cache=text_cache,
            progress=update,
        )  # fmt: skip
    write_bank(output, pruned.bank.to_bytes())
    _list(pruned.dropped, listing)  # last, because standard output may be full
    touched = len({drop.label.key for drop in pruned.dropped})
    say(
        f"wrote {output}: dropped {len(pruned.dropped):,} of {count(before.size, 'prompt')}, in "
        f"{touched:,} of {count(len(before), 'class', 'classes')}"
    )
    if pruned.spared:
        say(f"  {pruned.spared:,} more would go, but every class keeps {keep} (--keep)")
    banks = f"--bank {quoted(bank)} --bank {quoted(output)}"
    command = f"cupl evaluate LABELLED {banks} --encoder {quoted(encoder)}"
    say_next(command, bank, output, carry=MADE)


def _list(dropped: "list[DroppedPrompt]", path: Path | None) -> None:
    """Each prompt that was dropped and why, on standard output or as CSV."""
    from cupl.embedding.pruning import to_csv

    if path is not None:
        write_bank(path, to_csv(dropped))
        return
    for drop in dropped:
        show_line(f"{drop.label}: {drop.prompt}")
        show_line(f"  {drop.reason}")
