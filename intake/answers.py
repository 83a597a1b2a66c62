"""What every answer looks like: `{"data": …, "success": true}` or `{"error": …, "success": false}`."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match

from messages.errors import (
    Conflict,
    InvalidMessage,
    MessageNotFound,
    NothingToDo,
    Overloaded,
    StoreUnavailable,
    Unforeseen,
)
from messages.wording import shown, told

log = logging.getLogger(__name__)

#: Seconds after which a producer may try again while the store is away.
RETRY_AFTER = 5

_BUG = "Roundsman made a mistake; it is logged."
_AGAIN = f"Try again in {RETRY_AFTER} s; with an id or an Idempotency-Key a repeat is harmless."
_AWAY = f"The store cannot be reached just now. {_AGAIN}"
_FULL = f"More wait to be stored than the store keeps up with. {_AGAIN}"

#: What a Message among many may be refused with.
OfOne = InvalidMessage | Conflict | Unforeseen | StoreUnavailable


class Refusal(Exception):
    """The door refuses a request, whatever is in it: 401, 413 or 415."""

    def __init__(self, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.headers = code, message, headers


def success(data: Any, **envelope: Any) -> Response:
    """200, with `data` and what else the envelope holds."""
    return _json(200, of_one(data) | envelope)


def error(
    code: int, message: str, fields: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> Response:
    """An error answer; its HTTP status is its `code`. `fields` maps wrong fields to sentences."""
    return _json(code, _error_body(code, message, fields or {}), headers)


def of_one(data: Any) -> dict[str, Any]:
    """What an answer to many says of one that was accepted."""
    return {"data": data, "success": True}


def error_of_one(exc: OfOne) -> dict[str, Any]:
    """What an answer to many says of one that was not: what it would have been answered alone."""
    return _error_body(*_explained(exc))


def _explained(exc: OfOne) -> tuple[int, str, dict[str, str]]:
    match exc:
        case InvalidMessage():
            return 400, exc.message, exc.fields
        case Conflict():
            return 409, str(exc), {exc.field: "was already used with other content"}
        case Overloaded():
            return 503, _FULL, {}
        case StoreUnavailable():
            return 503, _AWAY, {}
    return 500, _BUG, {}


def _error_body(code: int, message: str, fields: dict[str, str]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "fields": fields}, "success": False}


def _json(code: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), code, headers, "application/json")


def install(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Answer every error in the one form: no HTML, no traceback, no 422. `routes` are all there are."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, exc: Refusal) -> Response:
        return error(exc.code, exc.message, headers=exc.headers)

    @app.exception_handler(InvalidMessage)
    async def invalid(_: Request, exc: InvalidMessage) -> Response:
        return error(*_explained(exc))

    @app.exception_handler(RequestValidationError)
    async def wrong_parameter(_: Request, exc: RequestValidationError) -> Response:
        fields = {str(e["loc"][-1]): f"{shown(e.get('input'))} is wrong: {e['msg']}" for e in exc.errors()}
        return error(400, "; ".join(f"{name}: {why}" for name, why in fields.items()), fields)

    @app.exception_handler(Conflict)
    async def conflict(_: Request, exc: Conflict) -> Response:
        return error(*_explained(exc))

    @app.exception_handler(NothingToDo)
    async def nothing_to_do(_: Request, exc: NothingToDo) -> Response:
        return error(409, str(exc), {"status": f"is {exc.status}"})

    @app.exception_handler(MessageNotFound)
    async def not_found(_: Request, exc: MessageNotFound) -> Response:
        return error(404, str(exc))

    @app.exception_handler(StoreUnavailable)
    async def store_away(_: Request, exc: StoreUnavailable) -> Response:
        log.warning("Answered 503: %s", exc)
        return error(*_explained(exc), headers={"Retry-After": str(RETRY_AFTER)})

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, exc: HTTPException) -> Response:
        messages = {
            404: f"There is nothing at {request.url.path}; the API is described at /docs",
            405: f"{request.method} is not possible here; see /docs",
        }
        headers = dict(exc.headers or {})
        if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_methods(routes, request))
        return error(exc.status_code, messages.get(exc.status_code, exc.detail), headers=headers)


def _methods(routes: Sequence[BaseRoute], request: Request) -> list[str]:
    """What is possible at the request's path, by all routes: each names its own only.

    As in OpenAPI, a path that is written out (`/batch`) goes before a pattern (`/{message_id}`).
    """
    there = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    there = [route for route in there if getattr(route, "path", "") == request.url.path] or there
    return sorted({method for route in there for method in getattr(route, "methods", None) or ()})


def answer_bug(exc: Exception) -> Response:
    """500 for what nobody foresaw. The log tells where, but nothing of what was sent."""
    log.error("Unforeseen %s", told(exc))
    return error(500, _BUG)
