"""`/api/messages`: create, show, list, redrive, cancel."""

import asyncio
import re
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from intake import openapi
from intake.answers import success
from intake.door import Door
from intake.parameters import refuse_unknown, unknown_parameters
from messages.by_hand import Action
from messages.draft import Draft
from messages.errors import ErrorType, FieldWarning, InvalidMessage, MessageNotFound
from messages.relations import MAX_DEPTH
from messages.states import DeliveryState
from messages.store import Stored
from messages.view import Show, show, show_done

router = APIRouter(prefix="/api/messages", tags=["Messages"])

Depth = Annotated[
    int, Query(ge=0, le=MAX_DEPTH, description="The number of levels of related objects to include")
]
_MESSAGE = openapi.SCHEMA_REF
_STRICT = [Depends(refuse_unknown)]

#: Larger bodies (attachments) are checked in a thread, so that they hold up nobody else.
_LARGE = 100_000

_MAX_KEY_LENGTH = 255
#: Printable ASCII: what HTTP carries everywhere without changing it.
_KEY = "^[!-~]([ -~]*[!-~])?$"

IdempotencyKey = Annotated[
    str | None,
    Header(
        description="Makes a repeat harmless for producers without ids",
        json_schema_extra={"minLength": 1, "maxLength": _MAX_KEY_LENGTH, "pattern": _KEY},
    ),
]


@router.post(
    "",
    summary="Create a new Message",
    responses=openapi.message_answer("Message Created") | openapi.errors(400, 401, 408, 409, 413, 415, 503),
    openapi_extra=openapi.request_body(),
)
async def create(
    request: Request,
    depth: Depth = 0,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Accept a Message: stored for good before this answers, sent soon after.

    The same `id` (or `Idempotency-Key`) with the same content answers with the Message as it is.
    """
    return await accept_one(request, depth, idempotency_key, unknown_parameters(request))


async def accept_one(
    request: Request, depth: int, idempotency_key: str | None, warnings: Sequence[FieldWarning] = ()
) -> Response:
    """What `create` does, for the short way, too: see `intake.express`."""
    door = door_of(request)
    key = checked_key(idempotency_key)
    async with door.bodies.json(request) as raw:
        [outcome] = await door.accept([await _draft(door, raw, key, _size(request), warnings)])
        if not isinstance(outcome, Stored):
            raise outcome
        return await _shown(door, [outcome], depth, show_done)


@router.get(
    "/{message_id}",
    summary="Show a Message",
    dependencies=_STRICT,
    responses=openapi.message_answer("The Message") | openapi.errors(400, 401, 404, 503),
)
async def find(request: Request, message_id: str, depth: Depth = 0) -> Response:
    """The Message, with its deliveries, their attempts, and what happened when."""
    door = door_of(request)
    found = await run_in_threadpool(door.store.find, [message_id]) if "\0" not in message_id else []
    if not found:
        raise MessageNotFound(message_id)
    return await _shown(door, found, depth)


_ENVELOPE = {
    "page": "integer",
    "nextPage": "integer|null",
    "prevPage": "integer|null",
    "totalPages": "integer",
    "totalCount": "integer",
    "limit": "integer",
    "pagingCounter": "integer",
    "hasPrevPage": "boolean",
    "hasNextPage": "boolean",
}


@router.get(
    "",
    summary="List Messages, newest first",
    dependencies=_STRICT,
    responses=openapi.answers({"type": "array", "items": _MESSAGE}, "A page of Messages", **_ENVELOPE)
    | openapi.errors(400, 401, 503),
)
async def list_messages(
    request: Request,
    depth: Depth = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    page: Annotated[int, Query(ge=1, le=10_000_000)] = 1,
    status: Annotated[
        DeliveryState | None, Query(alias="where[status][equals]", description="Only those of this status")
    ] = None,
) -> Response:
    """A page of Messages, newest first."""
    door = door_of(request)
    found = await run_in_threadpool(door.store.page, status, limit, page)
    shown = await run_in_threadpool(show, found.items, depth, door.store.objects)
    return success(shown, **envelope(found.total, limit, page))


def envelope(total: int, limit: int, page: int) -> dict[str, Any]:
    """What a list says of itself beside its data."""
    pages = max(1, -(-total // limit))
    return {
        "page": page,
        "nextPage": page + 1 if page < pages else None,
        "prevPage": min(page - 1, pages) if page > 1 else None,
        "totalPages": pages,
        "totalCount": total,
        "limit": limit,
        "pagingCounter": (page - 1) * limit + 1,
        "hasPrevPage": page > 1,
        "hasNextPage": page < pages,
    }


@router.post(
    "/{message_id}/redrive",
    summary="Send again what failed or expired",
    dependencies=_STRICT,
    responses=openapi.message_answer("The Message, queued again")
    | openapi.errors(
        400, 401, 404, 409, 503, conflict="Nothing of it has failed or expired, or is unknown and asked for"
    ),
)
async def redrive(
    request: Request,
    message_id: str,
    depth: Depth = 0,
    unknown: Annotated[
        bool, Query(description="Also those that are unknown: they may have been sent, and arrive twice")
    ] = False,
) -> Response:
    """Queue those of its Deliveries that failed or expired. The event says which key did it.

    With `unknown=true` also those of which it is not known whether they were sent. They may then arrive
    twice: it is for a person to decide, who has asked the recipient or looked in the provider's log.
    """
    return await _by_hand(request, Action.REDRIVE, message_id, depth, even_unknown=unknown)


@router.post(
    "/{message_id}/cancel",
    summary="Withdraw what was not sent yet",
    dependencies=_STRICT,
    responses=openapi.message_answer("The Message; its status shows what is left of it")
    | openapi.errors(400, 401, 404, 409, 503, conflict="All of it is being sent, or past that"),
)
async def cancel(request: Request, message_id: str, depth: Depth = 0) -> Response:
    """Cancel those of its Deliveries that are scheduled or queued. The event says which key did it."""
    return await _by_hand(request, Action.CANCEL, message_id, depth)


async def _by_hand(
    request: Request, action: Action, message_id: str, depth: int, *, even_unknown: bool = False
) -> Response:
    door, caller = _admitted(request)
    if "\0" in message_id:
        raise MessageNotFound(message_id)
    stored = await run_in_threadpool(door.by_hand, action, message_id, caller, even_unknown=even_unknown)
    return await _shown(door, [stored], depth, show_done)


def door_of(request: Request) -> Door:
    """The door, for who may come in. Raises Refusal."""
    return _admitted(request)[0]


def _admitted(request: Request) -> tuple[Door, str]:
    """The door, and who came through it. Raises Refusal."""
    door: Door = request.app.state.door
    return door, door.gate.check(request)


async def _draft(
    door: Door, raw: object, key: str | None, size: int, warnings: Sequence[FieldWarning]
) -> Draft:
    if size > _LARGE:
        draft = await asyncio.to_thread(door.acceptor.draft, raw, key, warnings=warnings)
    else:
        draft = door.acceptor.draft(raw, key, warnings=warnings)
    if door.acceptor.must_render(draft):
        await door.check_template(draft)
    return draft


async def _shown(door: Door, found: list[Stored], depth: int, how: Show = show) -> Response:
    """One Message; the store is asked again only where related objects are wanted."""
    read = door.store.objects
    shown = await run_in_threadpool(how, found, depth, read) if depth else how(found, 0, read)
    return success(shown[0], warnings=found[0].warnings)


def _size(request: Request) -> int:
    announced = request.headers.get("content-length", "")
    return int(announced) if announced.isdecimal() else _LARGE + 1


def checked_key(key: str | None) -> str | None:
    """An Idempotency-Key as it was given. Raises InvalidMessage."""
    if key is None or (len(key) <= _MAX_KEY_LENGTH and re.fullmatch(_KEY, key)):
        return key
    reason = f"must be 1 to {_MAX_KEY_LENGTH} printable ASCII characters"
    raise InvalidMessage(
        f"Idempotency-Key {reason}", {"Idempotency-Key": reason}, ErrorType.INVALID_PARAMETER
    )
