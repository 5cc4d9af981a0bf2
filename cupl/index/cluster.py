"""The address of an index in a Milvus or Zilliz cluster, and who may use it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from cupl.errors import InputError

TOKEN_VARIABLE = "MILVUS_TOKEN"  # noqa: S105
"""The environment variable that holds the token, or ``user:password``."""
_USUAL = "photos"
_NAME = re.compile(r"[A-Za-z_]\w{0,254}", re.ASCII)
_SCHEMES = {"http": "http", "https": "https", "milvus": "http"}


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """Where an index in a cluster is.

    Attributes:
        server: ``http://HOST:PORT`` or ``https://HOST:PORT``.
        database: of the server; empty for its usual one.
        collection: that holds the photos.
        token: that the server wants; never part of :attr:`place`.

    """

    server: str
    database: str
    collection: str
    token: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """The address as it may be shown."""
        return f"{self.server}/{self.database}".rstrip("/") + f"#{self.collection}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown: the token, and the password in it."""
        return (self.token, self.token.partition(":")[2])


def is_cluster(place: str) -> bool:
    """Whether it is the address of a Milvus or Zilliz cluster."""
    return place.lower().startswith(tuple(f"{scheme}://" for scheme in _SCHEMES))


def parse_cluster(place: str) -> ClusterAddress:
    """Take an address apart: ``http://HOST[:PORT][/DATABASE][#COLLECTION]``.

    The collection is ``photos`` where none is named, and ``milvus://`` means ``http://``. The token
    is in ``$MILVUS_TOKEN``, or it is the ``user:password@`` before the host.

    Raises:
        InputError: it is no such address.

    """
    try:
        parts = urlsplit(place)
        scheme = _SCHEMES[parts.scheme]
        port = parts.port or (443 if scheme == "https" else 19530)
    except (ValueError, KeyError) as error:
        raise _no_address(place) from error
    database, collection = parts.path.strip("/"), parts.fragment or _USUAL
    names = [collection, *([database] if database else [])]
    if not parts.hostname or parts.query or not all(map(_NAME.fullmatch, names)):
        raise _no_address(place)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    given = unquote(parts.username or "")
    if parts.password:
        given += f":{unquote(parts.password)}"
    token = given or os.environ.get(TOKEN_VARIABLE, "").strip()
    return ClusterAddress(f"{scheme}://{host}:{port}", database, collection, token)


def shown_place(place: str) -> str:
    """Where an index is, as it may be shown: without the password in an address."""
    return re.sub(r"(?<=://)[^#]*@", "***@", place) if is_cluster(place) else place


def _no_address(place: str) -> InputError:
    return InputError(
        f"{shown_place(place)!r:.200} is no address of a cluster: these look like "
        "https://HOST:PORT/DATABASE#COLLECTION, and names consist of letters, digits and _"
    )
