"""Twilio's list of messages to one number, read to its end: what is not in it was not accepted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from twilio.base.exceptions import TwilioException

from messages.receipts import ended_badly, is_twilio_sid
from messages.reconciliation import CannotTell, Listed, text_hash
from messages.twilio_codes import Meaning
from worker.channels.twilio_http import Refused

#: The most Twilio gives at a time, and the most that are read.
PAGE_SIZE = 1000
MAX_PAGES = 10

#: What Twilio puts in front of every text of a trial account.
_TRIAL = "Sent from your Twilio trial account - "

_TOO_LONG = (
    f"Twilio has more than {PAGE_SIZE * MAX_PAGES:,} messages to this number: too many to look through."
)


async def read_list(
    messages: Any, recipient: str, codes: Mapping[int, Meaning]
) -> Sequence[Listed] | CannotTell:
    """All that were created through the API to `recipient` (E.164), in whatever state. Raises TimeoutError.

    Nothing but the number is filtered by: Twilio's other filters and its order go by the date of sending,
    which a message that still waits there does not have.
    """
    found: list[Listed] = []
    try:
        page = await messages.page_async(to=recipient, page_size=PAGE_SIZE)
        for _ in range(MAX_PAGES):
            found += [
                _listed(message, codes) for message in page if message.direction in (None, "outbound-api")
            ]
            if page.next_page_url is None:
                return found
            page = await messages.get_page_async(page.next_page_url)
    except Refused as refused:
        return CannotTell(f"Twilio was asked, and did not say (HTTP {refused.status}).")
    except (TwilioException, ValueError, TypeError, AttributeError, KeyError):
        # The last four are the twilio library's, for JSON that is not what it expects.
        return CannotTell("Twilio was asked, and there was no answer that can be understood.")
    return CannotTell(_TOO_LONG)


def _listed(message: Any, codes: Mapping[int, Meaning]) -> Listed:
    if not is_twilio_sid(message.sid):
        raise ValueError("no SID")
    created = message.date_created
    return Listed(
        str(message.sid),
        text_hash((message.body or "").removeprefix(_TRIAL)),
        int(created.timestamp() * 1000) if isinstance(created, datetime) else None,
        ended_badly(message.status, message.error_code, codes),
    )
