"""Why an attachment cannot be had, and whether trying again later may help. Pure.

The sentences name the host, never the rest of the URL, which may hold a secret.
"""

from collections.abc import Mapping
from http import HTTPStatus

import aiohttp
from yarl import URL

from messages.errors import AttachmentError

_TEMPORARY = frozenset({408, 425, 429})

_LOST = "the connection to {host} was lost"
_NOT_VALID = "the URL is not valid"

#: By class, for what happens below HTTP; a subclass not named here counts as its nearest parent.
_WHY: Mapping[type[BaseException], str] = {
    aiohttp.ClientConnectorDNSError: "the name {host} is not found",
    aiohttp.ClientSSLError: "the certificate or TLS of {host} was refused",
    aiohttp.ClientConnectorError: "{host} cannot be reached",
    aiohttp.ConnectionTimeoutError: "{host} cannot be reached",
    aiohttp.InvalidURL: _NOT_VALID,
    aiohttp.NonHttpUrlClientError: _NOT_VALID,
    aiohttp.ClientError: _LOST,
    ValueError: _NOT_VALID,  # aiohttp lets some of these through
    BaseException: _LOST,
}


class NotPublicError(OSError):
    """The address is not on the public internet."""

    def __init__(self) -> None:
        # The same text for every address: of several that fail alike, aiohttp raises the first as it is.
        super().__init__("not a public address")


def unwelcome(status: int, url: URL) -> AttachmentError:
    """Say what an HTTP status other than 200 means."""
    try:
        phrase = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = str(status)
    temporary = status in _TEMPORARY or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return AttachmentError(f"The attachment cannot be had: {url.host} answered {phrase}", temporary=temporary)


def unreachable(error: BaseException, url: URL) -> AttachmentError:
    """Say what a failure without an HTTP answer means."""
    if isinstance(getattr(error, "os_error", None), NotPublicError):
        return AttachmentError(
            f"The attachment is at {url.host}, which is not a public address; "
            "ATTACHMENT_HOSTS can allow that host"
        )
    why = next(_WHY[known] for known in type(error).__mro__ if known in _WHY)
    if why is _NOT_VALID:
        return AttachmentError(f"The attachment's URL at {url.host} is not valid")
    return AttachmentError(f"The attachment cannot be had: {why.format(host=url.host)}", temporary=True)
