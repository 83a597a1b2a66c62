"""Calls the StatusCallback of SMS, signed, as Twilio does: one after the other, and only on this machine."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode, urlsplit

import aiohttp

from messages.receipts import twilio_signature
from worker.sandbox.inbox import ArrivedSms
from worker.sandbox.twilio_json import API_VERSION

#: What becomes of every SMS, in this order.
STATUSES = ("sent", "delivered")

#: Seconds until the first: Twilio, too, answers before it reports.
DELAY_SECONDS = 0.5

#: Seconds one call may take.
_TIMEOUT = 5

_HERE = frozenset({"127.0.0.1", "localhost", "::1"})


class Account(Protocol):
    """Whose SMS they are, and what signs their reports."""

    @property
    def account_sid(self) -> str:
        """Twilio's."""

    @property
    def auth_token(self) -> str:
        """Twilio's."""


@dataclass(frozen=True, slots=True)
class _Due:
    sms: ArrivedSms
    at: float  #: seconds, of the monotonic clock


class Callbacks:
    """Those that wait to be called: the newest thousand, so that a slow receiver holds up nothing."""

    def __init__(self, delay: float = DELAY_SECONDS, remember: int = 1000) -> None:
        self._delay = delay
        self._waiting: deque[_Due] = deque(maxlen=remember)
        self._added = asyncio.Event()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(self, sms: ArrivedSms) -> None:
        """Have the StatusCallback of `sms` called, if it has one and it is on this machine."""
        if sms.status_callback and urlsplit(sms.status_callback).hostname in _HERE:
            self._waiting.append(_Due(sms, time.monotonic() + self._delay))
            self._added.set()

    async def run(self, account: Account) -> None:
        """Call them, until canceled. What cannot be reached is passed over."""
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            while True:
                await self._added.wait()
                while self._waiting:
                    due = self._waiting.popleft()
                    await asyncio.sleep(due.at - time.monotonic())
                    for status in STATUSES:
                        await _call(session, account, due.sms, status)
                self._added.clear()


async def _call(session: aiohttp.ClientSession, account: Account, sms: ArrivedSms, status: str) -> None:
    url = sms.status_callback or ""
    form = _form(account, sms, status)
    signature = twilio_signature(account.auth_token, url, {name: [value] for name, value in form.items()})
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    with suppress(aiohttp.ClientError, TimeoutError, ValueError):
        async with session.post(url, data=urlencode(form).encode(), headers=headers) as answer:
            await answer.read()


def _form(account: Account, sms: ArrivedSms, status: str) -> Mapping[str, str]:
    form = {
        "AccountSid": account.account_sid,
        "ApiVersion": API_VERSION,
        "From": sms.sender,
        "MessageSid": sms.id,
        "MessageStatus": status,
        "MessagingServiceSid": sms.messaging_service_sid,
        "SmsSid": sms.id,
        "SmsStatus": status,
        "To": sms.to,
    }
    return {name: value for name, value in form.items() if value is not None}
