"""The option that takes some classes of a bank."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cupl.bank.model import PromptBank

SubsetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--classes",
        metavar="A,B,...|FILE",
        help="Only these classes of the bank, by name, id or alias; or a list of classes.",
    ),
]


def subset(bank: "PromptBank", classes: SubsetOption) -> "PromptBank":
    """The bank with the classes that the option names; all of it without."""
    from cupl.bank.class_lists import select_classes
    from cupl.cli.output import say

    return bank if not classes else select_classes(bank, classes, say)
