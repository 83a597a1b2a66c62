"""Why an attachment cannot be fetched, and whether trying again later may help. Pure.

The sentences name the host, never the rest of the URL, which may hold a secret.
"""

import socket
from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address

import aiohttp
from yarl import URL

from messages.errors import AttachmentError

#: The longest line and header field of an answer.
MAX_HEAD_BYTES = 65_536

_TEMPORARY = frozenset({408, 425, 429})

_LOST = "the connection to {host} was lost"
_NOT_VALID = "the URL is not valid"
_NOT_HTTP = "{host} sent an answer that is not valid HTTP, or longer than it said"

#: By class, for what happens below HTTP; a subclass not named here counts as its nearest parent.
_WHY: Mapping[type[BaseException], str] = {
    aiohttp.ClientSSLError: "the certificate or TLS of {host} was refused",
    aiohttp.ClientConnectorError: "{host} cannot be reached",
    aiohttp.ConnectionTimeoutError: "{host} cannot be reached",
    aiohttp.InvalidURL: _NOT_VALID,
    aiohttp.NonHttpUrlClientError: _NOT_VALID,
    aiohttp.ClientResponseError: _NOT_HTTP,
    aiohttp.ClientError: _LOST,
    ValueError: _NOT_VALID,  # aiohttp lets some of these through
    BaseException: _LOST,
}

#: Answers that are wrong in the same way at each attempt, by how aiohttp's message begins.
_FOR_GOOD: Mapping[str, str] = {
    "Got more than": f"{{host}} sent a header of more than {MAX_HEAD_BYTES:,} bytes",
    "Too many headers": "{host} sent too many headers",
    "Data after": "{host} sent more bytes than its Content-Length says",
}


class NotPublicError(OSError):
    """The address is not on the public internet, or is denied."""

    def __init__(self) -> None:
        # The same text for every address: of several that fail alike, aiohttp raises the first as it is.
        super().__init__("not a public address")


def unwelcome(status: int, url: URL) -> AttachmentError:
    """Say what an HTTP status without a file means."""
    try:
        phrase = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = str(status)
    temporary = status in _TEMPORARY or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    reason = f"The attachment cannot be fetched: {url.host} answered {phrase}"
    return AttachmentError(reason, temporary=temporary)


def unreachable(error: BaseException, url: URL) -> AttachmentError:
    """Say what a failure without an HTTP answer means."""
    refused = isinstance(getattr(error, "os_error", None), NotPublicError)
    if refused and _is_address(url):
        return AttachmentError(
            f"The attachment is at {url.host}, which is not a public address or is denied; "
            "ATTACHMENT_HOSTS can allow that host"
        )
    if refused or isinstance(error, aiohttp.ClientConnectorDNSError):
        # One sentence and one kind for both: else producers could find out which internal names exist.
        return AttachmentError(
            f"The attachment cannot be fetched: the name {url.host} is not found, or not at a public "
            "address; ATTACHMENT_HOSTS can allow that host",
            temporary=True,
        )
    why = next(_WHY[known] for known in type(error).__mro__ if known in _WHY)
    if why is _NOT_VALID:
        return AttachmentError(f"The attachment's URL at {url.host} is not valid")
    if isinstance(error, aiohttp.ClientResponseError):
        why, temporary = next(
            ((said, False) for begin, said in _FOR_GOOD.items() if error.message.startswith(begin)),
            (why, True),
        )
        return AttachmentError(
            f"The attachment cannot be fetched: {why.format(host=url.host)}", temporary=temporary
        )
    return AttachmentError(f"The attachment cannot be fetched: {why.format(host=url.host)}", temporary=True)


def _is_address(url: URL) -> bool:
    """Whether the URL names an address, in any notation, or this machine: nothing was looked up."""
    host = (url.host or "").partition("%")[0].rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ip_address(host)
    except ValueError:
        try:
            socket.inet_aton(host)  # 127.1, 2130706433, 0x7f000001
        except (OSError, ValueError):
            return False
    return True
