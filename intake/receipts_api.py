"""`/api/receipts/…`: what providers report of a Delivery, at the address they were given with it."""

import logging

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from intake.answers import Refusal, success
from intake.door import Door
from messages.errors import InvalidMessage
from messages.receipts import ended_badly, is_from_twilio, is_twilio_sid, twilio_callback
from messages.reconciliation import Ended
from messages.states import DeliveryState
from messages.store import Reported

log = logging.getLogger(__name__)
router = APIRouter(tags=["Receipts"])

#: A report has a dozen short fields.
_MAX_BYTES = 64_000

_REPORTED = "Twilio reported that it has it."


@router.post("/api/receipts/twilio/{delivery_id}", include_in_schema=False)
async def twilio(request: Request, delivery_id: str) -> Response:
    """Twilio reports on an SMS: whatever it says became of it, it has accepted it; some it could not deliver.

    The signature stands in for an API key: only Twilio and we know TWILIO_AUTH_TOKEN.
    """
    door: Door = request.app.state.door
    form = await door.bodies.form(request, _MAX_BYTES)
    _check_signature(door, request, delivery_id, form)
    sid, status, code = (_first(form, name) for name in ("MessageSid", "MessageStatus", "ErrorCode"))
    if not is_twilio_sid(sid):
        raise InvalidMessage("MessageSid is missing or wrong", {"MessageSid": "is no SID of a message"})
    ended = ended_badly(status, code, door.twilio_codes)
    reported = await run_in_threadpool(_record, door, delivery_id, sid, ended)
    if reported is Reported.NO_SUCH_DELIVERY:
        raise Refusal(404, "There is no such Delivery.")
    if reported is Reported.NOT_ITS_OWN:
        log.warning("%s: Twilio reports on %s, which is not the message it was sent as.", delivery_id, sid)
    return success({"deliveryId": delivery_id, "recorded": reported is Reported.MOVED})


def _first(form: dict[str, list[str]], name: str) -> str:
    return (form.get(name) or [""])[0]


def _record(door: Door, delivery_id: str, sid: str, ended: Ended | None) -> Reported:
    said = ended or Ended(DeliveryState.SENT, _REPORTED)
    return door.store.report(
        delivery_id,
        sid,
        said.state,
        detail=said.reason,
        code=said.code,
        action_by=said.action_by,
        now=door.clock(),
    )


def _check_signature(door: Door, request: Request, delivery_id: str, form: dict[str, list[str]]) -> None:
    token = door.settings.twilio_auth_token
    # Signed is the address that Twilio was given, whatever a proxy made of it since.
    url = twilio_callback(door.settings.public_base, delivery_id)
    given = request.headers.get("x-twilio-signature", "")
    if token is None or not is_from_twilio(token.get_secret_value(), url, form, given):
        raise Refusal(403, "X-Twilio-Signature is missing or wrong: check PUBLIC_URL and TWILIO_AUTH_TOKEN.")
