"""Encoders: a text and an image tower with one common space, found by name."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cupl.encoders.foreign import check_sizes, why_no_family
from cupl.encoders.names import OPEN_CLIP_PREFIX
from cupl.errors import InputError, ServerError
from cupl.io.json import read_json
from cupl.progress import Progress, ignore

if TYPE_CHECKING:
    import torch

    from cupl.encoders.joined_names import JoinedName
    from cupl.encoders.protocol import Encoder
    from cupl.encoders.transformers_dual import DualEncoder

DEFAULT_ENCODER = "openai/clip-vit-base-patch32"
FAMILIES = {
    "align": ("bert_text", "AlignEncoder"),
    "altclip": ("bert_text", "AltClipEncoder"),
    "chinese_clip": ("bert_text", "ChineseClipEncoder"),
    "clip": ("clip", "ClipEncoder"),
    "clipseg": ("clip_kinds", "ClipSegEncoder"),
    "metaclip_2": ("clip_kinds", "MetaClip2Encoder"),
    "siglip": ("siglip", "SiglipEncoder"),
    "siglip2": ("naflex", "NaflexEncoder"),
}
"""Types of transformers: the file and the class that reads them."""


def load_encoder(
    name: str | os.PathLike[str] = DEFAULT_ENCODER,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str = "auto",
    *,
    revision: str | None = None,
    download: bool = True,
    progress: Progress = ignore,
) -> Encoder:
    """Load an encoder.

    A model of transformers is looked for in a directory, the hub's cache and the hub, in this
    order. What the cache has of it is not asked for again: a branch or tag that has moved since,
    the main branch too, stays where it was.

    Args:
        name: ``mini``, a local directory, a model hub name, or one of open_clip's:
            ``open_clip:ViT-B-32/laion2b_s34b_b79k`` (an architecture and its published weights), or
            a file of weights in place of the latter. A directory or repository that holds
            ``open_clip_config.json`` and no ``config.json`` of transformers is open_clip's, too.
            An adapter of peft is merged into the model that it names. Or two models in one:
            ``pair:IMAGE_ENCODER+TEXT_ENCODER``, the images by one of these and the texts by a model
            of sentence-transformers that was trained to fit it, or
            ``bridge:IMAGE_CLASSIFIER+SENTENCE_ENCODER``
            (:class:`~cupl.encoders.bridge.BridgeEncoder`).
        device: ``auto`` (CUDA, then MPS, then CPU), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``auto`` (half on a GPU, on a CPU bfloat16 where that is faster), ``float32``,
            ``bfloat16``, ``float16`` or, on a CPU, ``int8``, see :mod:`cupl.encoders.int8`;
            vectors and scores are float32 in any case.
        batch_size: images to encode at once, or ``auto``; halved where the memory of a GPU does
            not hold them.
        revision: commit, branch or tag of the hub; its main branch by default. The commit that
            came of it is ``revision`` of the encoder. Of two models both, as ``COMMIT+COMMIT``.
        download: fetch from the hub what is not on this machine.
        progress: told how many of the texts that ``mini`` or a bridge needs are embedded, and of
            how many, where that was not done before. Downloads show their own bars.

    Raises:
        MissingFileError: ``name`` is written as a path and there is nothing.
        InputError: the directory or model is not a dual encoder, or a setting is wrong.
        ServerError: the model is neither on disk nor reachable, or may not be downloaded.
        MissingPackageError: the packages of ``mini``, of a model of open_clip, of an adapter or of
            two models are not installed.

    """
    name = os.fspath(name)
    if name == "mini":
        from cupl.encoders.mini import MiniEncoder

        if revision is not None:
            raise InputError(
                "mini comes with its packages and has no revisions: leave it out",
                arguments={"revision": False},
            )
        return MiniEncoder.load(device, precision, batch_size, progress)
    from cupl.encoders.device import check_precision, resolve_device
    from cupl.encoders.hub import find_model
    from cupl.encoders.joined_names import split_name
    from cupl.encoders.model_files import is_adapter, is_open_clip

    place = resolve_device(device)
    check_precision(precision, place)  # before anything is downloaded
    if joined := split_name(name):
        how = _How(place, device, precision, batch_size, download, progress)
        return _load_joined(joined, revision, how)
    if name.startswith(OPEN_CLIP_PREFIX):
        return _open_clip(name, device, precision, batch_size, revision, download)
    files = find_model(name, revision, download=download)
    if is_open_clip(files.folder):
        return _open_clip(name, device, precision, batch_size, revision, download)
    if is_adapter(files.folder):
        from cupl.encoders.adapters import with_base

        files = with_base(files)
    return _family(files.name, files.folder).load(files, device, precision, batch_size)


def named_encoder(
    encoder: Encoder | str | os.PathLike[str],
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str = "auto",
    revision: str | None = None,
) -> Encoder:
    """The encoder itself, whose settings are its own, or the one of that name, loaded with these.

    Raises:
        CuplError: as :func:`load_encoder`.

    """
    if isinstance(encoder, str | os.PathLike):
        return load_encoder(encoder, device, precision, batch_size, revision=revision)
    if not hasattr(encoder, "encode_text"):
        raise InputError(f"an encoder is a name, a folder or an Encoder, not {encoder!r:.80}")
    return encoder


def load_recorded_encoder(
    name: str,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str = "auto",
) -> Encoder:
    """Load the encoder that a file names as its maker, if it is on this machine.

    Files come from anyone, and must not decide what is downloaded. The commit that the file names
    is taken where it is here, else what is here under the name; whether that is the encoder, its
    fingerprint says.

    Args:
        name: as the file has it.
        revision: as the file has it.
        device: as for :func:`load_encoder`.
        precision: as for :func:`load_encoder`.
        batch_size: as for :func:`load_encoder`.

    Raises:
        CuplError: as :func:`load_encoder`; a :class:`ServerError` where it is not here.

    """
    from cupl.encoders.joined_names import is_pinned

    pinned = is_pinned(revision) and name != "mini" and not os.path.isdir(name)  # noqa: PTH112
    for commit in [revision, None] if pinned else [None]:
        try:
            return load_encoder(
                name, device, precision, batch_size, revision=commit, download=False
            )
        except ServerError as error:
            missing = error
    raise ServerError(
        f"the encoder {name!r:.100} is not on this machine, and nothing is downloaded only because "
        "a file names it: to allow that, name it as the encoder",
        arguments={"encoder": name},
    ) from missing


class _How(NamedTuple):
    """How a model is loaded."""

    place: torch.device
    device: str
    precision: str
    batch_size: int | str
    download: bool
    progress: Progress


def _load_joined(name: JoinedName, revision: str | None, how: _How) -> Encoder:
    """An encoder of two models."""
    from cupl.encoders.bridge import BridgeEncoder
    from cupl.encoders.classifiers import load_named_classifier
    from cupl.encoders.device import resolve_precision
    from cupl.encoders.joined_names import PAIR, split_revision
    from cupl.encoders.pair import PairEncoder
    from cupl.encoders.sentence_tower import SentenceTower

    revisions = split_revision(name, revision)
    int8 = how.precision == "int8"
    if int8 and name.kind != PAIR:
        raise InputError(f"{name} computes in no int8: use auto", arguments={"precision": "auto"})

    # Of int8 only the images: texts are few and come out less exact.
    dtype = resolve_precision("auto" if int8 else how.precision, how.place)

    def text() -> SentenceTower:
        return SentenceTower.load(
            name.text, how.place, dtype, revision=revisions[1], download=how.download
        )

    if name.kind == PAIR:
        image = load_encoder(
            name.image, how.device, how.precision, how.batch_size,
            revision=revisions[0], download=how.download, progress=how.progress,
        )  # fmt: skip
        pair = PairEncoder(image, text())
        pair.check_alignment()
        return pair
    classifier = load_named_classifier(name.image, revision=revisions[0], download=how.download)
    return BridgeEncoder(classifier, text(), how.place, dtype, how.batch_size, how.progress)


def _open_clip(
    name: str, device: str, precision: str, batch_size: int | str, revision: str | None,
    download: bool,
) -> Encoder:  # fmt: skip
    from cupl.encoders.open_clip import OpenClipEncoder
    from cupl.encoders.open_clip_files import find_open_clip

    files = find_open_clip(name, revision, download=download)
    return OpenClipEncoder.load(files, device, precision, batch_size)


def _family(name: str, folder: Path) -> type[DualEncoder]:
    """Which family a model is of, before its weights are fetched.

    Raises:
        InputError: it is of none that cupl knows, or says more than any model.

    """
    from cupl.encoders.one_tower import why_one_tower

    check_sizes(folder)
    try:
        config = read_json(folder / "config.json")
        why = why_one_tower(name, config)
        kind = None if why else config["model_type"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{name} holds no model: its config.json is unusable") from error
    if why is not None:
        raise InputError(why)
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise InputError(f"{name} is a model of type {kind!r:.60}; {why_no_family(config)}")
    from cupl.encoders.torchvision_import import mend_torchvision

    mend_torchvision()  # before transformers is imported, which imports it
    module, family = FAMILIES[kind]
    found: type[DualEncoder] = getattr(import_module(f"cupl.encoders.{module}"), family)
    return found
