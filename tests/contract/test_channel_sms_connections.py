"""Connections to Twilio, lost or never made: what was surely not sent is told apart from what may be."""

import asyncio

import pytest

from messages.clock import system_clock
from messages.outcomes import Failed, FailureKind, Outcome, Sent
from tests.contract.sms_wire import ANSWER, against, channel, sent_to, sms
from tests.servers import FreePermit, eventually
from tests.servers.tls import untrusted
from tests.servers.twilio import ACCOUNT, TOKEN, RawServer, TwilioServer, read_request
from worker.channels.sms import TwilioSms
from worker.channels.twilio_http import Broken, OneSessionHttpClient

# Made, kept and lost


async def close_before_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def read_then_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)


async def read_then_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.transport.abort()


async def read_then_hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    await asyncio.Event().wait()


async def half_an_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(ANSWER[:-10])


async def drip_for_ever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await asyncio.sleep(0.02)


def test_connections_are_kept_and_used_again():
    async def main() -> None:
        connections = set()

        async def keep_answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.add(id(writer))
            while True:
                await read_request(reader)
                writer.write(ANSWER)

        async with RawServer(keep_answering) as server:
            twilio = channel(server.url)
            for _ in range(5):
                assert isinstance(await twilio.send(sms(), FreePermit()), Sent)
            assert len(connections) == 1
            await twilio.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "script",
    [read_then_close, read_then_reset, close_before_reading, half_an_answer],
    ids=lambda s: s.__name__,
)
def test_a_connection_lost_once_it_was_made_is_ambiguous_and_never_tried_again(script):
    outcome, connections = against(script)
    assert outcome.kind is FailureKind.AMBIGUOUS
    assert connections == 1


@pytest.mark.parametrize("script", [read_then_hang, drip_for_ever], ids=lambda s: s.__name__)
def test_an_answer_that_does_not_come_to_an_end_is_given_up_at_the_time_out(script):
    outcome, connections = against(script, timeout=0.3)
    assert outcome.kind is FailureKind.AMBIGUOUS
    assert "in time" in outcome.reason
    assert connections == 1


def test_a_kept_connection_that_died_unnoticed_is_ambiguous_and_the_sms_not_repeated():
    requests = 0

    async def main() -> None:
        nonlocal requests

        async def answer_one_then_reset_at_the_next(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            nonlocal requests
            await read_request(reader)
            requests += 1
            writer.write(ANSWER)
            await read_request(reader)
            requests += 1
            writer.transport.abort()

        async with RawServer(answer_one_then_reset_at_the_next) as server:
            twilio = channel(server.url)
            assert isinstance(await twilio.send(sms(), FreePermit()), Sent)
            assert (await twilio.send(sms(), FreePermit())).kind is FailureKind.AMBIGUOUS
            assert (requests, server.connections) == (2, 1)
            await twilio.close()

    asyncio.run(main())


# Not made


def test_a_process_that_was_stopped_while_it_waited_for_a_connection_writes_nothing():
    async def scenario() -> tuple[Outcome, int]:
        times = iter([0])  # when its turn has come; later it is too late
        async with TwilioServer() as server:
            twilio = TwilioSms(
                account_sid=ACCOUNT, auth_token=TOKEN, base_url=server.url, default_sender="+18045550100",
                clock=lambda: next(times, 1000),
            )  # fmt: skip
            outcome = await twilio.send(sms(), FreePermit(begin_by=500))
            await twilio.close()
            return outcome, server.requests

    outcome, requests = asyncio.run(scenario())
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.code) == (FailureKind.RETRYABLE, "not begun")
    assert requests == 0


def test_waiting_in_vain_for_a_free_connection_is_retryable_as_nothing_was_written():
    async def main() -> None:
        async with RawServer(read_then_hang) as server:
            http = OneSessionHttpClient(base_url=server.url, timeout=5, connections=1, clock=system_clock)
            first = asyncio.ensure_future(http.request("POST", server.url, data={"a": "b"}))
            await eventually(lambda: server.connections == 1)
            with pytest.raises(Broken) as caught:
                await http.request("POST", server.url, data={"a": "b"}, timeout=0.1)
            assert caught.value.kind is FailureKind.RETRYABLE
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await http.close()

    asyncio.run(main())


def test_a_name_that_is_not_found_is_retryable():
    outcome = asyncio.run(sent_to("http://twilio.invalid", sms()))
    assert outcome.kind is FailureKind.RETRYABLE


def test_a_wrong_base_url_is_permanent_and_named():
    for url in ("ftp://127.0.0.1", "not a url", "http://"):
        outcome = asyncio.run(sent_to(url, sms()))
        assert outcome.kind is FailureKind.PERMANENT
        assert "TWILIO_BASE_URL" in outcome.reason


def test_a_certificate_nobody_vouches_for_is_retryable_and_nothing_was_sent():
    async def main() -> Outcome:
        async with untrusted() as url:
            return await sent_to(url, sms())

    outcome = asyncio.run(main())
    assert outcome.kind is FailureKind.RETRYABLE
    assert "certificate" in outcome.reason
