"""``cupl serve``: all of it in a browser."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli import encoder_options, generate_options
from cupl.cli.class_sources import (
    BankOption,
    ClassListOption,
    ClassSource,
    VectorsOption,
    encoder_of_images,
    encoder_of_vectors,
)
from cupl.cli.encoder_choice import EncoderChoice
from cupl.cli.index import existing_index
from cupl.cli.output import count, quoted, say
from cupl.errors import MissingPackageError, leading_to
from cupl.io.atomic import make_folder
from cupl.io.locks import sole_writer

if TYPE_CHECKING:
    from cupl.embedding.class_vectors import ClassVectors
    from cupl.encoders.protocol import Encoder
    from cupl.index.photo_index import PhotoIndex
    from cupl.web.bank_models import LanguageModel
    from cupl.web.workspace import Workspace

_OWN = Path("cupl-serve")


def serve_command(
    name: generate_options.NamesOption = None,
    classes: ClassListOption = None,
    bank: BankOption = None,
    vectors: VectorsOption = None,
    photos: Annotated[
        Path | None,
        typer.Option(help="Folder of photos, or a directory of cupl embed. No other file is read."),
    ] = None,
    index: Annotated[
        str | None, typer.Option(help="Photo library of cupl index, to search in.")
    ] = None,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Folder for all that is made: labels, reports, sorts."),
    ] = _OWN,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; one beyond this machine is guarded by a token."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 for any that is free.")] = 8000,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    encoder: encoder_options.UsualEncoderOption = None,
    text_encoder: encoder_options.TextEncoderOption = None,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
    text_cache: encoder_options.TextCacheOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Language model that the page Bank proposes to ask; mini is the embedded one."
        ),
    ] = None,
    base_url: generate_options.BaseUrlOption = None,
    api_key_env: generate_options.ApiKeyEnvOption = None,
    max_requests: generate_options.MaxRequestsOption = None,
    max_tokens_total: generate_options.MaxTokensTotalOption = None,
    price_in: generate_options.PriceInOption = None,
    price_out: generate_options.PriceOutOption = None,
) -> None:
    """Try, edit, label, sort, search and evaluate in a browser, on this machine alone.

    Nothing is loaded from the network, and no photo leaves the machine. Ctrl-C ends it; edits and
    labels are on the disk as soon as they are made. A language model is asked only where somebody
    asks for more prompts on the page Bank; its server, key and limits are those given here.
    """
    if any(find_spec(package) is None for package in ("starlette", "uvicorn")):
        raise MissingPackageError("the browser app is not installed: pip install 'cupl[web]'")
    from cupl.web.bank_models import LanguageModel

    source = ClassSource(bank, vectors, name, classes, None, text_cache)
    if index is None or source.by_names or bank is not None or vectors is not None:
        source.check(explain=False)
    choice = EncoderChoice(
        encoder_options.joined_encoder(encoder, text_encoder, [str(photos)] if photos else []),
        revision, device, precision, batch_size,
    )  # fmt: skip
    library = None if index is None else existing_index(index)
    from cupl.cli.spending import prices_of

    prices_of(price_in, price_out)
    asked = LanguageModel(
        model, base_url, api_key_env, price_in, price_out, max_requests, max_tokens_total
    )
    space = _opened(source, choice, photos, library, output, asked)
    from cupl.web.server import serve

    kept = output / "bank.yaml"
    if source.by_names and space.editor is not None and kept.is_file():
        say(f"{kept} holds a bank that was saved before: --bank {quoted(kept)} takes it")
    if space.photos.left_out:
        left = count(space.photos.left_out, "link")
        say(f"{left} of {photos} to files outside of it: not shown")
    with _alone(output):
        serve(space, host, port, open_browser=open_page, ready=lambda url: _say_ready(url, host))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second app out of a folder: neither would know of the other's labels and edits."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not os.access(there, os.W_OK):  # all that only shows works
        yield
        return
    make_folder(folder.parent)
    with ExitStack() as stack:
        with leading_to(output=...):
            stack.enter_context(sole_writer(folder))
        yield


def _opened(
    source: ClassSource,
    choice: EncoderChoice,
    photos: Path | None,
    library: "PhotoIndex | None",
    output: Path,
    asked: "LanguageModel",
) -> "Workspace":
    """What is to be shown, but for the encoder, which takes longest."""
    from cupl.embedding.image_cache import beside_texts
    from cupl.web.workspace import Sources, Workspace

    made, bank = source.class_vectors(choice), source.prompts()
    if bank is not None and source.by_names:  # else it is called as a control of an evaluation is
        bank = bank.model_copy(update={"name": "classes"})
    space: Workspace

    def load() -> "Encoder":
        return _encoder(choice, made, space, library)

    space = Workspace(
        Sources(
            load, output, bank=bank, bank_path=source.bank, vectors=made,
            photos=photos, index=library, text_cache=source.text_cache,
            image_cache=beside_texts(source.text_cache), language_model=asked,
        )
    )  # fmt: skip
    return space


def _encoder(
    choice: EncoderChoice,
    made: "ClassVectors | None",
    space: "Workspace",
    library: "PhotoIndex | None",
) -> "Encoder":
    """That of the class vectors, else of the photos' vectors, else of the index."""
    if made is not None:
        found = encoder_of_vectors(made, choice, None, needs_encoder=True)
        assert found is not None  # noqa: S101 (it is needed)
        return found
    if space.photos.stored is None and library is not None and choice.name is None:
        return library.encoder
    return encoder_of_images(choice, space.photos.stored)


def _say_ready(url: str, host: str) -> None:
    from cupl.web.guard import is_loopback

    say(f"cupl serve: {url}")
    if not is_loopback(host):
        say("whoever has this address can see the photos and write into the folder of the output;")
        say("it is not encrypted: use it in a network that you trust, or through ssh")
    say("Ctrl-C ends it")
