"""Credentials: which key, or user and password, is sent to which server."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

from cupl.errors import InputError, ServerError
from cupl.llm.address import ServerAddress
from cupl.llm.redaction import is_placeholder

OPENAI_KEY = "OPENAI_API_KEY"
"""The environment variable with the key for OpenAI's own servers."""
_KEY = re.compile(r"[!-~]*")
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
"""What is certainly the name of a variable; anything else could be a key in its place."""


@dataclass(frozen=True)
class ServerAccess:
    """A server and the credentials that every request to it carries.

    Args:
        address: the server. User and password of its base URL are sent where it has them.
        key: the key that is sent otherwise; "" for none.
        key_env: the environment variable that holds the key.

    """

    address: ServerAddress
    key: str = field(default="", repr=False)
    key_env: str = OPENAI_KEY

    @property
    def authorization(self) -> str:
        """The value of the header ``Authorization``; servers that want no key ignore it."""
        basic = self.address.basic_token
        return f"Basic {basic}" if basic else f"Bearer {self.key or 'none'}"

    @property
    def header(self) -> tuple[str, str]:
        """Name and value of the header with the credentials.

        Azure takes its keys as ``api-key`` at every path, and as ``Authorization`` only at some;
        a token of its login (a JWT, which begins with ``eyJ``) is no such key.
        """
        is_key = self.key and not self.key.startswith("eyJ") and not self.address.credentials
        if self.address.is_azure and is_key:
            return "api-key", self.key
        return "Authorization", self.authorization

    @property
    def sent_secrets(self) -> list[str]:
        """The credentials that requests carry, in every form in which they could be repeated."""
        return self.address.secrets or _hidden(self.key)

    @property
    def secrets(self) -> list[str]:
        """What must not be shown or stored: what is sent, and ``$OPENAI_API_KEY`` in any case."""
        unsent = os.environ.get(OPENAI_KEY, "").strip()
        return [*self.sent_secrets, *_hidden(unsent if _KEY.fullmatch(unsent) else "")]

    @property
    def lacks_key(self) -> bool:
        """Requests carry neither a key nor user and password."""
        return not self.key and self.address.credentials is None

    @property
    def credentials_name(self) -> str:
        """What messages call the credentials that are sent."""
        if self.address.credentials:
            return "the user and password in the base URL"
        return f"the key in {self.key_env}"

    def warning(self) -> str | None:
        """A warning where the credentials would leave this machine unencrypted, else None."""
        if not self.sent_secrets or not self.address.is_readable_on_the_way:
            return None
        return (
            f"{self.credentials_name} can be read by anyone on the way to {self.address.endpoint}: "
            "use https, or a tunnel that ends on this machine"
        )


def warn(sentence: str) -> None:
    """Tell the caller of the library with a Python warning, which is shown once."""
    warnings.warn(sentence, stacklevel=2)


def access_to(
    address: ServerAddress,
    api_key_env: str | None = None,
    notice: Callable[[str], None] = warn,
) -> ServerAccess:
    """Decide which key a server gets.

    The key in ``$OPENAI_API_KEY`` is for OpenAI: no other host gets it unless the person names the
    variable. That ``$OPENAI_BASE_URL`` is set does not count: whoever set it, in a container or a
    profile, need not be who pays for the key.

    Args:
        address: the server.
        api_key_env: the environment variable that holds its key; None for ``OPENAI_API_KEY`` where
            the server is OpenAI's, and for no key where it is another.
        notice: told where the key, or user and password, could be read on the way, and what was
            taken off the base URL.

    Raises:
        InputError: there is no key in the variable that was named, or what no key holds, or there
            is a user or password in the base URL too.
        ServerError: OpenAI itself is meant and there is no key.

    """
    access = ServerAccess(address)
    if api_key_env is not None:
        access = ServerAccess(address, _named_key(address, api_key_env), api_key_env)
    elif address.is_openai and address.credentials is None:
        access = ServerAccess(address, api_key())
        if not access.key:
            raise ServerError(
                "OPENAI_API_KEY is not set; set it, or name the variable that holds the key "
                "(api_key_env), or a server of your own (base_url), or a model that needs no key",
                arguments={"api_key_env": ..., "base_url": ..., "model": "mini"},
            )
    if address.taken_off:
        notice(f"the base URL is {address.endpoint}, without {address.taken_off}")
    if said := access.warning():
        notice(said)
    return access


def _named_key(address: ServerAddress, variable: str) -> str:
    if address.credentials:
        raise InputError(
            "the base URL holds a user or password and api_key_env names a key, and a request "
            "carries only one of them; leave one out",
            arguments={"api_key_env": False},
        )
    key = api_key(variable)
    if not key:
        shown = f" {variable}" if _NAME.fullmatch(variable) else ""
        raise InputError(
            f"the environment variable{shown} that api_key_env names is not set, or empty; set it "
            "to the key; api_key_env is the name of the variable, not the key",
            arguments={"api_key_env": ...},
        )
    return key


def api_key(variable: str = OPENAI_KEY) -> str:
    """The key in an environment variable, without the line end that a settings file leaves on it.

    Returns:
        The key, or "" where the variable is not set.

    Raises:
        InputError: it holds what no key holds; the message does not repeat it.

    """
    key = os.environ.get(variable, "").strip()
    if not _KEY.fullmatch(key):
        raise InputError(f"{variable} holds a character that no key has; set it again")
    return key


def openai_secrets() -> list[str]:
    """What must not be shown or stored of answers whose server is not known.

    Raises:
        InputError: ``$OPENAI_API_KEY`` holds what no key holds.

    """
    return _hidden(api_key())


def _hidden(key: str) -> list[str]:
    return [] if is_placeholder(key) else [key]
