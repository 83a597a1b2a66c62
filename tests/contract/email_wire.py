"""The e-mail channel, an e-mail for it, and a real SMTP server that gets it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from messages.outcomes import Outcome
from messages.outgoing import OutgoingEmail, RenderedEmail
from tests.servers import FreePermit, eventually
from tests.servers.smtp import SmtpServer
from tests.servers.twilio import RawServer
from worker.channels.email import SmtpEmail
from worker.channels.fetch import AttachmentFetcher

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
CONTENT = RenderedEmail("Grüße", "Hello\n.\n.. dots\nFrom here", "<p>Hello</p>")


def email(recipient: str = "ann@customer.example", **changes: Any) -> OutgoingEmail:
    given = {
        "delivery_id": "d-1",
        "recipient": recipient,
        "sender": None,
        "reply_to": None,
        "content": CONTENT,
    }
    return OutgoingEmail(**{**given, **changes})


def channel(url: str, **options: Any) -> SmtpEmail:
    given: dict[str, Any] = {
        "timeout": 3.0,
        "clock": lambda: int(NOW.timestamp() * 1000),
        "fetch": AttachmentFetcher().fetch_all,
    }
    return SmtpEmail(url, **{"default_sender": "Auto Haus <messages@dealer.example>", **given, **options})


def run(server: SmtpServer, scenario: Callable[[SmtpEmail], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with server:
            smtp = channel(options.pop("url", server.url), **options)
            try:
                return await scenario(smtp)
            finally:
                await smtp.close()
                await eventually(lambda: server.open == 0)

    return asyncio.run(main())


def sent(message: OutgoingEmail, server: SmtpServer | None = None, **options: Any) -> Outcome:
    return run(server or SmtpServer(), lambda smtp: smtp.send(message, FreePermit()), **options)


def against(script: Callable[..., Awaitable[None]], **options: Any) -> Outcome:
    """Send one e-mail to a server that follows `script`."""

    async def main() -> Outcome:
        async with RawServer(script) as server:
            smtp = channel(server.url.replace("http", "smtp"), **options)
            outcome = await smtp.send(email(), FreePermit())
            await smtp.close()
            return outcome

    return asyncio.run(main())
