"""Reads a request's body, JSON or a form: bounded in size and time, and of the large ones a few at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

from fastapi import Request
from starlette.requests import ClientDisconnect

from intake.answers import RETRY_AFTER, Refusal
from intake.large_bodies import PROGRESS_BYTES, PROGRESS_SECONDS, LargeBodies, LargeBody
from messages.bulk import check_values
from messages.errors import ErrorType, InvalidMessage
from messages.json_values import parse_json

#: Bodies of more bytes than this are large; as many of them are in memory at once, and of one client.
LARGE = 262_144
LARGE_AT_ONCE = 4
LARGE_PER_CLIENT = 3

#: A Message of more values than this is none: parsed, each takes some hundred bytes.
MAX_VALUES = 250_000

#: What a request's scope says, by this name, if its body was there when it was served: nothing has to be
#: waited for, and a timer for each request costs more than to parse it.
WHOLE = "roundsman.body_is_whole"

#: How long what is too large is still listened to, in seconds: a client reads no answer while it writes.
_LISTEN_SECONDS = 2

_CLOSE = {"Connection": "close"}


class Bodies:
    """The bodies of one process. `seconds` is how long one may take to arrive."""

    def __init__(self, max_bytes: int, seconds: float) -> None:
        self.max_bytes, self._seconds = max_bytes, seconds
        self._large = LargeBodies(LARGE_AT_ONCE, LARGE_PER_CLIENT)

    def json(self, request: Request) -> "ParsedBody":
        """The parsed body, as a context manager; of a large one, the turn is over when the block ends.

        Raises Refusal (408, 413, 415, 503) or InvalidMessage (400).
        """
        return ParsedBody(self, request, self._place(request))

    async def form(self, request: Request, max_bytes: int) -> dict[str, list[str]]:
        """The fields of a form, empty ones too. Raises Refusal (408, 413) or InvalidMessage (400)."""
        place = self._place(request)
        try:
            body = await self.read(request, max_bytes, place)
        finally:
            place.end()
        try:
            return parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
        except ValueError:
            raise InvalidMessage("The body is not a form (application/x-www-form-urlencoded).") from None

    def _place(self, request: Request) -> LargeBody:
        return self._large.body(request.client.host if request.client else "")

    async def read(self, request: Request, max_bytes: int, place: LargeBody) -> bytes:
        """The body; if it is large, once there is room for it."""
        try:
            async with asyncio.timeout(None if request.scope.get(WHOLE) else self._seconds) as limit:
                return await self._read(request, max_bytes, place, limit)
        except TimeoutError:
            if place.is_too_slow:
                least = f"fewer than {PROGRESS_BYTES:,} bytes within {PROGRESS_SECONDS:g} s"
                raise Refusal(
                    408, f"The body came too slowly while others waited: {least}.", _CLOSE
                ) from None
            raise Refusal(408, f"The body did not arrive within {self._seconds:g} s.", _CLOSE) from None
        except ClientDisconnect:
            raise Refusal(400, "The body broke off.", _CLOSE) from None

    async def _read(
        self, request: Request, max_bytes: int, place: LargeBody, limit: asyncio.Timeout
    ) -> bytes:
        announced = request.headers.get("content-length", "")
        size = int(announced) if announced.isdecimal() else 0
        body, chunks, is_large = bytearray(), request.stream(), False
        if size <= max_bytes:
            async for chunk in chunks:
                body += chunk
                if len(body) > max_bytes:
                    break
                if is_large:
                    place.arrived(len(body))
                elif len(body) > LARGE:
                    is_large = True
                    await self._take(place, len(body), limit)
            else:
                place.is_whole()
                return bytes(body)
        size = max(size, len(body))
        body.clear()
        if "expect" not in request.headers:  # else the client waits for leave to send it
            await _listen(chunks, max_bytes)
        raise Refusal(413, f"The body has {size:,} bytes or more; at most {max_bytes:,} are taken.", _CLOSE)

    async def _take(self, place: LargeBody, received: int, limit: asyncio.Timeout) -> None:
        """Wait while others are in memory; the client waits, too, and its time does not run."""
        limit.reschedule(None)
        try:
            async with asyncio.timeout(self._seconds):
                await place.take(received, limit)
        except TimeoutError:
            again = {"Retry-After": str(RETRY_AFTER)} | _CLOSE
            message = "Too many large requests are under way; try again."
            raise Refusal(503, message, again, ErrorType.OVERLOADED) from None
        limit.reschedule(asyncio.get_running_loop().time() + self._seconds)


class ParsedBody:
    """Gives the JSON of a request, for the length of a block."""

    __slots__ = ("_bodies", "_place", "_request")

    def __init__(self, bodies: Bodies, request: Request, place: LargeBody) -> None:
        self._bodies, self._request, self._place = bodies, request, place

    async def __aenter__(self) -> object:
        _check_type(self._request)
        try:
            return _parse(await self._bodies.read(self._request, self._bodies.max_bytes, self._place))
        except BaseException:
            self._place.end()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._place.end()


async def _listen(chunks: AsyncIterator[bytes], max_bytes: int) -> None:
    """Let a client that sends somewhat too much finish, so that it reads why it was refused."""
    heard = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LISTEN_SECONDS):
            async for chunk in chunks:
                heard += len(chunk)
                if heard > 2 * max_bytes:
                    return


def _check_type(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        given = f"not {kind[:60]!r}" if kind else "but none was given"
        raise Refusal(415, f"The Content-Type must be application/json, {given}.")
    if encoding := request.headers.get("content-encoding"):
        raise Refusal(415, f"The Content-Encoding must be left out, not {encoding[:60]!r}.")


def _parse(body: bytes) -> object:
    if not body.strip():
        raise InvalidMessage("The body is not JSON: it is empty.")
    check_values(body, MAX_VALUES)
    try:
        return parse_json(body)
    except ValueError as error:
        raise InvalidMessage(f"The body is not JSON: {error}.") from None
