"""One encoder and one folder of photos a session."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.web.workspace import Sources
from tests.cli.conftest import cupl  # noqa: F401 (a fixture)
from tests.web.photos import BANK, make_photos
from tests.web.raw import SECRET
from tests.web.serving import Served, served

Serve = Callable[..., AbstractContextManager[Served]]


@pytest.fixture(scope="session")
def mini(mini_cache: Path) -> Encoder:
    return load_encoder("mini")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("web") / "photos")


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where embeddings of prompts and photos are kept, so that each is made once a session."""
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture
def serve(mini: Encoder, photos: Path, vectors: Path, tmp_path: Path) -> Serve:
    """Runs the app: with the bank and the photos, or what is named otherwise of ``Sources``."""
    usual = Sources(
        lambda: mini, tmp_path / "out", bank=BANK, bank_path=tmp_path / "bank.yaml", photos=photos,
        text_cache=vectors / "texts", image_cache=vectors / "images",
    )  # fmt: skip

    def run(**changes: Any) -> AbstractContextManager[Served]:
        how = {name: changes.pop(name) for name in ("host", "token", "waits") if name in changes}
        return served(replace(usual, **changes), **how)

    return run


@pytest.fixture(scope="module")
def hostile(
    mini: Encoder, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """An app for all hostile requests of a file: with a report, and links that lead out."""
    root = tmp_path_factory.mktemp("hostile")
    (root / "secret.txt").write_bytes(SECRET)
    shown = root / "photos"
    shutil.copytree(photos, shown)
    private = root / "private"
    private.mkdir()
    (private / "private.jpg").write_bytes((photos / "cat" / "cat-0.jpg").read_bytes())
    (shown / "link.jpg").symlink_to(private / "private.jpg")
    (shown / "link").symlink_to(private, target_is_directory=True)
    report = root / "out" / "reports" / "1-things"
    report.mkdir(parents=True)
    (report / "report.html").write_text("<p>the report</p>")
    (report / "summary.csv").symlink_to(root / "secret.txt")
    sources = Sources(
        lambda: mini, root / "out", bank=BANK, bank_path=root / "bank.yaml", photos=shown
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CUPL_CACHE", str(root / "cache"))
        environment.setenv("CUPL_IMAGE_CACHE_SIZE", "0")
        with served(sources) as app:
            yield app
