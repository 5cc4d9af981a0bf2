"""What commands that go by the labels of photos share: the classes, the photos, the predictions."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cupl.cli import encoder_options
from cupl.cli.output import progress
from cupl.errors import InputError

if TYPE_CHECKING:
    from cupl.bank.labels import ClassLabel
    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.classification.decision import DecisionRule
    from cupl.classification.prediction import Prediction
    from cupl.cli.class_sources import ClassSource, HasProvenance
    from cupl.cli.encoder_choice import EncoderChoice
    from cupl.embedding.image_retries import ImageOutcome
    from cupl.embedding.stored_vectors import Embeddings

_Outcome = TypeVar("_Outcome", bound="ImageOutcome")


@dataclass(frozen=True)
class Photos:
    """Photos to predict: files, or what ``cupl embed`` wrote of them.

    Attributes:
        paths: of the files.
        stored: their vectors, where they were encoded before.
        complete: whether all folders could be read.

    """

    paths: list[str]
    stored: Embeddings | None
    complete: bool

    @classmethod
    def of(
        cls,
        images: Sequence[str],
        all_files: bool,
        stored: Callable[[Sequence[str]], Embeddings | None] | None = None,
    ) -> Photos:
        """Those that the arguments name.

        Args:
            images: the arguments.
            all_files: open every file of a folder.
            stored: finds vectors among them; by default only those of ``cupl embed``.

        """
        from cupl.embedding.image_vectors import stored_images

        if (found := (stored or stored_images)(images)) is not None:
            return cls([path for some in found.paths() for path in some], found, True)
        return cls(*_found(images, all_files))

    def check_files(self, purpose: str) -> None:
        """Accept photos that are files, and no rows of a table of vectors.

        Raises:
            InputError: they are.

        """
        if self.stored is not None and not self.stored.has_files:
            raise InputError(
                f"{self.stored.directory} does not name the files of its images, which is needed "
                f"{purpose}: add a column of paths to it"
            )

    def outside(self, folder: Path) -> Photos:
        """Without what lies in a folder that is written into."""
        from cupl.classification.sorting import outside

        if self.stored is not None or not folder.is_dir():
            return self
        return replace(self, paths=outside(self.paths, folder))

    def predictions(
        self, classifier: ZeroShotClassifier, rule: DecisionRule | None = None, top_k: int = 1
    ) -> Iterator[Prediction]:
        """One for each; see :meth:`watched`."""
        from cupl.classification.decision import NEAREST_CLASS

        rule = rule or NEAREST_CLASS
        if self.stored is not None:
            return self.watched(classifier.predict_stored(self.stored, top_k, rule=rule))
        return self.watched(classifier.predict(self.paths, top_k, **asdict(rule)))

    def watched(self, found: Generator[_Outcome, None, None]) -> Iterator[_Outcome]:
        """What becomes of each, with a bar; a drive that is lost is an error."""
        from cupl.embedding.image_retries import until_lost

        with progress("images") as update, closing(found):
            kept: Callable[[], str] = lambda: "nothing was changed"  # noqa: E731
            for number, one in enumerate(until_lost(found, self.paths, kept, {}), start=1):
                yield one
                update(number, len(self.paths))


def _found(images: Sequence[str], all_files: bool) -> tuple[list[str], None, bool]:
    paths, complete = encoder_options.images_of(images, all_files)
    return paths, None, complete


def load_classifier(
    source: ClassSource,
    choice: EncoderChoice,
    stored: HasProvenance | None,
    reject: str | None = None,
    *,
    encodes: bool = False,
    ready: Callable[[Sequence[ClassLabel]], None] = lambda _: None,
    temperature: float | None = None,
) -> ZeroShotClassifier:
    """The classifier that the options name.

    Args:
        source: the classes.
        choice: of the encoder.
        stored: image vectors to classify, where the images were encoded before.
        reject: a bank's file or ``words``.
        encodes: whether something else is to be encoded, too.
        ready: called with the classes before the encoder is loaded.
        temperature: in place of what the class vectors carry.

    """
    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.cli.class_sources import reject_bank
    from cupl.embedding.image_cache import beside_texts

    others = reject_bank(reject)
    prompts, made, encoder = source.load(choice, stored, encodes or reject is not None, ready)
    if temperature is not None:
        made = made.with_temperature(temperature)
    with progress("words" if reject == "words" else "prompts") as update:
        return ZeroShotClassifier(
            made, encoder, bank=prompts if encoder else None, reject=others,
            text_cache=source.text_cache, image_cache=beside_texts(source.text_cache),
            progress=update,
        )  # fmt: skip


def inputs_of(source: ClassSource, choice: EncoderChoice) -> list[str | Path | None]:
    """The files that are read beside the photos."""
    return [*source.files, *encoder_options.files_of(choice.name)]
