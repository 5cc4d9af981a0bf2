"""Good answers to questions about things, as many as a test wants, all different."""

import hashlib
import re
from collections.abc import Sequence

# The lengths have no common divisor: each step changes every word, and the texts of a question
# repeat only after the product of all lengths (27,720).
_FRAMES = (
    "The {thing} shows a {shape} outline, {colour} all over, with {part}, seen {place}.",
    "Most often {place}, this {colour} {thing} can be told by {part} and its {shape} build.",
    "Look for {part}: every {thing} photographed {place} is {shape} and rather {colour}.",
    "With {part} and {colour} sides, one {shape} {thing} rests {place}.",
    "Here stands some {shape} and {colour} {thing} {place}, where {part} catch the eye.",
)
_COLOURS = (
    "pale grey",
    "glossy black",
    "rusty red",
    "cream",
    "olive green",
    "sky blue",
    "golden",
    "dark brown",
    "striped white",
)
_SHAPES = ("slender", "bulky", "rounded", "boxy", "tapering", "flattened", "lopsided")
_PARTS = (
    "two narrow bands",
    "deep grooves",
    "many fine hairs",
    "curved edges",
    "sharp corners",
    "tiny bright dots",
    "overlapping plates",
    "long thin handles",
    "folded layers",
    "wrinkled ends",
    "polished knobs",
)
_PLACES = (
    "beside a river",
    "on wet sand",
    "against old brickwork",
    "under tall trees",
    "at a crowded market",
    "near an open window",
    "in fresh snow",
    "upon a wooden table",
)

_LEAD = (
    r"(?i:(?:(?:describe|what|how|does|do|are|is|can|you|identify|identifying|characteristics"
    r"|an?|the|image|photo|caption|internet|from|of)\s+)*)"
)
_THING = re.compile(
    rf"^(?:{_LEAD}(?i:an?|the)\s+|{_LEAD})(.+?)(?i:\s+looks?(?:\s+like)?)?[\s?:.]*$"
)


def sentences(question: str, n: int) -> list[str]:
    """The good answers to a question: ``n`` different sentences that name what it is about.

    The first are the same for every ``n``. The thing is found in questions like those that come
    with the package; of any other, the sentence repeats more than the name.
    """
    line = (question.strip().splitlines() or ["thing"])[-1]
    found = _THING.match(line)
    thing = found[1] if found else line
    start = int.from_bytes(hashlib.sha256(question.encode("utf-8", "replace")).digest()[:8])

    def word(words: Sequence[str], index: int) -> str:
        return words[(start + index) % len(words)]

    return [
        word(_FRAMES, index).format(
            thing=thing,
            colour=word(_COLOURS, index),
            shape=word(_SHAPES, index),
            part=word(_PARTS, index),
            place=word(_PLACES, index),
        )
        for index in range(n)
    ]
