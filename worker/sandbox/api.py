"""The JSON that the page and tests read.

    GET    /sandbox/api/messages?limit=200&channel=sms|email&to=…   a list, newest first; `to` is searched for
    DELETE /sandbox/api/messages                                    forget all → 204
    GET    /sandbox/api/messages/{id}                               one, whole
    GET    /sandbox/api/messages/{id}/html                          an e-mail's HTML, isolated (see `app`)
    GET    /sandbox/api/messages/{id}/raw                           an e-mail as it came, as text
    GET    /sandbox/api/messages/{id}/attachments/{n}               n from 0; a download
    GET    /sandbox/api/counts                                      {sms, email, kept, distinctMessageIds,
                                                                     duplicates, smsDuplicates}
    GET    /sandbox/api/about                                       {intakeUrl, intakeNeedsKey, mediaOrigins,
                                                                     behaviours: [{channel, role, address,
                                                                     code, act, does}]}

Both channels: {id, channel, at (ISO 8601, UTC), to, from, copies}. SMS: {…, body, media: [URL], encoding,
segments, messagingServiceSid}. E-mail, listed: {…, subject, messageId, size (bytes)}; whole: {…, recipients,
mailFrom, headers: [[name, value]], text, hasHtml, attachments: [{filename, type, size}]}.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from messages.delivery import Channel
from messages.segments import segments_of
from worker.sandbox.behaviours import BEHAVIOURS
from worker.sandbox.inbox import Arrived, ArrivedEmail, ArrivedSms, Inbox
from worker.sandbox.isolation import FILE_HEADERS, MAIL_HEADERS, isolated
from worker.sandbox.mail_view import MailView, read_header, read_mail
from worker.sandbox.sandbox import Sandbox

_LIMIT, _MAX_LIMIT = 200, 10_000

Handler = Callable[[Sandbox, Request], Response]


def routes(sandbox: Sandbox) -> list[Route]:
    """The routes under /sandbox/api."""
    one = "/sandbox/api/messages/{id}"
    return [
        _route(sandbox, "/sandbox/api/messages", _list),
        _route(sandbox, "/sandbox/api/messages", _clear, "DELETE"),
        _route(sandbox, one, _whole),
        _route(sandbox, f"{one}/html", _html),
        _route(sandbox, f"{one}/raw", _raw),
        _route(sandbox, f"{one}/attachments/{{n:int}}", _attachment),
        _route(sandbox, "/sandbox/api/counts", lambda sandbox, _: _json(sandbox.inbox.counts())),
        _route(sandbox, "/sandbox/api/about", _about),
    ]


def _route(sandbox: Sandbox, path: str, handler: Handler, method: str = "GET") -> Route:
    async def endpoint(request: Request) -> Response:
        return handler(sandbox, request)

    endpoint_of: Callable[[Request], Awaitable[Response]] = endpoint
    return Route(path, endpoint_of, methods=[method])


def _list(sandbox: Sandbox, request: Request) -> Response:
    query = request.query_params
    tag = f'"{sandbox.inbox.version}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"etag": tag})
    channels = {channel.value: channel for channel in Channel}
    text = query.get("limit", "")
    limit = int(text) if text.isascii() and text.isdigit() else _LIMIT
    found = sandbox.inbox.newest(
        min(limit, _MAX_LIMIT), channel=channels.get(query.get("channel", "")), recipient=query.get("to", "")
    )
    # `no-cache` still lets a browser keep the answer and ask, with the tag, whether it changed.
    return _json([_summary(sandbox.inbox, arrived) for arrived in found], etag=tag)


def _clear(sandbox: Sandbox, _: Request) -> Response:
    sandbox.inbox.clear()
    sandbox.tries.clear()
    return Response(status_code=204)


def _whole(sandbox: Sandbox, request: Request) -> Response:
    arrived = sandbox.inbox.get(request.path_params["id"])
    if arrived is None:
        raise HTTPException(404, "no such message here: it was cleared, or newer ones took its place")
    summary = _summary(sandbox.inbox, arrived)
    return _json(summary | _details(arrived) if isinstance(arrived, ArrivedEmail) else summary)


def _html(sandbox: Sandbox, request: Request) -> Response:
    html = _mail(sandbox, request)[1].html
    if html is None:
        raise HTTPException(404, "this e-mail has no HTML")
    return Response(isolated(html), headers=MAIL_HEADERS, media_type="text/html")


def _raw(sandbox: Sandbox, request: Request) -> Response:
    raw = _mail(sandbox, request)[0].raw
    return Response(raw, headers=FILE_HEADERS, media_type="text/plain")


def _attachment(sandbox: Sandbox, request: Request) -> Response:
    parts = _mail(sandbox, request)[1].parts
    n: int = request.path_params["n"]
    if n >= len(parts):
        raise HTTPException(404, f"this e-mail has {len(parts)} attachments, counted from 0")
    disposition = f"attachment; filename*=UTF-8''{quote(parts[n].filename, safe='')}"
    return Response(
        parts[n].content,
        headers={**FILE_HEADERS, "content-disposition": disposition, "content-type": parts[n].mime_type},
    )


def _about(sandbox: Sandbox, _: Request) -> Response:
    return _json(
        {
            "intakeUrl": sandbox.intake_url,
            "intakeNeedsKey": sandbox.intake_needs_key,
            "mediaOrigins": sandbox.media_origins,
            "behaviours": BEHAVIOURS,
        }
    )


def _mail(sandbox: Sandbox, request: Request) -> tuple[ArrivedEmail, MailView]:
    email = sandbox.inbox.get(request.path_params["id"])
    if not isinstance(email, ArrivedEmail):
        raise HTTPException(404, "no such e-mail here: it was cleared, or newer ones took its place")
    return email, read_mail(email.raw)


def _summary(inbox: Inbox, arrived: Arrived) -> dict[str, Any]:
    at = datetime.fromtimestamp(arrived.at, UTC).isoformat(timespec="milliseconds")
    common = {"id": arrived.id, "channel": arrived.channel, "at": at, "to": arrived.to}
    own = _sms(arrived) if isinstance(arrived, ArrivedSms) else _email(arrived)
    return {**common, **own, "copies": inbox.copies(arrived)}


def _sms(sms: ArrivedSms) -> dict[str, Any]:
    segments = segments_of(sms.body)
    return {
        "from": sms.sender or sms.messaging_service_sid,
        "body": sms.body,
        "media": sms.media_urls,
        "encoding": segments.encoding,
        "segments": segments.count,
        "messagingServiceSid": sms.messaging_service_sid,
    }


def _email(email: ArrivedEmail) -> dict[str, Any]:
    header = read_header(email.raw)
    return {
        "from": header.get("from") or email.mail_from,
        "subject": header.get("subject", ""),
        "messageId": email.identity,
        "size": len(email.raw),
    }


def _details(email: ArrivedEmail) -> dict[str, Any]:
    view = read_mail(email.raw)
    return {
        "recipients": email.recipients,
        "mailFrom": email.mail_from,
        "headers": view.headers,
        "text": view.text,
        "hasHtml": view.html is not None,
        "attachments": [
            {"filename": p.filename, "type": p.mime_type, "size": len(p.content)} for p in view.parts
        ],
    }


def _json(content: object, **headers: str) -> Response:
    return Response(
        orjson.dumps(content), headers={"cache-control": "no-cache", **headers}, media_type="application/json"
    )
