"""An e-mail's raw bytes, read for people: headers, text, HTML, attachments.

Uses the older `email.message.Message` throughout: it reads anything without raising, where the newer
policies fail on some malformed headers.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser

_HEADERS = BytesHeaderParser(policy=policy.compat32)
_WHOLE = BytesParser(policy=policy.compat32)
_MIME_TYPE = re.compile(r"[a-z0-9.+_-]+/[a-z0-9.+_-]+")
_FOLD = re.compile(r"\r?\n[ \t]+")


@dataclass(frozen=True, slots=True)
class MailPart:
    """An attachment, or an image that the HTML refers to."""

    filename: str
    mime_type: str
    content: bytes
    content_id: str | None


@dataclass(frozen=True, slots=True)
class MailView:
    """A whole e-mail, decoded."""

    headers: list[tuple[str, str]]
    text: str | None
    html: str | None
    parts: list[MailPart]


def read_header(raw: bytes) -> dict[str, str]:
    """The header alone, by lower-case name; the first of several. Cheap: the body is not touched."""
    end = raw.find(b"\r\n\r\n")
    found = _decoded_headers(_HEADERS.parsebytes(raw[: end + 2] if end >= 0 else raw))
    return {name.lower(): value for name, value in reversed(found)}


def read_mail(raw: bytes) -> MailView:
    """All of it. The first text and the first HTML are the body, every other part is an attachment."""
    message = _WHOLE.parsebytes(raw)
    bodies: dict[str, str] = {}
    parts: list[MailPart] = []
    for leaf in _leaves(message):
        kind = leaf.get_content_type()
        is_body = kind in ("text/plain", "text/html") and not _is_attached(leaf)
        if is_body and kind not in bodies:
            bodies[kind] = _text_of(leaf)
        elif kind != "text/calendar" or _is_attached(leaf):  # an invitation is attached as well
            parts.append(_part(leaf, len(parts) + 1))
    return MailView(
        _decoded_headers(message),
        bodies.get("text/plain"),
        _with_images(bodies.get("text/html"), parts),
        parts,
    )


def _leaves(message: Message) -> Iterator[Message]:
    """The parts that are no containers; an attached e-mail counts as one part."""
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _leaves(part)
    else:
        yield message


def _is_attached(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or bool(_filename(part))


def _text_of(part: Message) -> str:
    content = part.get_payload(decode=True)
    charset = part.get_content_charset() or "utf-8"
    if not isinstance(content, bytes):
        return ""
    return _chunk(content, charset).replace("\r\n", "\n")


def _part(part: Message, number: int) -> MailPart:
    if part.is_multipart():  # an attached e-mail
        content: object = b"\r\n".join(
            inner.as_bytes() for inner in part.get_payload() if isinstance(inner, Message)
        )
    else:
        content = part.get_payload(decode=True)
    kind = part.get_content_type()
    return MailPart(
        filename=_filename(part) or f"part-{number}",
        mime_type=kind if _MIME_TYPE.fullmatch(kind) else "application/octet-stream",
        content=content if isinstance(content, bytes) else b"",
        content_id=_decoded(str(part.get("Content-ID") or "")).strip("<>") or None,
    )


def _filename(part: Message) -> str:
    try:
        return _decoded(part.get_filename() or "").replace("\n", " ")
    except (LookupError, ValueError):  # encoded in a charset that does not exist
        return ""


def _with_images(html: str | None, parts: list[MailPart]) -> str | None:
    """Put images in place of `cid:` URLs: the frame that shows the HTML may load nothing."""
    for part in parts if html else []:
        if html and part.content_id and part.mime_type.startswith("image/"):
            data = f"data:{part.mime_type};base64,{b64encode(part.content).decode()}"
            html = re.sub(rf"cid:{re.escape(part.content_id)}(?=[\"')\s>])", data, html)
    return html


def _decoded_headers(message: Message) -> list[tuple[str, str]]:
    return [(printable(name), _decoded(str(value))) for name, value in message.raw_items()]


def _decoded(value: str) -> str:
    """A header's value for people: unfolded, encoded words decoded, raw UTF-8 read as such."""
    text = printable(_FOLD.sub(" ", value)).strip()
    if "=?" not in text:
        return text
    try:
        return "".join(_chunk(chunk, charset) for chunk, charset in decode_header(text))
    except (HeaderParseError, ValueError):
        return text


def _chunk(chunk: bytes | str, charset: str | None) -> str:
    if isinstance(chunk, str):
        return chunk
    try:
        return chunk.decode(charset or "utf-8", "replace").encode("utf-8", "replace").decode()
    except (LookupError, ValueError):  # no such charset, or one that takes no "replace"
        return chunk.decode("utf-8", "replace")


def printable(text: str) -> str:
    """Text that a parser made of raw bytes, with a mark in place of those that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
