"""Servers that allow few connections: what is turned away waits for one that is there, and nothing fails."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from messages.circuit import Circuit
from messages.clock import system_clock
from messages.outcomes import FailureKind, Outcome, Sent
from messages.outgoing import OutgoingEmail, RenderedEmail
from tests.servers import FreePermit, eventually
from tests.servers.smtp import SmtpServer
from tests.servers.tls import authority
from worker.channels.email import SmtpEmail
from worker.channels.fetch import AttachmentFetcher
from worker.channels.smtp_admission import Pace

LIMIT = 3
TOO_MANY = b"421 4.7.0 mx.test Error: too many connections from 127.0.0.1\r\n"
UNWELL = b"421 4.3.0 mx.test going down\r\n"


pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


class Sender:
    """A channel, as one process has it, with its circuit."""

    def __init__(self, server: SmtpServer, **options: Any) -> None:
        self.permits: list[FreePermit] = []
        self.circuit, self.opened = Circuit(), False
        self.channel = SmtpEmail(
            server.url,
            default_sender="Roundsman <messages@dealer.example>",
            fetch=AttachmentFetcher().fetch_all,
            **{"connections": 10, "timeout": 5, **options},
        )

    async def send(self, name: str = "ann", permit: FreePermit | None = None) -> Outcome:
        self.permits.append(permit or FreePermit())
        content = RenderedEmail("Hello", "At noon", None)
        email = OutgoingEmail(name, f"{name}@customer.example", None, None, content)
        outcome = await self.channel.send(email, self.permits[-1])
        change = self.circuit.report(outcome, system_clock())
        self.opened = self.opened or bool(change and change.open_until)
        return outcome

    async def send_all(self, names: Sequence[str]) -> list[Outcome]:
        return list(await asyncio.gather(*(self.send(name) for name in names)))


def run(server: SmtpServer, scenario: Callable[..., Awaitable[Any]], *senders: dict[str, Any]) -> Any:
    async def main() -> Any:
        async with server:
            there = [Sender(server, **options) for options in senders or ({},)]
            try:
                return await scenario(*there)
            finally:
                await asyncio.gather(*(each.channel.close() for each in there))
                await eventually(lambda: server.open == 0)

    return asyncio.run(main())


def names(count: int, first: str = "a") -> list[str]:
    return [f"{first}{number}" for number in range(count)]


def recipients(server: SmtpServer) -> list[str]:
    return sorted(mail.recipient.partition("@")[0] for mail in server.mails)


@pytest.mark.parametrize(
    "full_reply",
    [TOO_MANY, b"450 4.3.2 try again later\r\n", b""],
    ids=["says so", "is vague", "says nothing"],
)
def test_sixty_at_once_are_sent_at_the_first_attempt_over_the_three_connections_allowed(full_reply):
    server = SmtpServer(limit=LIMIT, full_reply=full_reply)

    async def scenario(sender: Sender) -> None:
        assert all(isinstance(outcome, Sent) for outcome in await sender.send_all(names(60)))
        assert not sender.opened
        assert [permit.begun for permit in sender.permits] == [1] * 60

    run(server, scenario)
    assert recipients(server) == sorted(names(60))
    assert server.peak == LIMIT
    assert server.turned_away == 10 - LIMIT


def test_a_log_in_that_is_turned_away_beside_others_waits_likewise():
    server_context, client_context = authority()
    server = SmtpServer(tls=server_context, credentials=("user", "secret"))
    server.login_limit = LIMIT

    async def scenario(sender: Sender) -> None:
        assert all(isinstance(outcome, Sent) for outcome in await sender.send_all(names(20)))
        assert not sender.opened

    run(server, scenario, {"tls_context": client_context, "connections": 5})
    assert len(server.mails) == 20
    assert server.turned_away > 0


def test_used_up_connections_are_left_with_quit_before_others_are_opened_and_none_is_turned_away():
    server = SmtpServer(limit=1)

    async def scenario(sender: Sender) -> None:
        assert all(isinstance(outcome, Sent) for outcome in await sender.send_all(names(1010)))

    run(server, scenario, {"connections": 1})
    assert (server.total, server.turned_away, server.peak) == (3, 0, 1)
    assert server.farewells == 3


def test_the_allowance_grows_again_once_the_server_allows_more():
    server = SmtpServer(limit=1)

    async def scenario(sender: Sender) -> None:
        await sender.send_all(names(20))
        assert server.peak == 1
        server.limit = 4
        async with asyncio.timeout(3):
            while server.peak < 4:
                outcomes = await sender.send_all(names(20))
                assert all(isinstance(outcome, Sent) for outcome in outcomes)

    run(server, scenario, {"connections": 4, "pace": Pace(pause=0.02)})


def test_two_processes_that_share_the_limit_both_send_everything_and_open_no_circuit():
    server = SmtpServer(limit=LIMIT)

    async def scenario(one: Sender, other: Sender) -> None:
        both = await asyncio.gather(one.send_all(names(30, "a")), other.send_all(names(30, "b")))
        assert all(isinstance(outcome, Sent) for outcomes in both for outcome in outcomes)
        assert not one.opened
        assert not other.opened

    run(server, scenario, *[{"pace": Pace(short_idle=0.2, moment=0.05)}] * 2)
    assert recipients(server) == sorted(names(30, "a") + names(30, "b"))
    assert server.peak == LIMIT


def test_where_others_keep_all_connections_it_is_retryable_and_not_the_servers_trouble():
    server = SmtpServer(limit=0)

    async def scenario(sender: Sender) -> list[Outcome]:
        outcomes = await sender.send_all(names(30))
        assert not sender.opened
        assert not any(permit.begun for permit in sender.permits)
        return outcomes

    outcomes = run(server, scenario, {"timeout": 0.4, "pace": Pace(moment=0.1)})
    assert {(each.kind, each.code, each.provider_trouble) for each in outcomes} == {
        (FailureKind.RETRYABLE, "421 4.7.0", False)
    }
    assert 10 <= server.turned_away <= 15  # not each of the thirty knocks at the door


def test_a_connection_that_the_server_still_counts_for_a_moment_is_waited_for():
    server = SmtpServer(full_reply=b"")

    async def scenario(sender: Sender) -> Outcome:
        await sender.send()
        server.drop_all()
        server.limit = 0
        under_way = asyncio.ensure_future(sender.send())
        await eventually(lambda: server.turned_away > 0)
        server.limit = 1
        return await under_way

    assert isinstance(run(server, scenario, {"pace": Pace(moment=0.05)}), Sent)


def test_nobody_waits_for_a_connection_longer_than_it_may_begin():
    server = SmtpServer(limit=0)

    async def scenario(sender: Sender) -> Outcome:
        return await sender.send(permit=FreePermit(system_clock() + 200))

    assert run(server, scenario).code == "not begun"


def test_a_server_that_lets_nobody_in_for_another_reason_is_in_trouble():
    server = SmtpServer(limit=0, full_reply=UNWELL)

    async def scenario(sender: Sender) -> list[Outcome]:
        outcomes = await sender.send_all(names(10))
        assert sender.opened
        return outcomes

    outcomes = run(server, scenario)
    assert all(each.provider_trouble for each in outcomes)
    assert server.turned_away == 10


def test_a_server_that_goes_down_in_the_middle_of_a_session_is_in_trouble_whatever_else_is_open():
    server = SmtpServer()

    async def scenario(sender: Sender) -> Outcome:
        await sender.send_all(names(5))
        return await sender.send("unavailable")

    outcome = run(server, scenario)
    assert (outcome.kind, outcome.code, outcome.provider_trouble) == (
        FailureKind.RETRYABLE,
        "421 4.3.0",
        True,
    )
