"""The short way of `POST /api/messages`, which is asked more often than all else together.

FastAPI finds the route, its dependencies and the handlers of errors anew for each request; that takes longer
than to check a Message. What is asked for here is known beforehand, and comes to the same function, the same
errors and the same answers. What is described at /docs is the route `create`, which also takes whatever is
unusual: a query, a path that is mounted elsewhere.
"""

from collections.abc import Mapping
from functools import cached_property
from inspect import isawaitable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from intake.messages_api import accept_one, router


class Express:
    """Answers what `takes` says it does."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    @staticmethod
    def takes(scope: Scope) -> bool:
        """Whether nothing about this HTTP request is unusual."""
        return (
            scope["method"] == "POST"
            and scope["path"] == router.prefix
            and not scope["query_string"]
            and not scope.get("root_path")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept a Message. Raises what nobody foresaw."""
        response = await self._answer(_Posted(scope, receive, send))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            return await accept_one(request, 0, request.headers.get("idempotency-key"))
        except Exception as error:
            handlers = self._app.exception_handlers
            handler = next((handlers[kind] for kind in type(error).__mro__ if kind in handlers), None)
            if handler is None:
                raise
            response = handler(request, error)
            return await response if isawaitable(response) else response


class _Posted(Request):
    """A request whose headers are looked up in a dict: Starlette's go through all of them each time."""

    @cached_property
    def headers(self) -> Mapping[str, str]:  # type: ignore[override]
        """Of those that are given repeatedly the first, as there."""
        given = reversed(self.scope["headers"])
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in given}
