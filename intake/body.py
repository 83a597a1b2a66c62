"""Reads a request's body, JSON or a form: bounded in size and time, and of the large ones a few at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

from fastapi import Request
from starlette.requests import ClientDisconnect

from intake.answers import RETRY_AFTER, Refusal
from messages.bulk import check_values
from messages.errors import ErrorType, InvalidMessage
from messages.json_values import parse_json

#: Bodies of more bytes than this are large; as many of them are in memory at once.
LARGE = 262_144
LARGE_AT_ONCE = 4

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
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    def json(self, request: Request) -> "ParsedBody":
        """The parsed body, as a context manager; of a large one, the turn is over when the block ends.

        Raises Refusal (408, 413, 415, 503) or InvalidMessage (400).
        """
        return ParsedBody(self, request, _Turn(self._large))

    async def form(self, request: Request, max_bytes: int) -> dict[str, list[str]]:
        """The fields of a form, empty ones too. Raises Refusal (408, 413) or InvalidMessage (400)."""
        turn = _Turn(self._large)
        try:
            body = await self.read(request, max_bytes, turn)
        finally:
            turn.end()
        try:
            return parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
        except ValueError:
            raise InvalidMessage("The body is not a form (application/x-www-form-urlencoded).") from None

    async def read(self, request: Request, max_bytes: int, turn: "_Turn") -> bytes:
        """The body; if it is large, in its turn."""
        try:
            async with asyncio.timeout(None if request.scope.get(WHOLE) else self._seconds) as limit:
                return await self._read(request, max_bytes, turn, limit)
        except TimeoutError:
            raise Refusal(408, f"The body did not arrive within {self._seconds:g} s.", _CLOSE) from None
        except ClientDisconnect:
            raise Refusal(400, "The body broke off.", _CLOSE) from None

    async def _read(self, request: Request, max_bytes: int, turn: "_Turn", limit: asyncio.Timeout) -> bytes:
        announced = request.headers.get("content-length", "")
        size = int(announced) if announced.isdecimal() else 0
        body, chunks, is_large = bytearray(), request.stream(), False
        if size <= max_bytes:
            async for chunk in chunks:
                body += chunk
                if len(body) > max_bytes:
                    break
                if len(body) > LARGE and not is_large:
                    is_large = True
                    await self._take_turn(turn, limit)
            else:
                return bytes(body)
        size = max(size, len(body))
        body.clear()
        if "expect" not in request.headers:  # else the client waits for leave to send it
            await _listen(chunks, max_bytes)
        raise Refusal(413, f"The body has {size:,} bytes or more; at most {max_bytes:,} are taken.", _CLOSE)

    async def _take_turn(self, turn: "_Turn", limit: asyncio.Timeout) -> None:
        """Wait while others are in memory; the client waits, too, and its time does not run."""
        limit.reschedule(None)
        try:
            async with asyncio.timeout(self._seconds):
                await turn.take()
        except TimeoutError:
            again = {"Retry-After": str(RETRY_AFTER)} | _CLOSE
            message = "Too many large requests are under way; try again."
            raise Refusal(503, message, again, ErrorType.OVERLOADED) from None
        limit.reschedule(asyncio.get_running_loop().time() + self._seconds)


class _Turn:
    """Whether one has the turn of a large body. Made for each request, used by few: no exit stack."""

    __slots__ = ("_is_taken", "_large")

    def __init__(self, large: asyncio.Semaphore) -> None:
        self._large, self._is_taken = large, False

    async def take(self) -> None:
        """Wait for it."""
        await self._large.acquire()
        self._is_taken = True

    def end(self) -> None:
        """Give it back, if it was taken."""
        if self._is_taken:
            self._is_taken = False
            self._large.release()


class ParsedBody:
    """Gives the JSON of a request, for the length of a block."""

    __slots__ = ("_bodies", "_request", "_turn")

    def __init__(self, bodies: Bodies, request: Request, turn: _Turn) -> None:
        self._bodies, self._request, self._turn = bodies, request, turn

    async def __aenter__(self) -> object:
        _check_type(self._request)
        try:
            return _parse(await self._bodies.read(self._request, self._bodies.max_bytes, self._turn))
        except BaseException:
            self._turn.end()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._turn.end()


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
