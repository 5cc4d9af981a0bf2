"""How figures and names of an evaluation are written, in a terminal and on a page."""

from __future__ import annotations

from cupl.io.terminal import printable


def short(text: str, length: int) -> str:
    """The text in one line, control characters spelled out, cut to so many characters."""
    shown = printable(" ".join(text[: 2 * length].split()))
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def percent(share: float) -> str:
    """``0.7421`` as ``74.2``."""
    return f"{100 * share:.1f}"


def points(difference: float) -> str:
    """A difference of two shares in percentage points, always with its sign."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def cosine(value: float) -> str:
    """A cosine, or a difference of two."""
    text = f"{value:.3f}"
    return "0.000" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def chance(p: float) -> str:
    """A p value; what is smaller than a thousandth is only said to be so."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
