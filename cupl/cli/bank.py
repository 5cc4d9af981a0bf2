"""``cupl bank import`` and ``cupl bank check``."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import typer

from cupl.cli.output import check_target, count, say, set_aside
from cupl.tables import printable

app = typer.Typer(name="bank", help="Import and check prompt banks.", no_args_is_help=True)


@app.command("import")
def import_bank(
    source: Annotated[
        Path, typer.Argument(help="JSON: an object of class to list of prompts or descriptors.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Bank to write (.yaml).")],
    kind: Annotated[
        Literal["auto", "prompts", "descriptors"], typer.Option(help="auto looks at the texts.")
    ] = "auto",
) -> None:
    """Make a prompt bank from JSON, such as the published CuPL files or descriptor files."""
    from cupl.importing import import_json

    check_target(output, source)
    bank, changes = import_json(source, kind)
    set_aside(output, bank.to_bytes())
    bank.save(output)
    prompts = sum(len(entry.texts) for entry in bank)
    say(f"wrote {output}: {count(len(bank), 'class', 'classes')}, {count(prompts, 'prompt')}")
    for reason, number in changes.most_common():
        say(f"  {number:,}: {reason}")
    say(f"next: cupl bank check {output}")


@app.command()
def check(
    bank: Annotated[Path, typer.Argument(help="Prompt bank (.yaml).")],
    show: Annotated[int, typer.Option(min=0, help="Findings to print of each kind.")] = 10,
) -> None:
    """List what a person should look at in a bank; exit code 1 only where it cannot be used."""
    from cupl.bank import PromptBank
    from cupl.check import check_bank

    prompts = PromptBank.load(bank)
    findings = check_bank(prompts)
    totals = Counter(finding.kind for finding in findings)
    for kind, number in totals.items():
        texts = [finding.text for finding in findings if finding.kind == kind]
        for text in texts[:show]:
            typer.echo(printable(f"{kind}: {text}"))
        if number > show:
            typer.echo(f"{kind}: ... {number - show:,} more (--show {number})")
    total = sum(len(entry.texts) for entry in prompts)
    summary = ", ".join(f"{number:,} {kind}" for kind, number in totals.items())
    say(
        f"{bank}: {count(len(prompts), 'class', 'classes')}, {count(total, 'prompt')}; "
        f"{summary or 'nothing to look at'}"
    )
