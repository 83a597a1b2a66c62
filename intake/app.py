"""The HTTP app: `uvicorn intake.app:app`."""

import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from intake import access_log, answers, batch_api, health, media, messages_api, openapi, receipts_api
from intake.door import Door
from intake.express import Express
from intake.metrics import count_answer
from intake.wire import STATE, Limits
from messages.database_tls import warn_unless_verified
from messages.errors import SettingsError, StoreOutdated, StoreUnavailable
from messages.garbage import set_aside_what_stays
from messages.settings import Settings, load_settings

log = logging.getLogger(__name__)

#: What is counted is at /metrics. FastAPI's own would look for somebody to tell at each request, and tell
#: them what was wrong with it, in its words.
_NO_TELEMETRY: dict[str, Any] = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def create_app(settings: Settings | None = None, door: Callable[[Settings], Door] = Door) -> FastAPI:
    """The app; without settings it reads them when it starts, not when it is imported."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Limits]]:
        opened = _open_door(app, settings, door)
        await run_in_threadpool(_check_store, app, opened)
        app.state.door = opened
        if not opened.settings.api_keys:
            log.warning("API_KEYS is not set: only requests from this machine are served.")
        warn_unless_verified(opened.settings.database)
        set_aside_what_stays()
        yield {STATE: Limits(opened.settings.head_timeout_seconds, opened.settings.max_connections)}
        await opened.close()
        _end_with_0()

    app: FastAPI = FastAPIOffline(
        title="Roundsman",
        description="Accepts Messages, sends them by SMS and e-mail, and knows what became of them.",
        version="0.1.0",
        lifespan=lifespan,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    routers = (messages_api.router, batch_api.router, receipts_api.router, health.router, media.router)
    answers.install(app, [*app.routes, *(route for router in routers for route in router.routes)])
    for router in routers:
        app.include_router(router)
    _describe(app)
    access_log.install(app)
    app.add_middleware(_Outermost, express=Express(app))
    return app


def _open_door(app: FastAPI, settings: Settings | None, door: Callable[[Settings], Door]) -> Door:
    try:
        return door(settings or load_settings())
    except SettingsError as error:
        app.state.cannot_start = f"roundsman intake: {error}"
        raise


def _check_store(app: FastAPI, opened: Door) -> None:
    try:
        with suppress(StoreUnavailable):  # requests are answered 503 until it is there
            opened.store.check_revision()
    except StoreOutdated as error:
        app.state.cannot_start = f"roundsman intake: {error}"
        raise


def _describe(app: FastAPI) -> None:
    """Add our schemas and the way to authorize to the OpenAPI page; no 422, for there is none."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            parts = schema.setdefault("components", {})
            generated = parts.get("schemas", {})
            parts["schemas"] = {n: generated[n] for n in generated if "ValidationError" not in n}
            parts["schemas"] |= openapi.components()
            parts["securitySchemes"] = {"apiKey": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"apiKey": []}, {}]
            for operations in schema["paths"].values():
                for operation in operations.values():
                    operation["responses"].pop("422", None)
        return app.openapi_schema or generate()

    app.openapi = described  # type: ignore[method-assign]


def _end_with_0() -> None:
    """Keep uvicorn from ending by the signal that asked it to end, as if nobody had listened to that.

    It raises the signal again once everything is closed. A supervisor would count that as a failure.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    owner = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if in_main_thread and type(owner).__module__.partition(".")[0] == "uvicorn":
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))


class _Outermost:
    """Counts answers, and answers in our form where even the error handlers were not reached.

    What `express` takes goes there at once.

    Where a setting is wrong, one line says so: Starlette would have the server print a traceback.
    """

    def __init__(self, app: ASGIApp, express: Express) -> None:
        self._app, self._express = app, express

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, _saying_why(scope, send))
            return
        scope["app"].state.door.clients.put_into(scope, receive)
        begun, without_body = False, scope["method"] == "HEAD"

        async def counting(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                count_answer(message["status"])
            elif without_body:
                message = {**message, "body": b""}
            await send(message)

        if without_body:  # whatever answers GET answers HEAD, with the same headers
            scope = {**scope, "method": "GET"}
        way = self._express if self._express.takes(scope) else self._app
        try:
            await way(scope, receive, counting)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            response = answers.answer_bug(error)
            if not begun:
                await response(scope, receive, counting)


def _saying_why(scope: Scope, send: Send) -> Send:
    async def say(message: Message) -> None:
        reason = getattr(scope["app"].state, "cannot_start", None)
        if message["type"] == "lifespan.startup.failed" and reason:
            message = {**message, "message": reason}
        await send(message)

    return say


app = create_app()
