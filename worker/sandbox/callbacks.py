"""Calls the StatusCallback of SMS, signed, as Twilio does: one after the other, and only our own intake.

The credentials of the sandbox are no secret: it must not sign and carry a request to anywhere else.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Mapping, Sequence
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

#: What providers call, below an intake's URL. No segment begins with a dot or has an escape in it.
_PATH = re.compile(r"/api/(?:receipts|inbound)(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")

#: What no two libraries read differently.
_PLAIN = re.compile(r"[!-~]+")


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
    """Those that wait to be called: the newest thousand, so that a slow receiver holds up nothing.

    `intakes`: the URLs of this installation's intake, without a trailing slash.
    """

    def __init__(
        self,
        delay: float = DELAY_SECONDS,
        remember: int = 1000,
        intakes: Sequence[str] = ("http://127.0.0.1:8000",),
    ) -> None:
        self._delay = delay
        self._intakes = [urlsplit(url) for url in intakes]
        self._waiting: deque[_Due] = deque(maxlen=remember)
        self._added = asyncio.Event()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(self, sms: ArrivedSms) -> None:
        """Have the StatusCallback of `sms` called, if it leads to our intake on this machine."""
        if sms.status_callback and self._is_ours(sms.status_callback):
            self._waiting.append(_Due(sms, time.monotonic() + self._delay))
            self._added.set()

    def _is_ours(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return False
        if parts.hostname not in _HERE or parts.username is not None or not _PLAIN.fullmatch(url):
            return False
        for intake in self._intakes:
            is_there = (intake.scheme, intake.port) == (parts.scheme, port) and intake.hostname in _HERE
            if is_there and parts.path.startswith(intake.path):
                return bool(_PATH.fullmatch(parts.path.removeprefix(intake.path)))
        return False

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
        async with session.post(
            url, data=urlencode(form).encode(), headers=headers, allow_redirects=False
        ) as answer:
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
