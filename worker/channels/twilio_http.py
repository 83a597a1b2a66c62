"""The HTTP under the `twilio` library: one session, a hard time-out, nothing repeated, nothing logged.

    TwilioTrouble                 (a `TwilioException`)
    ├── Refused                   an answer other than 2xx
    ├── Garbled                   2xx, but not an answer of Twilio's
    └── Broken                    no answer; `kind` says whether the request may have been taken up

Creating a message has no idempotency key: a request that is repeated is a second SMS. What matters of every
failure is therefore whether anything may have been written. Before there is a connection, nothing can be.
A kept-alive connection that turns out dead is no proof: the server may have read the request before it
closed. aiohttp itself repeats only idempotent methods on one, never a POST.
"""

import asyncio
import json
import logging
import socket
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import SimpleNamespace
from urllib.parse import urlencode

import aiohttp
from aiohttp.client_exceptions import UnixClientConnectorError
from twilio.base.exceptions import TwilioException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from yarl import URL

from messages.clock import Clock
from messages.outcomes import ActionBy, FailureKind
from worker.channels.giving_up import bound_sending, drop_when_closed
from worker.channels.turns import WRITE_BY, NotBegun

_API_ROOT = "https://api.twilio.com"
_P, _R, _A = FailureKind.PERMANENT, FailureKind.RETRYABLE, FailureKind.AMBIGUOUS
_UNREACHABLE = "Twilio cannot be reached"
_NO_TLS = "Twilio cannot be reached securely: its certificate or TLS was refused"
_LOST = "The connection to Twilio was lost; whether it sent the message is not known"
_WRONG_URL = "TWILIO_BASE_URL is not a web address: write it like https://api.twilio.com"

#: Every exception of aiohttp's client, by class; a subclass not named here counts as its nearest parent.
TRANSPORT: Mapping[type[BaseException], tuple[FailureKind, str]] = {
    aiohttp.ClientError: (_A, _LOST),
    aiohttp.ClientConnectionError: (_A, _LOST),
    aiohttp.ClientConnectionResetError: (_A, _LOST),
    aiohttp.ClientOSError: (_A, _LOST),
    aiohttp.ClientConnectorError: (_R, _UNREACHABLE),
    aiohttp.ClientConnectorDNSError: (_R, "Twilio's name cannot be resolved"),
    aiohttp.ClientProxyConnectionError: (_R, _UNREACHABLE),
    aiohttp.ClientHttpProxyError: (_R, _UNREACHABLE),
    UnixClientConnectorError: (_R, _UNREACHABLE),
    aiohttp.ClientSSLError: (_R, _NO_TLS),
    aiohttp.ClientConnectorSSLError: (_R, _NO_TLS),
    aiohttp.ClientConnectorCertificateError: (_R, _NO_TLS),
    aiohttp.ServerFingerprintMismatch: (_R, _NO_TLS),
    aiohttp.ConnectionTimeoutError: (_R, _UNREACHABLE),
    aiohttp.ServerConnectionError: (_A, _LOST),
    aiohttp.ServerTimeoutError: (_A, _LOST),
    aiohttp.SocketTimeoutError: (_A, _LOST),
    aiohttp.ServerDisconnectedError: (_A, _LOST),
    aiohttp.ClientResponseError: (_A, _LOST),
    aiohttp.ContentTypeError: (_A, _LOST),
    aiohttp.ClientPayloadError: (_A, _LOST),
    aiohttp.TooManyRedirects: (_A, _LOST),
    aiohttp.WSServerHandshakeError: (_A, _LOST),
    aiohttp.InvalidURL: (_P, _WRONG_URL),
    aiohttp.InvalidUrlClientError: (_P, _WRONG_URL),
    aiohttp.NonHttpUrlClientError: (_P, _WRONG_URL),
    aiohttp.RedirectClientError: (_A, _LOST),
    aiohttp.InvalidUrlRedirectClientError: (_A, _LOST),
    aiohttp.NonHttpUrlRedirectClientError: (_A, _LOST),
    OSError: (_A, _LOST),
}


#: The longest Retry-After that is believed, in seconds.
LONGEST_WAIT = 3600.0


class TwilioTrouble(TwilioException):  # type: ignore[misc]  # twilio has no types
    """Twilio did not accept the request, or not in a way we understand."""


class Refused(TwilioTrouble):
    """Twilio answered with `status` (not 2xx), its own `code` if any, and perhaps when to come again."""

    def __init__(self, status: int, code: int | None, retry_after: float | None) -> None:
        super().__init__(f"HTTP {status}, code {code}")
        self.status, self.code, self.retry_after = status, code, retry_after


class Garbled(TwilioTrouble):
    """A 2xx answer whose body is not a JSON object."""


class Broken(TwilioTrouble):
    """There was no answer. `kind`, `reason` and `action_by` are the Outcome's."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason
        of_settings = reason in (_NO_TLS, _WRONG_URL)
        self.action_by = ActionBy.OPERATOR if of_settings else ActionBy.NOBODY


class OneSessionHttpClient(AsyncHttpClient):  # type: ignore[misc]  # likewise
    """What `twilio.rest.Client` sends its requests with. Build and use it on one event loop."""

    def __init__(self, *, base_url: str, timeout: float, connections: int, clock: Clock) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True, timeout=timeout)
        self._base_url = base_url.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, socket_factory=_sockets(timeout)),
            cookie_jar=aiohttp.DummyCookieJar(),
            # asyncio.timeout below bounds the whole; aiohttp rounds its own up to whole seconds.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trace_configs=[_connection_watch(clock)],
        )

    async def request(  # noqa: PLR0917 - the twilio library's signature
        self,
        method: str,
        uri: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - likewise
        allow_redirects: bool = False,  # noqa: ARG002 - likewise; never followed, a POST would be repeated
    ) -> Response:
        """Send one request, once. Raises Refused, Garbled or Broken."""
        connected = SimpleNamespace(yes=False)
        try:
            async with (
                asyncio.timeout(timeout or self.timeout),
                self._session.request(
                    method,
                    _with_query(uri.replace(_API_ROOT, self._base_url, 1), params),
                    data=urlencode(data, doseq=True).encode("ascii") if data else None,
                    headers={**(headers or {}), **_basic(auth)},
                    allow_redirects=False,
                    trace_request_ctx=connected,
                ) as answer,
            ):
                body = (await answer.read()).decode("utf-8", "replace")
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise broken(error, connected=connected.yes) from None
        return _checked(answer.status, body, answer.headers)

    async def close(self) -> None:
        """Close the session and its connections."""
        await self._session.close()


def _sockets(timeout: float) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """Make sockets that send nothing more of a request that was given up after `timeout` seconds."""

    def make(address: aiohttp.AddrInfoType) -> socket.socket:
        sock = socket.socket(*address[:3])
        sock.setblocking(False)
        bound_sending(sock, timeout)
        drop_when_closed(sock)
        return sock

    return make


def broken(error: BaseException, *, connected: bool) -> Broken:
    """Say what a failure without an answer means; `connected`: there was a connection to write to."""
    nearest = next((known for known in type(error).__mro__ if known in TRANSPORT), None)
    if isinstance(error, TimeoutError) and nearest in (None, OSError):
        if connected:
            return Broken(_A, "Twilio did not answer in time; whether it sent the message is not known")
        return Broken(_R, "Twilio could not be reached in time")
    if nearest is None:  # such as UnicodeError, for a host name that cannot be encoded
        return Broken(_A, _LOST) if connected else Broken(_P, _WRONG_URL)
    return Broken(*TRANSPORT[nearest])


def _with_query(url: str, params: Mapping[str, object] | None) -> str | URL:
    # aiohttp would encode what it is given as `params=` once more: a number's `+` became `%252B`.
    return URL(f"{url}?{urlencode(params, doseq=True)}", encoded=True) if params else url


def _checked(status: int, body: str, headers: Mapping[str, str]) -> Response:
    try:
        payload = json.loads(body)
    except ValueError:
        payload = None
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        code = payload.get("code") if isinstance(payload, dict) else None
        raise Refused(
            status, code if isinstance(code, int) else None, seconds_to_wait(headers.get("Retry-After"))
        )
    if not isinstance(payload, dict):
        raise Garbled(f"HTTP {status} without a JSON object")
    return Response(status, body, headers)


def seconds_to_wait(retry_after: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header, seconds or a date, as seconds from now. None when absent or unreadable."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return min(float(retry_after), LONGEST_WAIT)
    try:
        then = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return min(max(0.0, (then - (now or datetime.now(UTC))).total_seconds()), LONGEST_WAIT)


def _basic(auth: tuple[str, str] | None) -> dict[str, str]:
    # As a header, since aiohttp's `auth=` is deprecated.
    return {"Authorization": "Basic " + b64encode(":".join(auth).encode()).decode()} if auth else {}


def _connection_watch(clock: Clock) -> aiohttp.TraceConfig:
    """Note on a request that it has a connection: from then on, something may have been written."""

    async def note(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
        # The request is written in this very step of the loop. A process that was stopped while it waited
        # for a connection goes on right here, before the loop looks at any time-out.
        if clock() >= WRITE_BY.get():
            raise NotBegun
        context.trace_request_ctx.yes = True

    watch = aiohttp.TraceConfig()
    watch.on_connection_create_end.append(note)
    watch.on_connection_reuseconn.append(note)
    return watch
