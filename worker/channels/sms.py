"""SMS by Twilio."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from twilio.rest import Client

from messages.clock import Clock, system_clock
from messages.outcomes import ActionBy, Failed, FailureKind, Outcome, Sent
from messages.outgoing import OutgoingSms, Permit
from messages.receipts import ended_badly, is_twilio_sid, twilio_callback
from messages.reconciliation import CannotTell, Ended, Listed
from messages.states import DeliveryState
from messages.twilio_codes import CODES, Meaning
from worker.channels.turns import NotBegun, Turns
from worker.channels.twilio_errors import classify
from worker.channels.twilio_http import Broken, Garbled, OneSessionHttpClient, Refused
from worker.channels.twilio_list import read_list

#: Characters; Twilio refuses more.
MAX_BODY = 1600

#: What Twilio takes as ValidityPeriod, in seconds; the longest is its default. Source: its error 90007.
SHORTEST_VALIDITY, LONGEST_VALIDITY = 1, 36_000

_NO_SENDER = "There is no sender for SMS: set SENDER_PHONE or TWILIO_MESSAGING_SERVICE_SID"
_GARBLED = Failed(
    FailureKind.AMBIGUOUS,
    "Twilio's answer cannot be understood; whether it sent the message is not known",
    action_by=ActionBy.NOBODY,
)


class TwilioSms:
    """The SMS channel. Use it on one event loop; its client is made at the first send.

    `callback_base`: where the world reaches intake; None: Twilio is asked for no reports.
    `timeout`: seconds for one attempt, all of it. `connections`: how many at most. `codes`: what
    Twilio's codes mean where that differs from `twilio_codes.CODES`.
    """

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        base_url: str = "https://api.twilio.com",
        messaging_service_sid: str | None = None,
        default_sender: str | None = None,
        callback_base: str | None = None,
        timeout: float = 15,
        connections: int = 150,
        codes: Mapping[int, Meaning] | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self._turns, self._clock = Turns(connections, clock), clock
        self._account = (account_sid, auth_token)
        self._base_url, self._timeout, self._connections = base_url, timeout, connections
        self._messaging_service_sid, self._default_sender = messaging_service_sid, default_sender
        self._callback_base = callback_base
        self._codes = {**CODES, **(codes or {})}
        self._http: OneSessionHttpClient | None = None
        self._client: Client | None = None

    async def send(self, sms: OutgoingSms, permit: Permit) -> Outcome:
        """Try once, under this permit."""
        sender = self._sender(sms)
        if sender is None:
            return Failed(FailureKind.RETRYABLE, _NO_SENDER, action_by=ActionBy.OPERATOR)
        if len(sms.body) > MAX_BODY:
            reason = f"The text has {len(sms.body):,} characters; an SMS may have {MAX_BODY:,}"
            return Failed(FailureKind.PERMANENT, reason, action_by=ActionBy.CONTENT)
        try:
            async with self._turns.turn(permit):
                return await self._hand_over(sms, sender)
        except NotBegun as late:
            return late.as_outcome()

    async def _hand_over(self, sms: OutgoingSms, sender: Mapping[str, str]) -> Outcome:
        try:
            return await self._create(sms, sender)
        except Refused as refused:
            return classify(refused.status, refused.code, refused.retry_after, self._codes)
        except Broken as broken:
            return Failed(broken.kind, broken.reason, provider_trouble=True, action_by=broken.action_by)
        except (Garbled, ValueError, TypeError, AttributeError):
            # The last three are the twilio library's, for JSON that is not what it expects.
            return _GARBLED

    async def listed(self, recipient: str) -> Sequence[Listed] | CannotTell:
        """All messages to this number that Twilio has."""
        try:
            # At most twice as long as a send may take, however many pages there are.
            async with asyncio.timeout(2 * self._timeout):
                return await read_list(self._messages(), recipient, self._codes)
        except TimeoutError:
            return CannotTell("Twilio was asked, and did not answer in time.")

    async def close(self) -> None:
        """Close what is open. A later send opens it again."""
        http, self._http, self._client = self._http, None, None
        if http is not None:
            await http.close()

    async def _create(self, sms: OutgoingSms, sender: Mapping[str, str]) -> Outcome:
        content: dict[str, object] = {"body": sms.body} if sms.body or not sms.media_urls else {}
        if sms.media_urls:
            content["media_url"] = list(sms.media_urls)
        if self._callback_base:
            content["status_callback"] = twilio_callback(self._callback_base, sms.delivery_id)
        if sms.expires_at is not None:
            content["validity_period"] = validity_seconds(sms.expires_at, self._clock())
        message = await self._messages().create_async(to=sms.recipient, **sender, **content)
        if not is_twilio_sid(message.sid):
            return _GARBLED
        if ended := ended_badly(message.status, message.error_code, self._codes):
            return _ended_at_once(message.sid, ended)
        return Sent(message.sid, message.status if isinstance(message.status, str) else None)

    def _sender(self, sms: OutgoingSms) -> Mapping[str, str] | None:
        number = sms.sender or self._default_sender
        if number:
            return {"from_": number}
        if self._messaging_service_sid:
            return {"messaging_service_sid": self._messaging_service_sid}
        return None

    def _messages(self) -> Any:
        if self._client is None:
            self._http = OneSessionHttpClient(
                base_url=self._base_url,
                timeout=self._timeout,
                connections=self._connections,
                clock=self._clock,
            )
            # `environment` is given so that TWILIO_EDGE and TWILIO_REGION do not redirect the sandbox.
            self._client = Client(*self._account, http_client=self._http, environment={"TWILIO": "explicit"})
        return self._client.messages


def validity_seconds(expires_at: int, now: int) -> int:
    """How long Twilio may keep an SMS before it sends it: until it expires. Both in ms since the epoch."""
    return max(SHORTEST_VALIDITY, min(LONGEST_VALIDITY, (expires_at - now) // 1000))


def _ended_at_once(sid: str, ended: Ended) -> Failed:
    """What was accepted, and has failed by the time of the answer."""
    return Failed(
        FailureKind.PERMANENT,
        ended.reason,
        code=ended.code,
        opted_out=ended.state is DeliveryState.SUPPRESSED,
        undelivered=ended.state is DeliveryState.UNDELIVERED,
        provider_id=sid,
        action_by=ended.action_by,
    )
