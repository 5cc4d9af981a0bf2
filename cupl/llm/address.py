"""The address of a server: the one place that takes user and password off a base URL."""

from __future__ import annotations

import base64
import ipaddress
import os
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from cupl.errors import InputError

DEFAULT_URL = "https://api.openai.com/v1"
_OPENAI = "api.openai.com"


@dataclass(frozen=True)
class ServerAddress:
    """Where a server is, and apart from that the user and password that its base URL held.

    Args:
        endpoint: the address without them, as it enters cache keys, messages and logs.
        credentials: user and password as they are sent; None where there are none.

    """

    endpoint: str
    credentials: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, base_url: str | None) -> ServerAddress:
        """Read a base URL.

        Args:
            base_url: the address, or None for ``$OPENAI_BASE_URL`` or else OpenAI itself.

        Raises:
            InputError: it is no http(s) address; the message does not repeat it.

        """
        url = (base_url or os.environ.get("OPENAI_BASE_URL") or "").strip() or DEFAULT_URL
        try:
            parts = urlsplit(url)
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            parts, port = urlsplit(""), ""
        if parts.query or parts.fragment or "@" in parts.path:
            raise InputError(
                "the base URL must end with its path, such as /v1, without ?, # or @; "
                "in a password they are %3F, %23 and %40, and / is %2F"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable():
            raise InputError("the base URL must look like http://localhost:8000/v1")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        pair = (unquote(parts.username or ""), unquote(parts.password or ""))
        return cls(
            urlunsplit((parts.scheme, host + port, parts.path.rstrip("/"), "", "")),
            pair if any(pair) else None,
        )

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
        host = urlsplit(self.endpoint).hostname or ""
        return host == _OPENAI or host.endswith(f".{_OPENAI}")

    @property
    def is_readable_on_the_way(self) -> bool:
        """What is sent there leaves this machine unencrypted."""
        parts = urlsplit(self.endpoint)
        return parts.scheme == "http" and not _is_this_machine(parts.hostname or "")


def endpoint_of(base_url: str | None) -> str:
    """The address of a server without credentials; see :meth:`ServerAddress.parse`."""
    return ServerAddress.parse(base_url).endpoint


def _is_this_machine(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")  # RFC 6761
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified
