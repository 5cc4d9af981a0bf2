"""What the app has open: classes, photos, index, encoder and jobs, shared by all tabs."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cupl.errors import InputError
from cupl.progress import ignore
from cupl.web.bank_edits import BankEditor
from cupl.web.bank_models import LanguageModel
from cupl.web.jobs import Job, Jobs
from cupl.web.moved_photos import SORTED_FOLDER, moved_photos
from cupl.web.photo_list import PhotoList
from cupl.web.settings import ClassViews
from cupl.web.thumbnails import Thumbnails
from cupl.web.uploads import Uploads

if TYPE_CHECKING:
    from cupl.bank.labels import ClassLabel
    from cupl.bank.model import PromptBank
    from cupl.embedding.class_vectors import ClassVectors
    from cupl.embedding.image_cache import ImageCache
    from cupl.embedding.text_cache import TextCache
    from cupl.encoders.protocol import Encoder
    from cupl.index.photo_index import PhotoIndex

FEWEST_TO_ADAPT = 2
MANY_PROMPTS = 2000
"""More than these are embedded before they are asked for."""


@dataclass(frozen=True)
class Sources:
    """What the app is opened with.

    Attributes:
        load_encoder: loads it; called once, in a thread.
        folder: of all that the app writes; made at the first use.
        bank: the classes as prompts.
        bank_path: where they are saved to.
        vectors: the classes as vectors, in place of a bank.
        photos: a folder of photos, or what ``cupl embed`` wrote.
        index: the photo library.
        text_cache: of embeddings of prompts.
        image_cache: of embeddings of images.
        language_model: that may be asked for prompts.

    """

    load_encoder: Callable[[], Encoder]
    folder: Path
    bank: PromptBank | None = None
    bank_path: Path | None = None
    vectors: ClassVectors | None = None
    photos: Path | None = None
    index: PhotoIndex | None = None
    text_cache: TextCache = None
    image_cache: ImageCache = None
    language_model: LanguageModel = field(default_factory=LanguageModel)


class Workspace:
    """All of it, of one server.

    Attributes:
        session: another one each time the app is started.
        sorted: the folder that photos are sorted into.
        photos: those that it was opened with.
        uploads: those dropped onto the page.
        editor: the bank; None where there are class vectors, or no classes.
        views: class vectors under settings.
        jobs: long work.

    """

    def __init__(self, sources: Sources) -> None:
        self.sources, self.folder = sources, sources.folder
        self.session = secrets.token_hex(8)
        self.text_cache, self.vectors = sources.text_cache, sources.vectors
        self.sorted = sources.folder / SORTED_FOLDER
        moved = moved_photos(self.sorted)
        self.photos = PhotoList.open(sources.photos, sources.folder, moved)
        self.photos.follow(moved, str(self.sorted))
        self.uploads, self.thumbnails, self.jobs = Uploads(), Thumbnails(), Jobs()
        self.editor: BankEditor | None = None
        if sources.bank is not None:
            path = sources.bank_path or sources.folder / "bank.yaml"
            self.editor = BankEditor(sources.bank, path, sources.folder / "draft-bank.jsonl")
        self.views = ClassViews(self)
        self.examples: Callable[[], tuple[Any, list[int], list[int]]] | None = None
        """Gives what has changed since, and the photos with a label and their classes."""
        self._encoder: Encoder | None = None
        self._loading = threading.Event()
        self._failed: Exception | None = None

    @property
    def encoder(self) -> Encoder:
        """The model; waits until it is loaded.

        Raises:
            CuplError: it could not be loaded.

        """
        self._loading.wait()
        if self._encoder is None:
            raise self._failed or InputError("the encoder could not be loaded")
        return self._encoder

    @property
    def labels(self) -> list[ClassLabel]:
        """The classes as they stand; none where there are none."""
        if self.editor is not None:
            return [entry.label for entry in self.editor.bank]
        return [] if self.vectors is None else self.vectors.labels

    @property
    def ready(self) -> bool:
        """Whether the encoder is there."""
        return self._encoder is not None

    def load(self) -> None:
        """Load the encoder and begin to encode the photos.

        Raises:
            CuplError: it could not be loaded, or is not that of the vectors.

        """
        try:
            encoder = self.sources.load_encoder()
            self.photos.check_encoder(encoder)
            if self.vectors is not None:
                self.vectors.check_encoder(encoder)
            self._encoder = encoder
        except Exception as error:
            self._failed = error
            raise
        finally:
            self._loading.set()
        if self.editor is not None and self.editor.bank.size > MANY_PROMPTS:
            self.start_embedding(self.editor.bank)
        if len(self.photos):
            self.start_encoding()

    def start_embedding(self, bank: PromptBank) -> Job:
        """Embed the prompts where that takes long enough to be watched."""
        return self.jobs.start(
            "prompts",
            f"Reading {bank.size:,} prompts",
            lambda progress: self.views.bank_encoder.learn(bank, progress),
        )

    def start_encoding(self) -> Job:
        """Encode what is not encoded yet."""
        cache = self.sources.image_cache
        return self.jobs.start(
            "encode",
            f"Reading {len(self.photos):,} photos",
            lambda progress: self.photos.encode(self.encoder, cache, progress),
        )

    def basis(self, adaptation: str) -> Any:
        """What an adaptation depends on beside the class vectors; equal if nothing has changed."""
        if adaptation == "photos":
            return self.photos.encoded
        if adaptation == "examples" and self.examples is not None:
            return self.examples()[0]
        return None

    def adapt(self, vectors: ClassVectors, adaptation: str) -> ClassVectors:
        """Class vectors that know the photos, or the labelled ones.

        Raises:
            InputError: there are too few.

        """
        import torch

        from cupl.adaptation.few_labels import fit_examples
        from cupl.adaptation.photos import adapt_to_photos

        if adaptation == "photos":
            numbers = self.photos.readable()
            if len(numbers) < FEWEST_TO_ADAPT:
                raise InputError(
                    f"adapting to photos takes {FEWEST_TO_ADAPT} or more that can be read, and "
                    f"there are {len(numbers)}: start cupl serve with a folder of photos"
                )
            return adapt_to_photos(vectors, self.photos.vectors(numbers), progress=ignore)[0]
        _, numbers, targets = self.examples() if self.examples is not None else (None, [], [])
        if len(numbers) < FEWEST_TO_ADAPT:
            raise InputError("no examples yet: label some photos first, on the page Label")
        return fit_examples(vectors, self.photos.vectors(numbers), torch.tensor(targets))[0]

    def close(self) -> None:
        """Stop what runs, and let go of files; all that a person did is on disk already."""
        self.jobs.stop_all(3.0)
        self.thumbnails.close()
