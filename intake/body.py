"""Reads a request's body: JSON, or a provider's form; of bounded size, in bounded time."""

import asyncio
from urllib.parse import parse_qs

import orjson
from fastapi import Request
from starlette.requests import ClientDisconnect

from intake.answers import Refusal
from messages.errors import InvalidMessage

#: A body that takes longer to arrive is not waited for, in seconds.
BODY_TIMEOUT = 30


async def read_json(request: Request, max_bytes: int) -> object:
    """The parsed body. Raises Refusal (408, 413, 415) or InvalidMessage (400)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        given = f"not {kind[:60]!r}" if kind else "but none was given"
        raise Refusal(415, f"The Content-Type must be application/json, {given}.")
    if encoding := request.headers.get("content-encoding"):
        raise Refusal(415, f"The Content-Encoding must be left out, not {encoding[:60]!r}.")
    body = await _read_in_time(request, max_bytes)
    if not body.strip():
        raise InvalidMessage("The body is not JSON: it is empty.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidMessage(f"The body is not JSON: {error}.") from None


async def read_form(request: Request, max_bytes: int) -> dict[str, list[str]]:
    """The fields of a form, empty ones too. Raises Refusal (408, 413) or InvalidMessage (400)."""
    body = await _read_in_time(request, max_bytes)
    try:
        return parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        raise InvalidMessage("The body is not a form (application/x-www-form-urlencoded).") from None


_CLOSE = {"Connection": "close"}


async def _read_in_time(request: Request, max_bytes: int) -> bytes:
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            return await _read(request, max_bytes)
    except TimeoutError:
        raise Refusal(408, f"The body did not arrive within {BODY_TIMEOUT} s.", _CLOSE) from None
    except ClientDisconnect:
        raise Refusal(400, "The body broke off.", _CLOSE) from None


async def _read(request: Request, max_bytes: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise _too_large(int(announced), max_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(len(body), max_bytes)
    return bytes(body)


def _too_large(size: int, max_bytes: int) -> Refusal:
    return Refusal(413, f"The body has {size:,} bytes or more; at most {max_bytes:,} are taken.", _CLOSE)
