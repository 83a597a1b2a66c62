"""The shapes of Twilio's answers: its Message resource, its pages and its errors.

Source: "Message resource", "Twilio's response" and "Error and Warning Dictionary" in Twilio's documentation.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from messages.segments import segments_of
from worker.sandbox.inbox import ArrivedSms

API_VERSION = "2010-04-01"

#: Twilio's error code → HTTP status, message; `{value}` is the number or URL at fault.
ERRORS: Mapping[int, tuple[int, str]] = {
    20003: (401, "Authenticate"),
    20004: (405, "Method not allowed"),
    20404: (404, "The requested resource {value} was not found"),
    20429: (429, "Too Many Requests"),
    21211: (400, "The 'To' number {value} is not a valid phone number."),
    21212: (400, "The 'From' number {value} is not a valid phone number, short code or sender ID."),
    21408: (400, "SMS to the region of the 'To' number {value} is not enabled for this account"),
    21602: (400, "A message body or media is required."),
    21603: (400, "A 'From' phone number or messaging service is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' number {value} is not an SMS-capable number of this account."),
    21609: (400, "The 'StatusCallback' URL {value} is not a valid URL."),
    21610: (400, "The recipient {value} has unsubscribed from this sender"),
    21611: (400, "The 'From' number {value} has too many messages queued"),
    21612: (400, "The 'To' number {value} cannot be reached from this sender."),
    21614: (400, "The 'To' number {value} is not a valid mobile number"),
    21617: (400, "The message body exceeds the 1600 character limit"),
    21620: (400, "The media URL {value} is not a valid URL"),
    21623: (400, "A message can have 10 media URLs at most"),
}


class TwilioError(Exception):
    """An answer other than success: Twilio's error `code`, and the value it is about."""

    def __init__(self, code: int, value: str = "") -> None:
        self.code = code
        self.status, message = ERRORS[code]
        self.message = message.replace("{value}", value)
        super().__init__(self.message)

    def as_json(self) -> dict[str, Any]:
        """Twilio's error document."""
        more_info = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": self.message, "more_info": more_info, "status": self.status}


def message_json(sms: ArrivedSms, account_sid: str, *, is_new: bool) -> dict[str, Any]:
    """The Message resource: "queued" ("accepted" for a messaging service) when new, later "sent"."""
    uri = f"{_messages_path(account_sid)}/{sms.id}"
    at = rfc2822(sms.at)
    new_status = "accepted" if sms.messaging_service_sid else "queued"
    return {
        "sid": sms.id,
        "account_sid": account_sid,
        "api_version": API_VERSION,
        "messaging_service_sid": sms.messaging_service_sid,
        "to": sms.to,
        "from": sms.sender,
        "body": sms.body,
        "status": new_status if is_new else "sent",
        "num_segments": str(segments_of(sms.body).count),
        "num_media": str(len(sms.media_urls)),
        "direction": "outbound-api",
        "date_created": at,
        "date_updated": at,
        "date_sent": None if is_new else at,
        "price": None,
        "price_unit": "USD",
        "error_code": None,
        "error_message": None,
        "uri": f"{uri}.json",
        "subresource_uris": {"media": f"{uri}/Media.json"},
    }


def page_json(
    messages: Sequence[ArrivedSms],
    account_sid: str,
    *,
    query: Sequence[tuple[str, str]],
    page: int,
    page_size: int,
    has_more: bool,
) -> dict[str, Any]:
    """One page of a list, in Twilio's envelope. `query` are the filters, which its links repeat."""
    start = page * page_size
    last_sid = messages[-1].id if messages else ""
    following = [("Page", str(page + 1)), ("PageToken", f"PA{last_sid}")]
    first = _link(account_sid, query, page_size, [("Page", "0")])
    return {
        "messages": [message_json(sms, account_sid, is_new=False) for sms in messages],
        "page": page,
        "page_size": page_size,
        "start": start,
        "end": start + max(len(messages) - 1, 0),
        "uri": _link(account_sid, query, page_size, [("Page", str(page))]),
        "first_page_uri": first,
        "previous_page_uri": None,
        "next_page_uri": _link(account_sid, query, page_size, following) if has_more else None,
    }


def rfc2822(at: float) -> str:
    """Seconds since the epoch as Twilio writes them: `Tue, 02 Jan 2024 03:04:05 +0000`."""
    return format_datetime(datetime.fromtimestamp(at, UTC))


def _messages_path(account_sid: str) -> str:
    return f"/{API_VERSION}/Accounts/{account_sid}/Messages"


def _link(
    account_sid: str, query: Sequence[tuple[str, str]], page_size: int, more: Sequence[tuple[str, str]]
) -> str:
    return f"{_messages_path(account_sid)}.json?{urlencode([*query, ('PageSize', str(page_size)), *more])}"
