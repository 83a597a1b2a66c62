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
    ErrorType,
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

    def __init__(
        self,
        code: int,
        message: str,
        headers: dict[str, str] | None = None,
        error_type: ErrorType | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.headers, self.type = code, message, headers, error_type


#: The `error.type` of an HTTP status where nothing more is known.
_TYPES = {
    401: ErrorType.UNAUTHORIZED,
    403: ErrorType.FORBIDDEN,
    404: ErrorType.NOT_FOUND,
    405: ErrorType.METHOD_NOT_ALLOWED,
    408: ErrorType.TIMEOUT,
    409: ErrorType.CONFLICT,
    413: ErrorType.TOO_LARGE,
    415: ErrorType.UNSUPPORTED_MEDIA_TYPE,
    431: ErrorType.TOO_LARGE,
    500: ErrorType.INTERNAL_ERROR,
    501: ErrorType.NOT_IMPLEMENTED,
    503: ErrorType.UNAVAILABLE,
}


def success(data: Any, **envelope: Any) -> Response:
    """200, with `data` and what else the envelope holds."""
    return _json(200, {"data": data, "success": True} | envelope)


def error(
    code: int,
    message: str,
    fields: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    error_type: ErrorType | None = None,
) -> Response:
    """An error answer; its HTTP status is its `code`. `fields` maps wrong fields to sentences."""
    return _json(code, _error_body(code, message, fields or {}, error_type or type_of(code)), headers)


def type_of(code: int) -> ErrorType:
    """The `error.type` of an HTTP status where nothing more is known."""
    if code in _TYPES:
        return _TYPES[code]
    return ErrorType.INVALID_REQUEST if code < 500 else ErrorType.INTERNAL_ERROR  # noqa: PLR2004 - client's, ours


def of_one(data: Any, warnings: Sequence[Any] = ()) -> dict[str, Any]:
    """What an answer to many says of one that was accepted."""
    return {"data": data, "success": True, "warnings": warnings}


def error_of_one(exc: OfOne) -> dict[str, Any]:
    """What an answer to many says of one that was not: what it would have been answered alone."""
    match exc:
        case InvalidMessage():
            body = _error_body(400, exc.message, exc.fields, exc.type)
            return body | {"warnings": exc.warnings} if exc.warnings else body
        case Conflict():
            fields = {exc.field: "was already used with other content"}
            return _error_body(409, str(exc), fields, ErrorType.CONFLICT)
        case Overloaded():  # any other cause is logged by the store, once
            log.warning("Answered 503: %s", exc)
            return _error_body(503, _FULL, {}, ErrorType.OVERLOADED)
        case StoreUnavailable():
            return _error_body(503, _AWAY, {}, ErrorType.UNAVAILABLE)
    return _error_body(500, _BUG, {}, ErrorType.INTERNAL_ERROR)


def _refused(exc: OfOne, headers: dict[str, str] | None = None) -> Response:
    body = error_of_one(exc)
    return _json(body["error"]["code"], body, headers)


def _error_body(code: int, message: str, fields: dict[str, str], error_type: ErrorType) -> dict[str, Any]:
    told = {"code": code, "type": error_type, "message": message, "fields": fields}
    return {"error": told, "success": False}


def _json(code: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), code, headers, "application/json")


def install(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Answer every error in the one form: no HTML, no traceback, no 422. `routes` are all there are."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, exc: Refusal) -> Response:
        return error(exc.code, exc.message, headers=exc.headers, error_type=exc.type)

    @app.exception_handler(InvalidMessage)
    async def invalid(_: Request, exc: InvalidMessage) -> Response:
        return _refused(exc)

    @app.exception_handler(RequestValidationError)
    async def wrong_parameter(_: Request, exc: RequestValidationError) -> Response:
        fields = {str(e["loc"][-1]): f"{shown(e.get('input'))} is wrong: {e['msg']}" for e in exc.errors()}
        message = "; ".join(f"{name}: {why}" for name, why in fields.items())
        return error(400, message, fields, error_type=ErrorType.INVALID_PARAMETER)

    @app.exception_handler(Conflict)
    async def conflict(_: Request, exc: Conflict) -> Response:
        return _refused(exc)

    @app.exception_handler(NothingToDo)
    async def nothing_to_do(_: Request, exc: NothingToDo) -> Response:
        return error(409, str(exc), {"status": f"is {exc.status}"}, error_type=ErrorType.WRONG_STATE)

    @app.exception_handler(MessageNotFound)
    async def not_found(_: Request, exc: MessageNotFound) -> Response:
        return error(404, str(exc))

    @app.exception_handler(StoreUnavailable)
    async def store_away(_: Request, exc: StoreUnavailable) -> Response:
        return _refused(exc, {"Retry-After": str(RETRY_AFTER)})

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
    methods = {method for route in there for method in getattr(route, "methods", None) or ()}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def answer_bug(exc: Exception) -> Response:
    """500 for what nobody foresaw. The log tells where, but nothing of what was sent."""
    log.error("Unforeseen %s", told(exc))
    return error(500, _BUG)
