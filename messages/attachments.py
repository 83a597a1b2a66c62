"""Attachments as producers give them: a URL, a `data:` URI, an id, or an object."""

import base64
import binascii
import re
from collections.abc import Sequence
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from messages.errors import InvalidMessage
from messages.fields import AttachmentFields
from messages.ids import content_id
from messages.outgoing import Attachment
from messages.wording import shown

_MIME_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9._:~@+=-]{1,200}")


class AttachmentLimits:
    """How many files one Message may carry, and how many bytes together."""

    def __init__(self, max_files: int, max_bytes: int) -> None:
        self.max_files, self.max_bytes = max_files, max_bytes

    def check(self, files: int, size: int) -> None:
        """Raises InvalidMessage that says what was found and what is allowed."""
        if files > self.max_files:
            raise _wrong("attachments", f"there are {files} of them; at most {self.max_files} may go along")
        if size > self.max_bytes:
            raise _wrong(
                "attachments", f"together they are {size:,} bytes; at most {self.max_bytes:,} may go along"
            )


def parse(
    given: Sequence[str | AttachmentFields], limits: AttachmentLimits
) -> tuple[list[str], list[Attachment]]:
    """The references a Message keeps (URLs and ids, in order), and the attachments to keep beside it.

    Raises InvalidMessage, naming the attachment by its index.
    """
    limits.check(len(given), 0)
    parsed = [_parse_one(entry, f"attachments[{index}]") for index, entry in enumerate(given)]
    kept = [attachment for _, attachment in parsed if attachment]
    limits.check(len(given), sum(len(a.content or b"") for a in kept))
    return [reference for reference, _ in parsed], kept


def is_url(reference: str) -> bool:
    """Whether a reference is a URL to fetch, not the id of a kept attachment."""
    return reference[:8].lower().startswith(("http://", "https://"))


def _parse_one(entry: str | AttachmentFields, where: str) -> tuple[str, Attachment | None]:
    if isinstance(entry, AttachmentFields):
        return _parse_object(entry, where)
    if is_url(entry):
        return _checked_url(entry, where), None
    if entry[:5].lower() == "data:":
        attachment = _from_data_uri(entry, where)
        return attachment.id, attachment
    if _ID.fullmatch(entry):
        return entry, None
    raise _wrong(where, f"{shown(entry)} is no http(s) URL, no data: URI and no id of an attachment")


def _parse_object(entry: AttachmentFields, where: str) -> tuple[str, Attachment | None]:
    mime_type = _checked_mime_type(entry.mime_type, where)
    if (entry.url is None) == (entry.content is None):
        if entry.id and entry.url is None:
            return entry.id, None
        raise _wrong(where, "give either url or content (base64), or only the id of one given before")
    if entry.url is not None and entry.url[:5].lower() == "data:":
        held = _from_data_uri(entry.url, where)
        content, url, mime_type = held.content, None, mime_type or held.mime_type
    elif entry.url is not None:
        content, url = None, _checked_url(entry.url, f"{where}.url")
    else:
        content, url = _decode_base64(entry.content or "", f"{where}.content"), None
    digest = content_id("att", repr((entry.filename, mime_type, url)).encode() + b"\0" + (content or b""))
    attachment = Attachment(entry.id or digest, entry.filename, mime_type, url, content)
    return attachment.id, attachment


def _from_data_uri(uri: str, where: str) -> Attachment:
    """`data:[<mime type>][;name=…][;base64],<data>` (RFC 2397)."""
    head, comma, data = uri[5:].partition(",")
    if not comma:
        raise _wrong(where, "the data: URI has no comma; write it like data:text/plain;base64,SGVsbG8=")
    mime_type, *parameters = head.split(";")
    names = [unquote(p[5:]) for p in parameters if p.lower().startswith("name=")]
    encoded = bool(parameters) and parameters[-1].strip().lower() == "base64"
    content = _decode_base64(unquote(data), where) if encoded else unquote_to_bytes(data)
    mime_type = _checked_mime_type(mime_type or "text/plain", where) or "text/plain"
    digest = content_id("att", f"{mime_type}\0{names}\0".encode() + content)
    return Attachment(digest, names[0] if names else None, mime_type, None, content)


def _decode_base64(text: str, where: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong(where, f"is not base64 ({error})") from None


def _checked_url(url: str, where: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme.lower() in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not url.isprintable() or " " in url:
        raise _wrong(where, f"{shown(url)} is not a URL; write it like https://example.com/brochure.pdf")
    return url


def _checked_mime_type(mime_type: str | None, where: str) -> str | None:
    if mime_type is None or _MIME_TYPE.fullmatch(mime_type):
        return mime_type
    raise _wrong(f"{where}.mimeType", f"{shown(mime_type)} is not a type; write it like application/pdf")


def _wrong(field: str, reason: str) -> InvalidMessage:
    return InvalidMessage(f"{field}: {reason}", {field: reason})
