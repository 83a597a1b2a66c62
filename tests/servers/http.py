"""Serves an ASGI app on a free port of this machine, in a thread: tests speak HTTP to it, like users."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from intake.wire import Wire
from messages.errors import ErrorType
from tests.servers import wait_until


@contextmanager
def serve(app: Any) -> Iterator[str]:
    """The base URL, while it runs."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, http=Wire, log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started or not thread.is_alive())
    assert server.started, "the server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


def is_error(response: httpx.Response, code: int) -> dict[str, Any]:
    """The answer is an error in the one form, and its code is the HTTP status."""
    assert response.status_code == code, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body["success"] is False
    error: dict[str, Any] = body["error"]
    assert set(error) == {"code", "type", "message", "fields"}
    assert ErrorType(error["type"])
    assert error["code"] == code
    assert error["message"]
    return error
