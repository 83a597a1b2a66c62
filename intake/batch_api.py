"""`POST /api/messages/batch`: many Messages at once, each with its own result."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Request
from fastapi.responses import Response

from intake import openapi
from intake.answers import RETRY_AFTER, Refusal, error_of_one, of_one, success
from intake.door import Door, Outcome
from intake.messages_api import Depth, IdempotencyKey, checked_key, door_of
from intake.parameters import unknown_parameters
from messages.acceptance import Checked
from messages.bulk import BULK_FROM, MAX_BATCH
from messages.errors import ErrorType, FieldWarning, InvalidMessage, StoreUnavailable
from messages.ids import content_id
from messages.store import Stored
from messages.view import show_done
from messages.wording import kind_of

log = logging.getLogger(__name__)
router = APIRouter(prefix="/api/messages", tags=["Messages"])

#: How long a batch waits for its turn, in seconds.
PATIENCE = 5


@router.post(
    "/batch",
    summary="Create many new Messages",
    responses=openapi.batch_answer() | openapi.errors(400, 401, 408, 413, 415, 503),
    openapi_extra=openapi.batch_body(MAX_BATCH),
)
async def create_many(request: Request, depth: Depth = 0, idempotency_key: IdempotencyKey = None) -> Response:
    """Accept a list of Messages: those that are right are stored together, for good, before this answers.

    `data` has a result for each, in order, as `POST /api/messages` would have answered it alone. The list is
    sent beside what is posted alone, which never waits for it. With an `Idempotency-Key` the same list may be
    repeated; a Message with an `id` may be anyway. If the store goes away when some are stored already, the
    others have a 503 of their own, and `Retry-After` says when to repeat.
    """
    door, key = door_of(request), checked_key(idempotency_key)
    warnings = unknown_parameters(request)
    async with door.bodies.json(request) as raw:
        entries = _entries(raw)
        async with _turn(door):
            # In threads, for a thousand take a while, and others must not wait for them.
            checked = await asyncio.to_thread(_check, door, entries, key)
            outcomes = await door.accept(checked)
            return await asyncio.to_thread(_answer, door, outcomes, depth, warnings)


def _entries(raw: object) -> list[object]:
    if not isinstance(raw, list):
        raise InvalidMessage(f"A batch is a JSON list of Messages, not {kind_of(raw)}.")
    if not raw:
        raise InvalidMessage("The batch is empty: give at least one Message.")
    if len(raw) > MAX_BATCH:
        raise InvalidMessage(f"A batch may have {MAX_BATCH:,} Messages, not {len(raw):,}; send it in parts.")
    return raw


def _check(door: Door, entries: list[object], key: str | None) -> list[Checked]:
    keyed = [(entry, _key(entry, key, number)) for number, entry in enumerate(entries)]
    return door.acceptor.check(keyed, bulk=len(entries) >= BULK_FROM)


def _key(entry: object, key: str | None, number: int) -> str | None:
    """One for each, made from the one that was given; what has an id needs none."""
    has_id = isinstance(entry, dict) and entry.get("id")
    return None if key is None or has_id else content_id("batch", f"{key}\0{number}".encode())


@asynccontextmanager
async def _turn(door: Door) -> AsyncIterator[None]:
    """Of batches, few at a time. Raises Refusal (503)."""
    try:
        async with asyncio.timeout(PATIENCE):
            await door.batches.acquire()
    except TimeoutError:
        again = {"Retry-After": str(RETRY_AFTER)}
        message = "Too many batches are under way; nothing was accepted, try again."
        raise Refusal(503, message, again, ErrorType.OVERLOADED) from None
    try:
        yield
    finally:
        door.batches.release()


def _answer(door: Door, outcomes: list[Outcome], depth: int, warnings: list[FieldWarning]) -> Response:
    stored = [outcome for outcome in outcomes if isinstance(outcome, Stored)]
    away = [outcome for outcome in outcomes if isinstance(outcome, StoreUnavailable)]
    if away and not stored:
        raise away[0]
    shown = iter(show_done(stored, depth, door.store.objects))
    results = [
        of_one(next(shown), one.warnings) if isinstance(one, Stored) else error_of_one(one)
        for one in outcomes
    ]
    refused = len(outcomes) - len(stored)
    response = success(results, accepted=len(stored), refused=refused, warnings=warnings)
    if away:
        log.warning("Of a batch of %d the store took %d only: %s", len(outcomes), len(stored), away[0])
        response.headers["Retry-After"] = str(RETRY_AFTER)
    return response
