"""E-mails with attachments, with real parts: fetched outside the threads, postponed, within their limits."""

import asyncio
import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from messages.attachments import AttachmentLimits
from messages.circuit import PAUSE_MS, THRESHOLD
from messages.delivery import Channel
from messages.errors import InvalidMessage
from messages.view import show
from tasks.parts import Parts
from tasks.send import send
from tests.integration.task_steps import accept_one, send_all, shown
from tests.servers import wait_until
from tests.servers.twilio import RawServer
from worker.bridge import LoopThread

TO = {"externalEmail": "dana@example.com", "text": "Hello"}
ICS = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def serving(outside: LoopThread) -> Callable[[bytes], Any]:
    """A host that writes this answer to each request, and hangs if it is empty; gives its URL."""

    @contextmanager
    def serve(answer: bytes) -> Iterator[tuple[str, RawServer]]:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            if not answer:
                await asyncio.Event().wait()

        async def start() -> RawServer:
            return await RawServer(script).__aenter__()

        server = outside.run(start(), 5)
        yield f"http://localhost:{server.port}", server
        outside.run(server.__aexit__(None, None, None), 5)

    return serve


def answer(content: bytes, content_type: str = "application/pdf") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def delivery_of(parts: Parts, accepted: Any) -> dict[str, Any]:
    [delivery] = shown(parts, accepted.message_id)["deliveries"]
    return delivery


def test_invitation_is_fetched_and_sent_with_its_method(parts, smtp, serving):
    with serving(answer(ICS, "text/calendar; method=REQUEST; charset=utf-8")) as (url, _):
        send_all(parts, accept_one(parts, **TO, attachments=[f"{url}/download.php?id=7"]))
    [part] = smtp.mails[0].message.iter_attachments()
    assert part["Content-Type"].params == {"method": "REQUEST", "charset": "utf-8"}
    assert (part.get_filename(), part.get_payload(decode=True)) == ("download.ics", ICS)


def test_message_waits_for_a_host_that_keeps_failing_without_spending_attempts(parts, smtp, clock, serving):
    with serving(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as (url, server):
        messages = [accept_one(parts, **TO, attachments=[f"{url}/{n}.pdf"]) for n in range(THRESHOLD + 1)]
        for one in messages:
            send_all(parts, one)
        assert server.connections == THRESHOLD
    tried, waiting = delivery_of(parts, messages[0]), delivery_of(parts, messages[-1])
    assert (tried["status"], len(tried["attempts"])) == ("queued", 1)
    assert "503 Service Unavailable" in tried["error"]
    assert (waiting["status"], waiting["attempts"]) == ("queued", [])
    assert f"localhost:{server.port} failed several times in a row" in waiting["error"]
    assert smtp.mails == []
    clock.now += PAUSE_MS
    send_all(parts, accept_one(parts, **TO))
    assert len(smtp.mails) == 1


def test_plain_message_of_the_same_list_does_not_wait_for_a_fetch(parts, smtp, serving):
    with serving(b"") as (url, server):
        slow = accept_one(parts, **TO, attachments=[f"{url}/a.pdf"])
        plain = accept_one(parts, **TO)

        send(parts, Channel.EMAIL, [i for one in (slow, plain) for i, _ in one.waiting])
        wait_until(lambda: server.connections == 1)
        assert shown(parts, plain.message_id)["status"] == "sent"
        assert shown(parts, slow.message_id)["deliveries"][0]["status"] == "sending"
        parts.stopping.begin()
        parts.bridge.finish(5)
    delivery = delivery_of(parts, slow)
    assert (delivery["status"], delivery["attempts"][0]["outcome"]) == ("queued", "retryable")
    assert "The worker was stopped" in delivery["error"]


def test_email_that_is_too_large_as_sent_fails_with_its_size_and_the_limit(parts, smtp, serving):
    parts.email._max_bytes = 2_000_000  # as EMAIL_MAX_BYTES says
    with serving(answer(b"x" * 1_600_000)) as (url, _):
        accepted = accept_one(parts, **TO, attachments=[f"{url}/a.pdf"])
        send_all(parts, accepted)
    delivery = delivery_of(parts, accepted)
    assert (delivery["status"], delivery["attempts"][0]["outcome"]) == ("failed", "permanent")
    assert "at most 2,000,000 are allowed (EMAIL_MAX_BYTES)" in delivery["error"]
    assert smtp.mails == []


@pytest.mark.parametrize("by_id", [False, True], ids=["given now", "given before"])
def test_email_of_a_known_size_that_is_too_large_is_refused_at_acceptance(parts, by_id):
    acceptor = replace(parts.acceptor, limits=AttachmentLimits(3, 1_000_000, 500_000))
    given = {"id": "big", "filename": "big.bin", "content": base64.b64encode(b"x" * 400_000).decode()}
    if by_id:
        accept_one(parts, externalPhoneNumber="804-222-1111", text="Hello", attachments=[given])
    [refused] = acceptor.accept([acceptor.draft({**TO, "attachments": ["big" if by_id else given]})])
    assert isinstance(refused, InvalidMessage)
    assert "the e-mail has at least 547," in refused.fields["attachments"]
    assert "at most 500,000 are allowed (EMAIL_MAX_BYTES)" in refused.fields["attachments"]


def test_attachments_given_before_count_towards_the_limit(parts):
    acceptor = replace(parts.acceptor, limits=AttachmentLimits(3, 1000))
    given = [{"id": f"f{n}", "content": base64.b64encode(b"x" * 600).decode()} for n in range(2)]
    for one in given:
        accept_one(parts, **TO, attachments=[one])
    [refused] = acceptor.accept([acceptor.draft({**TO, "attachments": ["f0", "f1"]})])
    assert isinstance(refused, InvalidMessage)
    assert refused.fields["attachments"].startswith("together they are 1,200 bytes; at most 1,000")


def test_name_that_is_sent_is_the_name_that_is_shown(parts, smtp, twilio):
    names = [None, "Offer 1/2", "..\\offer.php", "=?UTF-8?Q?=C3=9Cber?="]
    given = [{"filename": name, "mimeType": "application/pdf", "content": "JVBERi0="} for name in names]
    accepted = accept_one(
        parts,
        **TO,
        externalPhoneNumber="804-222-1111",
        attachments=[{k: v for k, v in g.items() if v} for g in given],
    )
    send_all(parts, accepted)
    [found] = show(parts.store.find([accepted.message_id]), 1, parts.store.objects)
    sent = [part.get_filename() for part in smtp.mails[0].message.iter_attachments()]
    assert [one["filename"] for one in found["attachments"]] == sent
    assert sent == ["attachment.pdf", "Offer 1-2.pdf", "offer.pdf", "Über.pdf"]
    assert [url.rpartition("/")[2] for url in twilio.created[0]["MediaUrl"]] == [
        "attachment.pdf", "Offer%201-2.pdf", "offer.pdf", "%C3%9Cber.pdf",
    ]  # fmt: skip
