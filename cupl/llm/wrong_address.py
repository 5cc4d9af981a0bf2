"""A base URL that is not that of an API, and the one that would be right."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from cupl.errors import ServerError
from cupl.llm.address import ServerAddress

if TYPE_CHECKING:
    import httpx2
    import openai

_PATHS = {
    "openrouter.ai": "/api/v1",
    "groq.com": "/openai/v1",
    "generativelanguage.googleapis.com": "/v1beta/openai",
    "aliyuncs.com": "/compatible-mode/v1",
    "deepinfra.com": "/v1/openai",
    "fireworks.ai": "/inference/v1",
    "openai.azure.com": "/openai/v1",
}
"""Where hosts that do not have it at ``/v1`` have their API."""
_VERSION = re.compile(r".*?/v[0-9]+(?:alpha|beta)?(?:/openai)?(?=/|$)")
"""A path up to its first version: what is behind it is not the base of an API."""
_PROBE_SECONDS = 5.0


class WrongAddressError(ServerError):
    """What answers at the base URL is no API that could give completions.

    Args:
        what: the beginning of a sentence that says how it answers.
        address: the server.
        url: the base URL that would be right, where that is known.
        otherwise: what is wrong should the base URL turn out to be right.

    """

    def __init__(
        self,
        what: str,
        address: ServerAddress,
        url: str | None = None,
        *,
        otherwise: ServerError | None = None,
    ) -> None:
        self.what, self.address, self.url = what, address, url
        self.otherwise = otherwise or ServerError(what)
        guess = url or _usual(address)
        self.better = guess != address.endpoint
        """There is another that is right, or likelier."""
        if self.better:
            end = f"the right base URL is {guess}" if url else f"try the base URL {guess}"
        else:
            end = f"is {guess} the right base URL?"
        version = f"?api-version={address.api_version}" if address.api_version else ""
        value = guess + version if self.better and not address.credentials else ...
        super().__init__(f"{what}; {end}", arguments={"base_url": value})


async def with_right_url(error: WrongAddressError, client: openai.AsyncOpenAI) -> ServerError:
    """The error with the address that answers, should one on the same host do.

    Args:
        error: without that.
        client: connected to the server; no redirect is followed, so that no other host is asked.

    """
    if error.url:
        return error
    address = error.address
    try:
        async with asyncio.timeout(2 * _PROBE_SECONDS):
            for url in _candidates(address):
                if await _answers(client, url):
                    right = url == address.endpoint
                    return error.otherwise if right else WrongAddressError(error.what, address, url)
    except TimeoutError:
        pass
    return error


async def _answers(client: openai.AsyncOpenAI, url: str) -> bool:
    """Whether there is a list of models, or somebody who wants a key for it."""
    import httpx2
    import openai

    from cupl.llm.body_limit import BodyTooLargeError

    options: Any = {"timeout": _PROBE_SECONDS, "follow_redirects": False}
    try:
        answer = await client.get(f"{url}/models", cast_to=httpx2.Response, options=options)
    except openai.APIStatusError as error:
        return error.status_code in (401, 403) and isinstance(error.body, dict)
    except (openai.APIError, httpx2.HTTPError, BodyTooLargeError, ValueError):
        return False
    return _is_list(answer)


def _is_list(answer: httpx2.Response) -> bool:
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and any(isinstance(body.get(n), list) for n in ("data", "models"))


def _usual(address: ServerAddress) -> str:
    """The address that is likely right, of what is known without asking."""
    for host, path in _PATHS.items():
        if address.host == host or address.host.endswith(f".{host}"):
            return _at(address, path)
    path = re.sub(r"/{2,}", "/", urlsplit(address.endpoint).path)
    whole = _VERSION.match(path)
    return _at(address, whole[0] if whole else f"{path}/v1")


def _candidates(address: ServerAddress) -> list[str]:
    """Addresses on the same host where an API may be, the likeliest first, what was given last."""
    likely = [_usual(address), _at(address, "/v1"), _at(address, "/api/v1")]
    if "/v1beta" in address.endpoint:  # Gemini's, by way of a gateway
        likely.append(_at(address, "/v1beta/openai"))
    others = [url for url in dict.fromkeys(likely) if url != address.endpoint]
    return [*others, address.endpoint]


def _at(address: ServerAddress, path: str) -> str:
    parts = urlsplit(address.endpoint)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
