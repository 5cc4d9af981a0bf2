"""The address of a server: the one place that takes user and password off a base URL."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from cupl.errors import InputError

DEFAULT_URL = "https://api.openai.com/v1"
_OPENAI = "api.openai.com"
_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_SENT_ALONG = "api-version"
"""The one parameter of a query that a base URL may have: it changes no answer and is no secret."""
_PASTED = re.compile(r"<([^<>]*)>|\[[^\]]*\]\(([^()\s]*)\)|`([^`]*)`|\"([^\"]*)\"|'([^']*)'")
"""An address as texts put it: <...>, [...](...), or in quotes."""
_RESOURCE = re.compile(r"(?:/chat)?/completions/*$|(?<=/v1)/(?:models|responses|embeddings)/*$")
"""What documentation shows behind a base URL. Azure AI has one that ends in ``/models``."""
_HERE = re.compile(r"(?:localhost|127\.[0-9.]+|0\.0\.0\.0|\[::1?\])(?::[0-9]{1,5})?(?:/[\w./-]*)?")


@dataclass(frozen=True)
class ServerAddress:
    """Where a server is, and apart from that the user and password that its base URL held.

    Args:
        endpoint: the address without them, as it enters cache keys, messages and logs.
        credentials: user and password as they are sent; None where there are none.
        api_version: what Azure wants to be told with every request; it changes no answer, so that
            no cache key has it.
        taken_off: the path of a single resource that stood behind the base URL, or "".

    """

    endpoint: str
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    api_version: str | None = None
    taken_off: str = field(default="", compare=False, repr=False)

    @classmethod
    def parse(cls, base_url: str | None) -> ServerAddress:
        """Read a base URL, also one that was copied out of documentation.

        What is around it there (``<...>``, quotes, a Markdown link) is taken off, and so are
        a fragment and the path of a single resource, such as ``/chat/completions``.

        Args:
            base_url: the address, or None for ``$OPENAI_BASE_URL`` or else OpenAI itself.

        Raises:
            InputError: it is no http(s) address; the message does not repeat it.

        """
        given = (base_url or os.environ.get("OPENAI_BASE_URL") or "").strip()
        pasted = _PASTED.fullmatch(given)
        url = (pasted[pasted.lastindex or 0].strip() if pasted else given) or DEFAULT_URL
        parts = _split(url)
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        port = "" if parts.port is None else f":{parts.port}"
        resource = _RESOURCE.search(parts.path)
        path = _RESOURCE.sub("", parts.path).rstrip("/")
        pair = (unquote(parts.username or ""), unquote(parts.password or ""))
        return cls(
            urlunsplit((parts.scheme, host + port, path, "", "")),
            pair if any(pair) else None,
            _api_version(parts.query),
            resource[0] if resource else "",
        )

    @property
    def host(self) -> str:
        """Its name, or its IP address without brackets."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def basic_token(self) -> str | None:
        """User and password as HTTP's basic authentication sends them (RFC 7617)."""
        if self.credentials is None:
            return None
        return base64.b64encode(":".join(self.credentials).encode()).decode()

    @property
    def secrets(self) -> list[str]:
        """What of the base URL must not be shown: user, password and the token made of them."""
        return [secret for secret in (*(self.credentials or ()), self.basic_token) if secret]

    @property
    def is_openai(self) -> bool:
        """A host of OpenAI's own API, a region's (``eu.api.openai.com``) included."""
        return self.host == _OPENAI or self.host.endswith(f".{_OPENAI}")

    @property
    def is_azure(self) -> bool:
        """Azure, or something in front of it that wants to be told a version as Azure does."""
        named = self.host.endswith(_AZURE) or "/openai/deployments/" in self.endpoint
        return named or self.api_version is not None

    @property
    def is_this_machine(self) -> bool:
        """What is sent there does not leave this machine."""
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")  # RFC 6761
        mapped = getattr(address, "ipv4_mapped", None) or address
        return bool(mapped.is_loopback or mapped.is_unspecified)

    @property
    def is_readable_on_the_way(self) -> bool:
        """What is sent there leaves this machine unencrypted."""
        return urlsplit(self.endpoint).scheme == "http" and not self.is_this_machine


def endpoint_of(base_url: str | None) -> str:
    """The address of a server without credentials; see :meth:`ServerAddress.parse`."""
    return ServerAddress.parse(base_url).endpoint


def _split(url: str) -> SplitResult:
    """The parts of an address.

    Raises:
        InputError: it is none that can be asked.

    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if "@" in parts.path + parts.query + parts.fragment:
        raise InputError(
            "the base URL must end with its path, such as /v1, without @; "
            "in a password ?, # and @ are %3F, %23 and %40, and / is %2F"
        )
    if parts.scheme not in ("http", "https") or not host or not url.isprintable():
        missing = f"; http:// goes in front of {url}" if _HERE.fullmatch(url) else ""
        raise InputError(f"the base URL must look like http://localhost:8000/v1{missing}")
    try:
        usable = parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InputError(
            "the base URL must look like http://localhost:8000/v1, with a port from 1 to 65535"
        )
    return parts


def _api_version(query: str) -> str | None:
    """What a query says of it.

    Raises:
        InputError: it says something else, or more.

    """
    if not query:
        return None
    match parse_qsl(query, keep_blank_values=True):
        case [(name, version)] if name.lower() == _SENT_ALONG and version:
            return version
    raise InputError(
        f"the base URL must end with its path, such as /v1, or with ?{_SENT_ALONG}=... as Azure's; "
        "a key goes into an environment variable that api_key_env names",
        arguments={"api_key_env": ...},
    )
