"""The proxy that the environment names for a server, and what is said where it is in the way."""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import os
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from cupl.errors import InputError
from cupl.llm.address import ServerAddress


@dataclass(frozen=True)
class Proxy:
    """A proxy.

    Args:
        source: the environment variable that names it.
        shown: where it is, without user and password.
        url: as it is used.

    """

    source: str
    shown: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        return f"the proxy in {self.source} ({self.shown})"

    @property
    def secrets(self) -> list[str]:
        """User and password of it."""
        parts = urlsplit(self.url)
        found = filter(None, (parts.username, parts.password))
        return [form for text in found for form in {text, unquote(text)}]


def proxy_of(address: ServerAddress) -> Proxy | None:
    """The proxy by which a server is reached; None for this machine, which no proxy can reach.

    Args:
        address: the server.

    Raises:
        InputError: the environment names none that can be used; the message has no password.

    """
    scheme = urlsplit(address.endpoint).scheme
    found = getproxies()
    url = found.get(scheme) or found.get("all")
    if not url or address.is_this_machine or _is_left_out(address):
        return None
    source = _source(scheme if found.get(scheme) else "all")
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port == 0 or not url.isprintable():
        raise InputError(
            f"{source} names no proxy that can be used: it looks like http://proxy.example:3128, "
            "with a port from 1 to 65535"
        )
    if parts.scheme not in ("http", "https", "socks5", "socks5h"):
        raise InputError(
            f"{source} names a proxy of a kind that cannot be used: it starts with http://, "
            f"https:// or socks5://; or add {address.host} to NO_PROXY"
        )
    if parts.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise InputError(
            f"{source} names a SOCKS proxy, and the package for those is not installed: "
            f"pip install socksio, or add {address.host} to NO_PROXY"
        )
    where = f"[{host}]" if ":" in host else host
    shown = f"{parts.scheme}://{where}" + (f":{port}" if port else "")
    return Proxy(source, shown, url)


def _is_left_out(address: ServerAddress) -> bool:
    netloc = urlsplit(address.endpoint).netloc
    if proxy_bypass(netloc) or proxy_bypass(address.host):
        return True
    for name in getproxies().get("no", "").split(","):
        with contextlib.suppress(ValueError):  # neither is an address, or one of them is not
            if ipaddress.ip_address(address.host) in ipaddress.ip_network(name.strip(), False):
                return True
    return False


def _source(scheme: str) -> str:
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    return next((name for name in names if os.environ.get(name)), "the system's settings")
