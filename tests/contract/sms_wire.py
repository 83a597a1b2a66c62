"""The SMS channel, an SMS for it, and Twilio at the wire: a look-alike, or a script."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from messages.outcomes import Outcome
from messages.outgoing import OutgoingSms
from tests.servers import FreePermit
from tests.servers.twilio import ACCOUNT, TOKEN, RawServer, TwilioServer, reply
from worker.channels.sms import TwilioSms

GOOD = "+18042221111"
SID = "SM" + "0123456789abcdef" * 2
ANSWER = reply("201 Created", b'{"sid": "%s", "status": "queued"}' % SID.encode())


def channel(url: str, **options: Any) -> TwilioSms:
    given = {"default_sender": "+18045550100", "timeout": 2.0, **options}
    return TwilioSms(**{"account_sid": ACCOUNT, "auth_token": TOKEN, "base_url": url, **given})


def sms(to: str = GOOD, **changes: Any) -> OutgoingSms:
    return OutgoingSms(**{"delivery_id": "d-1", "recipient": to, "sender": None, "body": "Hello", **changes})


def sent_to(url: str, message: OutgoingSms, **options: Any) -> Awaitable[Outcome]:
    async def once() -> Outcome:
        twilio = channel(url, **options)
        try:
            return await twilio.send(message, FreePermit())
        finally:
            await twilio.close()

    return once()


def against_twilio(message: OutgoingSms, **options: Any) -> tuple[Outcome, TwilioServer]:
    async def main() -> tuple[Outcome, TwilioServer]:
        async with TwilioServer() as server:
            return await sent_to(server.url, message, **options), server

    return asyncio.run(main())


def against(script: Any, **options: Any) -> tuple[Outcome, int]:
    """Send one SMS to a server that follows `script`; the outcome, and how many connections it saw."""

    async def main() -> tuple[Outcome, int]:
        async with RawServer(script) as server:
            return await sent_to(server.url, sms(), **options), server.connections

    return asyncio.run(main())
