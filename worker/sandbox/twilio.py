"""A look-alike of Twilio's Messages API: same URLs, form fields, basic auth, JSON and errors.

    POST /2010-04-01/Accounts/{sid}/Messages.json           To, From or MessagingServiceSid, Body and/or
                                                            MediaUrl (up to 10), StatusCallback  → 201
    GET  /2010-04-01/Accounts/{sid}/Messages.json           To, From, DateSent, DateSent>, DateSent<,
                                                            PageSize (50), Page, PageToken       → 200
    GET  /2010-04-01/Accounts/{sid}/Messages/{SID}.json     → 200

It calls a StatusCallback only of our own intake (see `callbacks`), and fetches no media.
"""

import hmac
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from messages.delivery import Channel
from messages.segments import MAX_CHARACTERS
from worker.sandbox.behaviours import RETRY_AFTER_SECONDS, Act, Behaviour, Role, behaviour_of
from worker.sandbox.inbox import ArrivedSms
from worker.sandbox.sandbox import Sandbox
from worker.sandbox.twilio_json import API_VERSION, TwilioError, message_json
from worker.sandbox.twilio_list import list_json

#: The ASGI scope extension with which the server lets a request cut its own connection.
CUT = "roundsman.sandbox.cut"

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_SHORT_CODE = re.compile(r"\d{5,6}")
_SENDER_ID = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +&_-]{1,11}")
_MAX_MEDIA = 10

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(sandbox: Sandbox) -> list[Route]:
    """The routes of the look-alike."""
    messages = f"/{API_VERSION}/Accounts/{{account_sid}}/Messages"

    async def create(request: Request) -> Response:
        return await _create(sandbox, request)

    async def listed(request: Request) -> Response:
        return _json(list_json(sandbox.inbox, sandbox.account_sid, request.query_params.multi_items()))

    async def fetch(request: Request) -> Response:
        sms = sandbox.inbox.get(request.path_params["message_sid"])
        if not isinstance(sms, ArrivedSms):
            raise TwilioError(20404, request.url.path)
        return _json(message_json(sms, sandbox.account_sid, is_new=False))

    async def nothing_here(request: Request) -> Response:
        raise TwilioError(20404, request.url.path)

    return [
        Route(f"{messages}.json", _guarded(sandbox, {"POST": create, "GET": listed}), methods=_ANY),
        Route(f"{messages}/{{message_sid}}.json", _guarded(sandbox, {"GET": fetch}), methods=_ANY),
        Route(f"/{API_VERSION}/{{rest:path}}", _guarded(sandbox, {"GET": nothing_here}), methods=_ANY),
    ]


_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def _guarded(sandbox: Sandbox, by_method: Mapping[str, Endpoint]) -> Endpoint:
    """Check credentials and method, and answer errors the way Twilio does."""

    async def endpoint(request: Request) -> Response:
        try:
            _authenticate(sandbox, request)
            return await by_method.get(request.method, _not_allowed)(request)
        except TwilioError as error:
            return _error(error)

    return endpoint


async def _not_allowed(_: Request) -> Response:
    raise TwilioError(20004)


def _authenticate(sandbox: Sandbox, request: Request) -> None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        given = b64decode(encoded, validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        given = b""
    wanted = f"{sandbox.account_sid}:{sandbox.auth_token}".encode()
    account = request.path_params.get("account_sid", sandbox.account_sid)
    if not hmac.compare_digest(given, wanted) or account != sandbox.account_sid:
        raise TwilioError(20003)


async def _create(sandbox: Sandbox, request: Request) -> Response:
    text = (await request.body()).decode("utf-8", "replace")
    form = parse_qs(text, keep_blank_values=True)
    fields = {name: values[-1] for name, values in form.items()}
    media = tuple(url for url in form.get("MediaUrl", []) if url)
    to, sender = _check(fields, media)
    behaviour = behaviour_of(Channel.SMS, to)
    if behaviour and _is_refused_for_now(sandbox, behaviour, (to, sender, text)):
        return _error(TwilioError(int(behaviour.code)), {"retry-after": str(RETRY_AFTER_SECONDS)})
    sms = sandbox.inbox.add_sms(
        to=to,
        sender=sender,
        body=fields.get("Body", ""),
        messaging_service_sid=fields.get("MessagingServiceSid") or None,
        media_urls=media,
        status_callback=fields.get("StatusCallback") or None,
    )
    sandbox.callbacks.add(sms)
    if behaviour and behaviour.act is Act.DROP:
        request.scope["extensions"][CUT]["cut"]()
        await request.receive()  # until the connection is gone
    if behaviour and behaviour.act is Act.SLOW:
        await sandbox.dawdle()
    return _json(message_json(sms, sandbox.account_sid, is_new=True), status=201)


def _check(fields: Mapping[str, str], media: tuple[str, ...]) -> tuple[str, str | None]:
    """The recipient and the sender of a create request; raises TwilioError for what Twilio refuses."""
    if not fields.get("To"):
        raise TwilioError(21604)
    if not fields.get("From") and not fields.get("MessagingServiceSid"):
        raise TwilioError(21603)
    if not fields.get("Body") and not media:
        raise TwilioError(21602)
    if len(fields.get("Body", "")) > MAX_CHARACTERS:
        raise TwilioError(21617)
    _check_urls(fields.get("StatusCallback", ""), media)
    to, sender = _plain(fields["To"]), _plain(fields.get("From", "")) or None
    if not _E164.fullmatch(to):
        raise TwilioError(21211, fields["To"])
    if sender and not any(kind.fullmatch(sender) for kind in (_E164, _SHORT_CODE, _SENDER_ID)):
        raise TwilioError(21212, sender)
    for address, role in ((sender, Role.FROM), (to, Role.TO)):
        behaviour = behaviour_of(Channel.SMS, address, role) if address else None
        if behaviour and behaviour.act is Act.REFUSE:
            raise TwilioError(int(behaviour.code), behaviour.address)
    return to, sender


def _check_urls(callback: str, media: tuple[str, ...]) -> None:
    if callback and not _is_url(callback):
        raise TwilioError(21609, callback)
    if len(media) > _MAX_MEDIA:
        raise TwilioError(21623)
    for url in media:
        if not _is_url(url):
            raise TwilioError(21620, url)


def _is_refused_for_now(sandbox: Sandbox, behaviour: Behaviour, message: tuple[Any, ...]) -> bool:
    if behaviour.act is Act.LATER:
        return sandbox.tries.is_refused(message)
    return behaviour.act is Act.ALWAYS_LATER


def _plain(number: str) -> str:
    """`+1 (804) 222-1111` → `+18042221111`, as Twilio reads it; anything else as it is."""
    return re.sub(r"[\s().-]", "", number) if number.startswith("+") else number.strip()


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _error(error: TwilioError, headers: Mapping[str, str] | None = None) -> Response:
    authenticate = {"www-authenticate": 'Basic realm="Twilio API"'} if error.status == 401 else {}  # noqa: PLR2004
    response = _json(error.as_json(), error.status)
    response.headers.update({**authenticate, **(headers or {})})
    return response
