"""Twilio's Messages API, create and list, in the sandbox's shapes, misbehaving on demand."""

import asyncio
import re
import secrets
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from aiohttp import ClientSession, ClientTimeout, web

from tests.chaos.arrivals import IN_TIME, TOO_LATE, Provider, Weather
from tests.chaos.smtp import cut
from worker.sandbox.callbacks import _call as call
from worker.sandbox.inbox import ArrivedSms, Inbox
from worker.sandbox.twilio_json import TwilioError, message_json
from worker.sandbox.twilio_list import list_json

ACCOUNT, TOKEN = "AC" + "c" * 32, "chaos"
#: The part of the SMS whose fate is reported.
REPORTED = 0.3
_ROOT = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
_TOKEN = re.compile(r"t\w+")
_SILENT = Weather.HALF_OPEN, Weather.LATE, Weather.LATER
_NOT_TAKEN = {
    Weather.REFUSES: (21614, {}),
    Weather.BUSY: (20429, {"Retry-After": "1"}),
}


class OneNumber(Inbox):
    """What arrived at one number, which is what a list request asks for."""

    def __init__(self, arrived: list[ArrivedSms]) -> None:
        super().__init__()
        self._arrived = arrived

    def sms_newest_first(self) -> Iterator[ArrivedSms]:
        return reversed(self._arrived)


class TwilioServer:
    """`open()`, then `url`."""

    def __init__(self, provider: Provider) -> None:
        self.provider, self.port = provider, 0
        self._by_number: dict[str, list[ArrivedSms]] = defaultdict(list)
        self._by_sid: dict[str, ArrivedSms] = {}
        self._session: ClientSession | None = None
        self.account_sid, self.auth_token = ACCOUNT, TOKEN
        self.listed = 0  #: how often it was asked what it has

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Listen."""
        self._session = self._session or ClientSession(timeout=ClientTimeout(total=5))
        app = web.Application()
        app.router.add_post(f"{_ROOT}.json", self._create)
        app.router.add_get(f"{_ROOT}.json", self._list)
        app.router.add_get(f"{_ROOT}/{{sid}}.json", self._fetch)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Listen no longer, and lose every connection."""
        self.drop_all()
        await self._runner.cleanup()
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def drop_all(self) -> None:
        """Lose every connection at once."""
        for connection in self._runner.server.connections if self._runner.server else ():
            if connection.transport:
                connection.transport.abort()

    async def _create(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        found = _TOKEN.search(str(form["Body"]))
        token = found[0] if found else ""
        mood = self.provider.mood()
        if answer := await self._not_taken(request, mood, token):
            return answer
        if mood is Weather.LATER:
            self.provider.later(self._take_later(form, token))
            await asyncio.Event().wait()
        sms = self._take(form, token)
        assert request.transport is not None
        await self.provider.lie_in_wait(request.transport.get_extra_info("peername"))
        if mood is Weather.DROP_AFTER:
            return await _cut(request)
        if mood is Weather.ERROR_AFTER:
            return web.Response(status=self.provider.random.choice((500, 503, 200)), text="<html>oops")
        if mood:
            await asyncio.sleep(self.provider.time_out * (TOO_LATE if mood in _SILENT else IN_TIME))
        return web.json_response(message_json(sms, ACCOUNT, is_new=True), status=201)

    def _take(self, form: Any, token: str) -> ArrivedSms:
        sid, to = "SM" + secrets.token_hex(16), str(form["To"])
        sms = ArrivedSms(
            len(self._by_sid) + 1, sid, time.time(), to, form.get("From"),
            form.get("MessagingServiceSid"), str(form["Body"]), (), form.get("StatusCallback"),
        )  # fmt: skip
        self._by_number[to].append(sms)
        self._by_sid[sid] = sms
        self.provider.accept(token, sid)
        if self.provider.random.random() < REPORTED:
            self.provider.later(self._report(sms))
        return sms

    async def _take_later(self, form: Any, token: str) -> None:
        await asyncio.sleep(self.provider.time_out * TOO_LATE)
        self._take(form, token)

    async def _report(self, sms: ArrivedSms) -> None:
        """Say what became of it, sometimes twice or in the wrong order; some reports are lost."""
        await asyncio.sleep(self.provider.random.uniform(0.1, 4))
        for status in self.provider.random.choice(
            (("delivered",), ("sent", "delivered"), ("delivered", "sent"))
        ):
            if self._session is not None:  # what is to be reported while it is down is lost
                await call(self._session, self, sms, status)

    async def _not_taken(
        self, request: web.Request, mood: Weather | None, token: str
    ) -> web.StreamResponse | None:
        if mood in (Weather.DROP_BEFORE, Weather.RESET):
            return await _cut(request, reset=mood is Weather.RESET)
        if mood is Weather.HALF_OPEN:
            await asyncio.Event().wait()
        if mood is Weather.ERROR:
            return web.Response(status=500, text="{}")
        if mood in _NOT_TAKEN:
            if mood is Weather.REFUSES:
                self.provider.refused.add(token)
            code, headers = _NOT_TAKEN[mood]
            error = TwilioError(code)
            return web.json_response(error.as_json(), status=error.status, headers=headers)
        return None

    async def _list(self, request: web.Request) -> web.StreamResponse:
        self.listed += 1
        if answer := await self._not_taken(request, self.provider.mood(), ""):
            return answer
        query = list(request.query.items())
        to = dict(query).get("To", "")
        return web.json_response(list_json(OneNumber(self._by_number[to]), ACCOUNT, query))

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        sms = self._by_sid.get(request.match_info["sid"])
        if sms is None:
            return web.json_response(TwilioError(20404).as_json(), status=404)
        return web.json_response(message_json(sms, ACCOUNT, is_new=False))


async def _cut(request: web.Request, *, reset: bool = False) -> web.StreamResponse:
    if request.transport is not None:
        cut(request.transport, reset=reset)
    await asyncio.sleep(0)
    return web.Response()
