"""Zero-shot classification: an image gets the class whose vector it is closest to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.bank.template_banks import PHOTO, template_bank
from cupl.classification.assembly import (
    check_made_of,
    encode_reject,
    is_words,
    loaded_bank,
    recorded_encoder,
)
from cupl.classification.explainer import Explainer
from cupl.classification.image_classifier import ImageClassifier
from cupl.classification.negative_words import encode_words
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_cache import ImageCache
from cupl.embedding.pooling import DEFAULT_POOLING
from cupl.embedding.provenance import Combine
from cupl.embedding.text_cache import TextCache
from cupl.encoders.loading import DEFAULT_ENCODER, named_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.progress import Progress, ignore


class ZeroShotClassifier(ImageClassifier):
    """Class vectors and the encoder they belong to.

    Without an encoder it still classifies image vectors that were encoded before
    (:meth:`predict_vectors`, :meth:`predict_proba`, :meth:`scores`).

    Attributes:
        vectors: the classes.
        encoder: what encodes the images.
        bank: what the vectors were made of, where it is known; only explanations need it.
        reject: vectors of the reject bank, pooled and with templates as ``vectors`` are.

    """

    def __init__(
        self,
        vectors: ClassVectors,
        encoder: Encoder | None = None,
        *,
        bank: PromptBank | str | os.PathLike[str] | None = None,
        reject: PromptBank | str | os.PathLike[str] | None = None,
        text_cache: TextCache = None,
        image_cache: ImageCache = None,
        progress: Progress = ignore,
    ) -> None:
        """Join ``vectors`` with the encoder that made them.

        Args:
            vectors: the classes.
            encoder: what encodes the images; None to classify image vectors alone.
            bank: what the vectors were made of, or its file.
            reject: descriptions of what is none of the classes, a bank or its file: an image that
                is closest to one of its classes is rejected. Or ``"words"``, for names of things
                that are far from all classes (a file of that name is ``"./words"``): an image that
                is rather one of them than one of the classes is rejected; see
                :mod:`cupl.classification.negative_words`.
            text_cache: see :func:`~cupl.embedding.bank_encoding.encode_bank`.
            image_cache: where the vectors of image files are looked up and kept: a folder, None
                for the usual place, False for nowhere.
            progress: told how many different prompts of ``reject`` are encoded, and of how many.

        Raises:
            InputError: another encoder or another bank made the vectors, or the reject bank has a
                class of theirs, or a bank is given and no encoder.

        """
        super().__init__(vectors, encoder, image_cache=image_cache)
        self.bank = None if bank is None else loaded_bank(bank)
        if self.bank is not None:
            check_made_of(self.bank, vectors)
        if is_words(reject):
            self.words = encode_words(
                vectors, self.encoder, text_cache=text_cache, progress=progress
            )
        others = None if reject is None or is_words(reject) else loaded_bank(reject)
        if others is not None:
            self.reject = encode_reject(others, vectors, self.encoder, text_cache, progress)
        if self.bank is not None:
            self.explainer = Explainer(self.bank, others, self.encoder, text_cache)

    @classmethod
    def from_bank(
        cls,
        bank: PromptBank | str | os.PathLike[str],
        encoder: Encoder | str | os.PathLike[str] = DEFAULT_ENCODER,
        device: str = "auto",
        *,
        precision: str = "auto",
        batch_size: int | str = "auto",
        revision: str | None = None,
        pooling: str = DEFAULT_POOLING,
        templates: str | os.PathLike[str] | Sequence[str] = (),
        combine: Combine = "concat",
        strict: bool = False,
        reject: PromptBank | str | os.PathLike[str] | None = None,
        text_cache: TextCache = None,
        image_cache: ImageCache = None,
        progress: Progress = ignore,
    ) -> ZeroShotClassifier:
        """Encode a prompt bank and classify with it.

        Args:
            bank: a bank or its file.
            encoder: an encoder or its name.
            device: where an encoder given by name computes: ``auto`` (CUDA, then MPS, then CPU),
                ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
            precision: ``auto``, ``float32``, ``bfloat16``, ``float16`` or ``int8``, as for
                :func:`~cupl.encoders.loading.load_encoder`.
            batch_size: images to encode at once, or ``auto``.
            revision: commit, branch or tag of the model hub.
            pooling: how the prompts of a class become one vector: ``normalized-mean``, ``mean``,
                ``similarity`` or ``top``; formulas in :mod:`cupl.embedding.pooling`.
            templates: hand-written prompts for every class, with ``{}`` for its name, or the name
                or file of a set of them, such as ``photo``.
            combine: ``concat`` pools prompts and templates as one list, ``average`` takes the mean
                of a vector of each.
            strict: refuse a prompt of the bank longer than the encoder reads.
            reject: a bank of what is none of the classes, or its file, or "words"; see
                :meth:`__init__`.
            text_cache: where embeddings of prompts are kept, or False for nowhere.
            image_cache: where vectors of image files are kept, or False for nowhere.
            progress: told how many different prompts are encoded, and of how many; first of
                ``bank``, then of ``reject``.

        Raises:
            CuplError: a bank or the encoder cannot be loaded, or a setting is wrong.

        """
        bank = loaded_bank(bank)
        encoder = named_encoder(encoder, device, precision, batch_size, revision)
        vectors = encode_bank(
            bank, encoder, pooling,
            templates=templates, combine=combine, strict=strict, text_cache=text_cache,
            progress=progress,
        )  # fmt: skip
        return cls(
            vectors, encoder, bank=bank, reject=reject, text_cache=text_cache,
            image_cache=image_cache, progress=progress,
        )  # fmt: skip

    @classmethod
    def from_names(
        cls,
        names: Iterable[str | ClassLabel],
        encoder: Encoder | str | os.PathLike[str] = DEFAULT_ENCODER,
        device: str = "auto",
        *,
        templates: str | os.PathLike[str] | Sequence[str] = PHOTO,
        precision: str = "auto",
        batch_size: int | str = "auto",
        revision: str | None = None,
        pooling: str = DEFAULT_POOLING,
        reject: PromptBank | str | os.PathLike[str] | None = None,
        text_cache: TextCache = None,
        image_cache: ImageCache = None,
        progress: Progress = ignore,
    ) -> ZeroShotClassifier:
        """Classify by names alone: no descriptions, and no language model.

        The same as from a bank that has the filled templates of each class; ``bank`` is that bank.

        Args:
            names: of the classes, or labels, as ``cupl.read_classes`` gives them.
            encoder: as for :meth:`from_bank`.
            device: as for :meth:`from_bank`.
            templates: the name or file of a set of templates, or texts with ``{}`` for the name.
            precision: as for :meth:`from_bank`.
            batch_size: as for :meth:`from_bank`.
            revision: as for :meth:`from_bank`.
            pooling: as for :meth:`from_bank`; it matters where there are several templates.
            reject: as for :meth:`from_bank`.
            text_cache: as for :meth:`from_bank`.
            image_cache: as for :meth:`from_bank`.
            progress: as for :meth:`from_bank`.

        Raises:
            CuplError: the classes cannot be told apart, the encoder cannot be loaded, or a setting
                is wrong.

        """
        return cls.from_bank(
            template_bank(names, templates), encoder, device, precision=precision,
            batch_size=batch_size, revision=revision, pooling=pooling, reject=reject,
            text_cache=text_cache, image_cache=image_cache, progress=progress,
        )  # fmt: skip

    @classmethod
    def from_vectors(
        cls,
        vectors: ClassVectors | str | os.PathLike[str],
        encoder: Encoder | str | os.PathLike[str] | None = None,
        device: str = "auto",
        *,
        precision: str = "auto",
        batch_size: int | str = "auto",
        revision: str | None = None,
        bank: PromptBank | str | os.PathLike[str] | None = None,
        reject: PromptBank | str | os.PathLike[str] | None = None,
        text_cache: TextCache = None,
        image_cache: ImageCache = None,
        progress: Progress = ignore,
    ) -> ZeroShotClassifier:
        """Classify with class vectors made earlier.

        Args:
            vectors: class vectors or their file.
            encoder: an encoder or its name; by default the one that the vectors name, which is
                loaded from this machine and not downloaded because a file says so. For none at
                all, ``ZeroShotClassifier(ClassVectors.load(file))``.
            device: where an encoder given by name computes: ``auto``, ``cpu``, ``cuda``,
                ``cuda:N`` or ``mps``.
            precision: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
            batch_size: images to encode at once, or ``auto``.
            revision: of an encoder given by name.
            bank: what the vectors were made of, for explanations, or its file.
            reject: a bank of what is none of the classes, or its file, or "words"; see
                :meth:`__init__`.
            text_cache: where embeddings of prompts are kept, or False for nowhere.
            image_cache: where vectors of image files are kept, or False for nowhere.
            progress: told how many prompts of ``reject`` are encoded, and of how many.

        Raises:
            CuplError: the vectors or the encoder cannot be loaded, or do not belong together.

        """
        if not isinstance(vectors, ClassVectors):
            vectors = ClassVectors.load(vectors)
        if encoder is None and revision is not None:
            raise InputError("a revision is of an encoder that is named: give its name too")
        found = (
            recorded_encoder(vectors, device, precision, batch_size)
            if encoder is None
            else named_encoder(encoder, device, precision, batch_size, revision)
        )
        return cls(
            vectors, found, bank=bank, reject=reject, text_cache=text_cache,
            image_cache=image_cache, progress=progress,
        )  # fmt: skip

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        encoder: Encoder | str | os.PathLike[str] | None = None,
        device: str = "auto",
        *,
        precision: str = "auto",
        batch_size: int | str = "auto",
        revision: str | None = None,
        bank: PromptBank | str | os.PathLike[str] | None = None,
        reject: PromptBank | str | os.PathLike[str] | None = None,
        text_cache: TextCache = None,
        image_cache: ImageCache = None,
        progress: Progress = ignore,
    ) -> ZeroShotClassifier:
        """Read what :meth:`save` wrote, and classify with it.

        Args:
            path: the file of class vectors.
            encoder: an encoder or its name; by default the one that the file names, which is
                loaded from this machine and not downloaded because a file says so.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
            precision: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
            batch_size: images to encode at once, or ``auto``.
            revision: commit, branch or tag of the model hub, for an encoder given by name.
            bank: what the vectors were made of, for explanations, or its file.
            reject: a bank of what is none of the classes, or its file, or "words".
            text_cache: where embeddings of prompts are kept, or False for nowhere.
            image_cache: where vectors of image files are kept, or False for nowhere.
            progress: told how many prompts of ``reject`` are encoded, and of how many.

        Raises:
            CuplError: the file or the encoder cannot be loaded, or do not belong together.

        """
        return cls.from_vectors(
            path, encoder, device, precision=precision, batch_size=batch_size, revision=revision,
            bank=bank, reject=reject, text_cache=text_cache, image_cache=image_cache,
            progress=progress,
        )  # fmt: skip
