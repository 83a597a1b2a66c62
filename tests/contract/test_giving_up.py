"""What was given up does not arrive afterwards: neither an SMS nor an e-mail, from a peer that reads late."""

import asyncio
import select
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from messages.outcomes import Failed, FailureKind, Outcome
from messages.outgoing import OutgoingEmail, OutgoingSms, RenderedEmail
from tests.servers import FreePermit
from tests.servers.twilio import ACCOUNT, TOKEN
from worker.channels.email import SmtpEmail
from worker.channels.sms import TwilioSms
from worker.channels.smtp_connect import Connector, parse_url
from worker.channels.twilio_http import _sockets

SMS = OutgoingSms(
    "d-1", "+18042221111", None, "é" * 1600, tuple(f"https://a.example/{n}{'x' * 900}" for n in range(9))
)
EMAIL = OutgoingEmail(
    "d-1", "dana@example.com", "hello@dealer.example", None, RenderedEmail("Hi", "Hello. " * 30_000, None)
)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Takes some two thousand bytes, and the rest when it is read."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(10)
        yield server


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs it on either kind of loop: workers have uvloop's, whose transports are its own."""

    def run_it(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(main)

    return run_it


def rest_of(peer: socket.socket) -> bytes:
    """What can be read once the other side has reset the connection; all of it when it does not."""
    waiting = select.poll()
    waiting.register(peer, 0)  # POLLERR and POLLHUP are always told
    waiting.poll(2000)
    read = b""
    peer.settimeout(10)
    try:
        while some := peer.recv(100_000):
            read += some
    except ConnectionResetError:
        pass
    return read


def test_an_sms_that_was_given_up_does_not_arrive_when_twilio_reads_at_last(listener, run):
    async def main() -> Outcome:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        twilio = TwilioSms(
            account_sid=ACCOUNT, auth_token=TOKEN, base_url=url, default_sender="+18045550100", timeout=0.3
        )
        outcome = await twilio.send(SMS, FreePermit())
        assert isinstance(outcome, Failed)
        await asyncio.to_thread(read_late)
        await twilio.close()
        return outcome

    arrived: list[bytes] = []

    def read_late() -> None:
        with listener.accept()[0] as peer:
            arrived.append(rest_of(peer))

    assert run(main()).kind is FailureKind.AMBIGUOUS
    assert len(arrived[0]) < 10_000


def test_an_email_that_was_given_up_does_not_arrive_when_the_server_reads_at_last(listener, run):
    given_up, arrived = threading.Event(), list[bytes]()

    def serve() -> None:
        with listener.accept()[0] as peer:
            peer.settimeout(10)
            peer.sendall(b"220 hello\r\n")
            for reply in (b"250 hello", b"250 ok", b"250 ok", b"354 go on"):
                peer.recv(1000)
                peer.sendall(reply + b"\r\n")
            assert given_up.wait(10)
            arrived.append(rest_of(peer))

    async def main() -> Outcome:
        url = f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        channel = SmtpEmail(url, default_sender="hello@dealer.example", fetch=None, timeout=0.5)
        outcome = await channel.send(EMAIL, FreePermit())
        given_up.set()
        await asyncio.to_thread(server.join, 10)
        await channel.close()
        return outcome

    server = threading.Thread(target=serve)
    server.start()
    outcome = run(main())
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.AMBIGUOUS
    assert not arrived[0].endswith(b"\r\n.\r\n")


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has it")
def test_the_kernel_too_gives_up_after_the_time_out(listener, run):
    def greet() -> None:
        with listener.accept()[0] as peer:
            peer.sendall(b"220 hello\r\n")
            peer.recv(1000)
            peer.sendall(b"250 hello\r\n")
            peer.recv(1000)

    async def by_smtp() -> int:
        url = parse_url(f"smtp://127.0.0.1:{listener.getsockname()[1]}")
        smtp = await Connector(url, timeout=7).connect()
        found = smtp.transport.get_extra_info("socket").getsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT
        )
        smtp.close()
        return found

    server = threading.Thread(target=greet)
    server.start()
    assert run(by_smtp()) == 7000
    server.join(10)
    address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))
    with _sockets(1.5)(address) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500
