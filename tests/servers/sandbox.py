"""The real sandbox, on free ports, in a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from worker.sandbox.sandbox import Sandbox
from worker.sandbox.server import Listening, listening


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that listens, and a client of its HTTP side (with its Twilio credentials)."""

    sandbox: Sandbox
    where: Listening
    http: httpx.Client

    @property
    def messages_url(self) -> str:
        return f"/2010-04-01/Accounts/{self.sandbox.account_sid}/Messages.json"

    def arrived(self) -> list[dict]:
        return self.http.get("/sandbox/api/messages").json()


@contextmanager
def running_sandbox(sandbox: Sandbox | None = None) -> Iterator[RunningSandbox]:
    """Serve a sandbox (slow addresses answer after 0.2 s) while the block runs."""
    sandbox = sandbox or Sandbox(slow_seconds=0.2)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    ready = threading.Event()
    found: list[Listening] = []

    async def serve() -> None:
        async with listening(sandbox) as where:
            found.append(where)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="sandbox")
    thread.start()
    try:
        assert ready.wait(10), "the sandbox did not start"
        auth = (sandbox.account_sid, sandbox.auth_token)
        with httpx.Client(base_url=found[0].url, auth=auth, timeout=10) as http:
            yield RunningSandbox(sandbox, found[0], http)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        for task in asyncio.all_tasks(loop):  # SMTP connections that are still open
            task.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
