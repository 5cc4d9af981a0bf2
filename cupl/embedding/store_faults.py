"""What goes wrong with an object store, in words of ours.

The errors of the stores' libraries name requests, and requests hold keys and signatures: nothing
of their texts is shown, only their kinds, codes and numbers are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cupl.embedding.image_errors import NO_FILE, UNREAD, ImageError

NO_KEYS = (
    "no keys for the store were found, or not all of them: set them in the environment, such as "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or for public data FSSPEC_S3_ANON=true"
)
NO_BUCKET = "there is no such bucket: check its name, and AWS_ENDPOINT_URL where it is not Amazon's"
NO_PROFILE = "there is no profile of the name in AWS_PROFILE: check it, or set the keys themselves"
NO_ADDRESS = "AWS_ENDPOINT_URL is no address of a store: http://HOST:PORT or https://HOST"
KEYS_REFUSED = "the store refuses the keys: check those in the environment, and the clock"
NO_ACCESS = "access is refused: check the keys in the environment, and what they may do"
OUT_OF_REACH = "the store cannot be reached: check its address and the network"
LATE = "the store does not answer in time"
BROKEN_OFF = "the connection to the store broke off"
BUSY = "the store is busy or out of order"

_KINDS = {
    "NoCredentialsError": NO_KEYS,
    "PartialCredentialsError": NO_KEYS,
    "CredentialRetrievalError": NO_KEYS,
    "ProfileNotFound": NO_PROFILE,
    "TokenRetrievalError": NO_KEYS,
    "UnauthorizedSSOTokenError": NO_KEYS,
    "DefaultCredentialsError": NO_KEYS,
    "RefreshError": NO_KEYS,
    "GatedRepoError": NO_ACCESS,
    "RepositoryNotFoundError": "there is no such repository, or it needs a token: hf auth login",
    "OfflineModeIsEnabled": "the hub is not asked while HF_HUB_OFFLINE is set",
    "ParamValidationError": "this is no name that a bucket or an object can have",
    "EndpointConnectionError": OUT_OF_REACH,
    "ConnectTimeoutError": OUT_OF_REACH,
    "ConnectionRefusedError": OUT_OF_REACH,
    "ClientConnectorError": OUT_OF_REACH,
    "ConnectError": OUT_OF_REACH,
    "gaierror": OUT_OF_REACH,
    "ReadTimeoutError": LATE,
    "TimeoutError": LATE,
    "FSTimeoutError": LATE,
    "ReadTimeout": LATE,
    "ConnectionClosedError": BROKEN_OFF,
    "ResponseStreamingError": BROKEN_OFF,
    "IncompleteReadError": BROKEN_OFF,
    "IncompleteRead": BROKEN_OFF,
    "ClientPayloadError": BROKEN_OFF,
    "ContentLengthError": BROKEN_OFF,
    "ServerDisconnectedError": BROKEN_OFF,
    "ConnectionResetError": BROKEN_OFF,
    "RemoteProtocolError": BROKEN_OFF,
    "InvalidEndpointDiscoveryConfiguration": OUT_OF_REACH,
}
_CODES = {
    "NoSuchBucket": NO_BUCKET,
    "InvalidBucketName": NO_BUCKET,
    "NoSuchKey": NO_FILE,
    "InvalidAccessKeyId": KEYS_REFUSED,
    "SignatureDoesNotMatch": KEYS_REFUSED,
    "ExpiredToken": KEYS_REFUSED,
    "InvalidToken": KEYS_REFUSED,
    "RequestTimeTooSkewed": KEYS_REFUSED,
    "AccessDenied": NO_ACCESS,
    "InvalidRange": "empty",
}
_NUMBERS = {401: KEYS_REFUSED, 403: NO_ACCESS, 404: NO_FILE, 416: "empty", 408: LATE, 504: LATE}
FOR_ALL = frozenset(_KINDS.values()) | {NO_BUCKET, KEYS_REFUSED, NO_ACCESS, BUSY, NO_ADDRESS}
"""What is no matter of one object."""


def why_not(error: BaseException) -> str:
    """What a store's library says; ``empty`` where an object has no byte to give."""
    chain = list(_chain(error))
    for told in (_by_code, _by_kind, _by_number):
        for one in chain:
            if why := told(one):
                return why
    return f"the store cannot be used ({type(chain[-1]).__name__})"


def _by_code(error: BaseException) -> str | None:
    return _CODES.get(_code(error) or "")


def _by_kind(error: BaseException) -> str | None:
    if isinstance(error, ValueError) and str(error).startswith("Invalid endpoint"):  # botocore
        return NO_ADDRESS
    kinds = type(error).__mro__
    return next((_KINDS[kind.__name__] for kind in kinds if kind.__name__ in _KINDS), None)


def _by_number(error: BaseException) -> str | None:
    number = _number(error)
    if number is None:
        named = {FileNotFoundError: NO_FILE, PermissionError: NO_ACCESS}
        return next((why for kind, why in named.items() if isinstance(error, kind)), None)
    busy = number >= 500 or number == 429
    return _NUMBERS.get(number) or (f"{BUSY} ({number})" if busy else None)


def unread_object(error: BaseException) -> ImageError:
    """That an image was not read for it; all of it may pass but that it is empty."""
    why = why_not(error)
    if why == "empty":
        return ImageError("the file is empty")
    return ImageError(why if why == NO_FILE else f"{UNREAD}: {why}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen = set[int]()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _answer(error: Any) -> dict[str, Any]:
    response = getattr(error, "response", None)  # of botocore
    return response if isinstance(response, dict) else {}


def _code(error: BaseException) -> str | None:
    code = _answer(error).get("Error", {}).get("Code") or getattr(error, "error_code", None)
    return code if isinstance(code, str) else None


def _number(error: BaseException) -> int | None:
    told = _answer(error).get("ResponseMetadata", {}).get("HTTPStatusCode")
    response = getattr(error, "response", None)
    for number in (told, getattr(response, "status_code", None), getattr(error, "status", None),
                   getattr(error, "code", None)):  # fmt: skip
        if isinstance(number, int | str) and str(number).isdecimal():
            return int(number)
    return None
