"""Every test has a home of its own and no key, server or model hub."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import configuration, settings

from cupl.encoders.torchvision_import import mend_torchvision
from tests.milvus_server import milvus_server
from tests.s3_server import s3_environment, s3_server

os.environ["HF_HUB_OFFLINE"] = "1"  # the hub's library reads it when it is imported
os.environ["CUPL_PRECISION"] = "float32"  # what `auto` finds to be fastest differs by machine
mend_torchvision()  # before a test imports transformers
settings.register_profile("cupl", database=None, deadline=None)
settings.load_profile("cupl")
_hypothesis_home = TemporaryDirectory()  # hypothesis would leave what it learns in the checkout
configuration.set_hypothesis_home_dir(_hypothesis_home.name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``pytest tests/attacks --attacks 100``: a hundred times as long as in the suite."""
    parser.addoption("--attacks", type=int, default=1, help="how long those of tests/attacks last")
    parser.addoption("--screenshot", action="store_true", help="make the README's picture anew")


@pytest.fixture(scope="session")
def mini_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the mini models unpack, once a session and worker."""
    return tmp_path_factory.mktemp("mini-cache")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands that write read; to be copied."""
    from tests.writing_commands import make_work  # torch, which not every test needs

    return make_work(tmp_path_factory.mktemp("made"))


@pytest.fixture
def work(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in which commands run."""
    folder = tmp_path / "work"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; not for a whole session, as no event loop of ours can run beside playwright's."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is installed")
    with driver.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Milvus Lite's server: one a session and worker."""
    with milvus_server(tmp_path_factory.mktemp("milvus")) as address:
        yield address


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of a server that speaks S3: one a session and worker."""
    with s3_server("photos") as address:
        yield address


@pytest.fixture
def s3_bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a place in it, with the environment in which it can be used."""
    for name, value in s3_environment(s3).items():
        monkeypatch.setenv(name, value)
    return f"s3://photos/{uuid4().hex}"


@pytest.fixture
def cluster_place(milvus: str) -> Iterator[str]:
    """The address of an index that is not there yet, and is dropped after the test."""
    from pymilvus import MilvusClient

    name = f"photos_{uuid4().hex}"
    yield f"{milvus}#{name}"
    client = MilvusClient(milvus)
    client.drop_collection(name)
    client.close()


@pytest.fixture(autouse=True)
def _own_home(
    tmp_path_factory: pytest.TempPathFactory,
    mini_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path_factory.mktemp("home")
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(home))
    for variable in ("XDG_CACHE_HOME", "OPENAI_API_KEY", "OPENAI_BASE_URL", "MILVUS_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CUPL_CACHE", str(home / "cache"))
    # Most tests count what is encoded, or encode the same with encoders of one fingerprint.
    monkeypatch.setenv("CUPL_IMAGE_CACHE_SIZE", "0")
    (home / "cache").mkdir()
    # The weights of the mini models are unpacked once; everything else in the cache is fresh.
    (home / "cache" / "mini").symlink_to(mini_cache, target_is_directory=True)
