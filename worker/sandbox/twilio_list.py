"""Which messages a list request of the Twilio look-alike means."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from worker.sandbox.inbox import ArrivedSms, Inbox
from worker.sandbox.twilio_json import page_json

_FILTERS = ("To", "From", "DateSent", "DateSent>", "DateSent<")
_PAGE_SIZE, _MAX_PAGE_SIZE = 50, 1000


def list_json(inbox: Inbox, account_sid: str, query: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The page of messages that `query` asks for, newest first.

    Filters: To, From (E.164), DateSent (a day), `DateSent>` and `DateSent<` (a day, or a time in ISO 8601;
    both include it); a date that cannot be read filters nothing. A page begins after the message that its
    PageToken names, so that what arrives meanwhile moves nothing.
    """
    given = dict(query)
    page_size = min(max(_number(given.get("PageSize", ""), _PAGE_SIZE), 1), _MAX_PAGE_SIZE)
    after = given.get("PageToken", "").removeprefix("PA")
    newest_first = inbox.sms_newest_first()
    if after:
        for sms in newest_first:
            if sms.id == after:
                break
    found = list(islice((sms for sms in newest_first if _matches(sms, given)), page_size + 1))
    return page_json(
        found[:page_size],
        account_sid,
        query=[(name, value) for name, value in query if name in _FILTERS],
        page=_number(given.get("Page", ""), 0),
        page_size=page_size,
        has_more=len(found) > page_size,
    )


def _matches(sms: ArrivedSms, given: dict[str, str]) -> bool:
    if given.get("To") not in (None, "", sms.to) or given.get("From") not in (None, "", sms.sender):
        return False
    on = _span(given.get("DateSent", "")[:10])  # its day, also when a time is given
    since, until = _span(given.get("DateSent>", "")), _span(given.get("DateSent<", ""))
    at = int(sms.at)  # dates are in whole seconds
    return (
        (on is None or on[0] <= at < on[1])
        and (since is None or at >= since[0])
        and (until is None or at < until[1])
    )


def _span(text: str) -> tuple[float, float] | None:
    """The first second of the day or time that `text` names, and the first second after it."""
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        return None
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    length = timedelta(seconds=1) if "T" in text else timedelta(days=1)
    return start.timestamp(), (start + length).timestamp()


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() else default
