"""What keeps a message's own content away from the page, from the network and from other sites.

Whoever can send a message can write anything into it: it is shown as data, never run, and loads nothing.
"""

import re
from collections.abc import Mapping, Sequence

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_COMMON = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}

#: For an e-mail's HTML. `sandbox` holds even where the URL is opened by itself; links open a new tab.
MAIL_HEADERS: Mapping[str, str] = {
    **_COMMON,
    "content-security-policy": (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
    ),
}

#: For raw e-mails and attachments.
FILE_HEADERS: Mapping[str, str] = {**_COMMON, "content-security-policy": "default-src 'none'; sandbox"}

_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)


def page_headers(media_origins: Sequence[str]) -> dict[str, str]:
    """For the page: its own scripts and styles, and images from `media_origins`."""
    images = " ".join(("'self'", "data:", *media_origins))
    return {
        **_COMMON,
        "content-security-policy": (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; connect-src 'self'; "
            "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    }


def isolated(html: str) -> str:
    """An e-mail's HTML with its links opening a new tab, and its document type (or none) kept first."""
    doctype = _DOCTYPE.match(html)
    end = doctype.end() if doctype else 0
    return f'{html[:end]}<meta charset="utf-8"><base target="_blank">{html[end:]}'


class LoopbackOnly:
    """Answers only requests for this machine by name, and in a browser only those of our own page.

    Otherwise a page elsewhere could have its name resolve to us, or could post a form to us.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if any(origin.partition("://")[2] not in hosts for origin in origins):
            refusal = "The sandbox answers no page but its own.\n"
            await PlainTextResponse(refusal, 403)(scope, receive, send)
            return
        if len(hosts) == 1 and _HOST.fullmatch(hosts[0]):
            await self._app(scope, receive, send)
            return
        refusal = "The sandbox answers only to 127.0.0.1, localhost and [::1]; use one of these in the URL.\n"
        await PlainTextResponse(refusal, 421)(scope, receive, send)


_HOST = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
