"""What was made of labelled examples, in figures and in words."""

from __future__ import annotations

from dataclasses import dataclass

from cupl.adaptation.paired_gain import PairedGain
from cupl.io.words import number_of

TEXT_ALONE = "text"
_WAYS = {
    "blend": "a blend of each class's text and mean example",
    "gda": "Gaussian discriminant analysis",
    "tip": "a cache of the examples (Tip-Adapter)",
}
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class FewLabelsReport:
    """What was made of labelled examples; printed, a few sentences on it.

    Attributes:
        method: ``text`` (the bank alone, the examples add nothing), ``blend``, ``tip`` or ``gda``.
        examples: how many, each once.
        repeated: examples left out because they are equal to one that counts.
        contradictory: examples left out because equal ones have another label.
        judged: examples with another one of their class; only these can be left out and judged.
        accuracy_of_text: share of the judged that the bank alone has right.
        accuracy: share that ``method`` has right, each left out. It was chosen by them and looks
            a little better than it is.
        gain: of choosing by the examples over the bank alone, each judged by what the others
            choose; None where too few can be judged.
        strength: how many times as far as the text the examples move classes apart.
        sharpness: of ``tip``.
        without_examples: names of the classes that stay as the text made them.

    """

    method: str
    examples: int
    repeated: int
    contradictory: int
    judged: int
    accuracy_of_text: float | None
    accuracy: float | None
    gain: PairedGain | None
    strength: float
    sharpness: float | None
    without_examples: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        lines = []
        if self.repeated:
            lines.append(f"{_examples(self.repeated)} left out: equal to one that counts")
        if self.contradictory:
            lines.append(f"{_examples(self.contradictory)} left out: equal ones have another label")
        if self.method == TEXT_ALONE:
            lines.append(f"{_examples(self.examples)} add nothing that shows: the bank stays as is")
        else:
            lines.append(f"{_examples(self.examples)}: {_WAYS[self.method]}")
        lines.append(self._judgement())
        if number := len(self.without_examples):
            shown = ", ".join(f"{name!r:.80}" for name in self.without_examples[:_SHOWN])
            more = f" and {number - _SHOWN:,} more" if number > _SHOWN else ""
            which = "class stays" if number == 1 else "classes stay"
            lines.append(
                f"{number:,} {which} as the text made {'it' if number == 1 else 'them'}, without "
                f"an example: {shown}{more}"
            )
        return lines

    def _judgement(self) -> str:
        if self.gain is None or self.accuracy is None or self.accuracy_of_text is None:
            return (
                "what they are worth cannot be told: that takes two of a class, in most "
                "classes, and ten in all"
            )
        value, low, high = (
            f"{100 * one:+.1f}" for one in (self.gain.value, self.gain.low, self.gain.high)
        )
        chance = "" if self.gain.is_shown else ", which may be chance"
        return (
            f"each of {self.judged:,} left out: {100 * self.accuracy:.1f} % right, by the bank "
            f"alone {100 * self.accuracy_of_text:.1f} %; gain of choosing so {value} points "
            f"(95 % interval {low} to {high}){chance}"
        )


def _examples(number: int) -> str:
    return number_of(number, "example")
