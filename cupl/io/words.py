"""Numbers of things in words."""


def number_of(number: int, noun: str, plural: str | None = None) -> str:
    """``1 prompt``, ``1,200 prompts``; ``1 class``, ``2 classes`` with a plural of its own."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
