"""What every channel promises, whatever its provider: one suite, run against SMS and e-mail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from messages.clock import system_clock
from messages.outcomes import Failed, FailureKind, Outcome, Sent
from messages.outgoing import OutgoingEmail, OutgoingSms, RenderedEmail
from tests.servers import FreePermit, eventually
from tests.servers.ports import free_port
from tests.servers.smtp import SmtpServer
from tests.servers.twilio import ACCOUNT, DROPPED, HUNG, TOKEN, TwilioServer
from worker.channels.email import SmtpEmail
from worker.channels.fetch import AttachmentFetcher
from worker.channels.sms import TwilioSms

TEXT = "Zebra crossing at noon"
CONNECTIONS = 3


@dataclass
class Rig:
    """A channel, the server behind it, and how to send to a recipient who behaves in some way."""

    server: Any
    channel: Any
    send: Callable[..., Awaitable[Outcome]]
    accepted: Callable[[], int]


SMS = {
    "good": "+18042221111",
    "refused": "+15005550001",
    "busy": "+15005550004",
    "dropped": DROPPED,
    "hung": HUNG,
}
EMAIL = {name: f"{name}@customer.example" for name in SMS}


@asynccontextmanager
async def sms_rig(seconds: float, *, down: bool) -> AsyncIterator[Rig]:
    async with TwilioServer() as server:
        url = f"http://127.0.0.1:{free_port()}" if down else server.url
        channel = TwilioSms(
            account_sid=ACCOUNT,
            auth_token=TOKEN,
            base_url=url,
            default_sender="+18045550100",
            timeout=seconds,
            connections=CONNECTIONS,
        )

        async def send(who: str, permit: Any = None) -> Outcome:
            return await channel.send(OutgoingSms("d-1", SMS[who], None, TEXT), permit or FreePermit())

        yield Rig(server, channel, send, lambda: len(server.created))
        await channel.close()
        await eventually(lambda: server.open == 0)


@asynccontextmanager
async def email_rig(seconds: float, *, down: bool) -> AsyncIterator[Rig]:
    async with SmtpServer() as server:
        channel = SmtpEmail(
            f"smtp://127.0.0.1:{free_port()}" if down else server.url,
            default_sender="Roundsman <messages@dealer.example>",
            fetch=AttachmentFetcher().fetch_all,
            connections=CONNECTIONS,
            timeout=seconds,
        )

        async def send(who: str, permit: Any = None) -> Outcome:
            content = RenderedEmail("Hello", TEXT, None)
            return await channel.send(
                OutgoingEmail("d-1", EMAIL[who], None, None, content), permit or FreePermit()
            )

        yield Rig(server, channel, send, lambda: len(server.mails))
        await channel.close()
        await eventually(lambda: server.open == 0)


@pytest.fixture(params=[sms_rig, email_rig], ids=["sms", "email"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run a scenario against a rig, on an event loop of its own."""

    def runner(scenario: Callable[[Rig], Awaitable[Any]], *, timeout: float = 5, down: bool = False) -> Any:
        async def main() -> Any:
            async with request.param(timeout, down=down) as rig:
                return await scenario(rig)

        return asyncio.run(main())

    return runner


def test_an_accepted_message_is_sent_and_has_the_providers_id(run):
    outcome = run(lambda rig: rig.send("good"))
    assert isinstance(outcome, Sent)
    assert outcome.provider_id


def test_a_recipient_refused_for_good_is_permanent_and_says_the_code(run):
    outcome = run(lambda rig: rig.send("refused"))
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.PERMANENT
    assert outcome.code
    assert outcome.code in outcome.reason


def test_a_busy_provider_is_retryable(run):
    assert run(lambda rig: rig.send("busy")).kind is FailureKind.RETRYABLE


def test_a_connection_dropped_after_the_hand_over_is_ambiguous_and_not_repeated(run):
    async def scenario(rig: Rig) -> None:
        outcome = await rig.send("dropped")
        assert isinstance(outcome, Failed)
        assert outcome.kind is FailureKind.AMBIGUOUS
        assert rig.accepted() == 1

    run(scenario)


def test_a_provider_that_is_down_is_retryable(run):
    assert run(lambda rig: rig.send("good"), down=True).kind is FailureKind.RETRYABLE


def test_a_provider_that_does_not_answer_is_given_up_at_the_time_out_as_ambiguous(run):
    async def scenario(rig: Rig) -> None:
        async with asyncio.timeout(3):
            outcome = await rig.send("hung")
        assert isinstance(outcome, Failed)
        assert outcome.kind is FailureKind.AMBIGUOUS
        assert rig.accepted() == 1

    run(scenario, timeout=0.3)


def test_a_failure_never_tells_the_recipient_or_the_text(run):
    async def scenario(rig: Rig) -> None:
        for who in ("refused", "busy", "dropped"):
            outcome = await rig.send(who)
            for secret in (SMS[who], EMAIL[who], TEXT):
                assert secret not in repr(outcome)

    run(scenario)


def test_after_every_kind_of_failure_the_next_message_is_sent(run):
    async def scenario(rig: Rig) -> None:
        for who in ("refused", "busy", "dropped"):
            await rig.send(who)
            assert isinstance(await rig.send("good"), Sent)

    run(scenario)


def test_fifty_at_once_are_all_accepted_over_no_more_connections_than_allowed(run):
    async def scenario(rig: Rig) -> None:
        outcomes = await asyncio.gather(*(rig.send("good") for _ in range(50)))
        assert all(isinstance(outcome, Sent) for outcome in outcomes)
        assert rig.accepted() == 50
        assert 1 <= rig.server.peak <= CONNECTIONS

    run(scenario)


def test_close_leaves_no_connection_open_and_may_be_called_twice(run):
    async def scenario(rig: Rig) -> None:
        await asyncio.gather(*(rig.send("good") for _ in range(5)))
        assert rig.server.open > 0
        await rig.channel.close()
        await rig.channel.close()
        await eventually(lambda: rig.server.open == 0)

    run(scenario)


def test_a_cancelled_send_leaves_the_channel_usable(run):
    async def scenario(rig: Rig) -> None:
        under_way = asyncio.ensure_future(rig.send("hung"))
        await eventually(lambda: rig.accepted() == 1)
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
        assert isinstance(await rig.send("good"), Sent)

    run(scenario)


def is_not_begun(outcome: Outcome) -> bool:
    return isinstance(outcome, Failed) and (outcome.kind, outcome.code) == (
        FailureKind.RETRYABLE,
        "not begun",
    )


def test_what_may_no_longer_begin_is_not_sent(run):
    async def late(rig):
        return await rig.send("good", FreePermit(system_clock() - 1)), rig.accepted()

    outcome, sent = run(late)
    assert is_not_begun(outcome)
    assert sent == 0


def test_whoever_waits_too_long_for_a_turn_begins_nothing_and_is_not_mistaken_for_sent(run):
    async def crowded(rig):
        hanging = [asyncio.ensure_future(rig.send("hung")) for _ in range(CONNECTIONS)]
        await eventually(lambda: rig.accepted() == CONNECTIONS)
        outcome = await rig.send("good", FreePermit(system_clock() + 200))
        sent = rig.accepted()
        await asyncio.gather(*hanging)
        return outcome, sent

    outcome, sent = run(crowded, timeout=1)
    assert is_not_begun(outcome)
    assert sent == CONNECTIONS


def test_what_is_no_longer_held_when_its_turn_comes_is_not_sent(run):
    async def lost(rig):
        return await rig.send("good", FreePermit(held=False)), rig.accepted()

    outcome, sent = run(lost)
    assert is_not_begun(outcome)
    assert sent == 0
