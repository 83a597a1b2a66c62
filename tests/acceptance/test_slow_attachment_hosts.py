"""Hosts of attachments that are slow hold up nothing but what waits for them: a real worker."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from messages.acceptance import Acceptor
from messages.clock import system_clock
from messages.doorbell import Doorbell
from messages.store import Accepted
from tests.servers import wait_until
from worker.bridge import LoopThread

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

HOSTS = 5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: 100000\r\n\r\n"


class DrippingHosts:
    """Servers that send one byte per second."""

    def __init__(self) -> None:
        self.asked = 0
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task] = set()

    async def start(self) -> list[str]:
        self._servers = [await asyncio.start_server(self._drip, "127.0.0.1", 0) for _ in range(HOSTS)]
        return [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/f.pdf" for server in self._servers]

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drip(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            writer.write(HEAD)
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(1)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@pytest.fixture
def dripping() -> Iterator[tuple[DrippingHosts, list[str]]]:
    loop, hosts = LoopThread(), DrippingHosts()
    yield hosts, loop.run(hosts.start(), 5)
    loop.run(hosts.close(), 5)
    loop.close()


@pytest.mark.parametrize(
    ("count", "at_once"), [(200, 1), (500, 500)], ids=["200 one by one", "500 in one list"]
)
def test_plain_messages_are_sent_within_two_seconds_behind_slow_hosts(
    count, at_once, dripping, start, store, make_acceptor, app, smtp, twilio
):
    hosts, urls = dripping
    start(
        ATTACHMENT_HOSTS="127.0.0.1",
        ATTACHMENT_TIMEOUT_SECONDS="2",
        SMTP_CONNECTIONS="4",
        RETRY_BASE_SECONDS="900",
    )
    acceptor: Acceptor = make_acceptor(store, clock=system_clock)
    doorbell = Doorbell(app)

    def post(*messages: dict) -> list[str]:
        checked = acceptor.check([(message, None) for message in messages], bulk=len(messages) > 1)
        accepted = [one for one in acceptor.accept_each(checked) if isinstance(one, Accepted)]
        assert doorbell.ring([waiting for one in accepted for waiting in one.waiting])
        return [one.message_id for one in accepted]

    slow = [
        {"externalEmail": f"dana{n}@example.com", "text": "Hello", "attachments": [urls[n % HOSTS]]}
        for n in range(count)
    ]
    waiting = [message for at in range(0, count, at_once) for message in post(*slow[at : at + at_once])]
    wait_until(lambda: hosts.asked >= HOSTS, 20)

    began = time.monotonic()
    plain = [
        *post({"externalEmail": "ann@example.com", "text": "No attachment"}),
        *post({"externalPhoneNumber": "+18042221111", "text": "No attachment"}),
    ]
    wait_until(lambda: all(one.status == "sent" for one in store.find(plain)), 10)
    assert time.monotonic() - began < 2
    assert [mail.recipient for mail in smtp.mails] == ["ann@example.com"]
    assert len(twilio.created) == 1

    # Once the hosts have failed, what waits for them is postponed, which is no attempt; nothing has failed.
    wait_until(lambda: store.waiting_by_state()["sending"] == 0, 40)
    found = store.find(waiting)
    assert {one.status for one in found} == {"queued"}
    tried = sum(bool(one.attempts[one.deliveries[0].id]) for one in found)
    assert HOSTS <= tried < count
