"""Attachments as producers give them: a URL, a `data:` URI, an id, or an object."""

import base64
import binascii
import re
from collections.abc import Sequence
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from messages.errors import InvalidMessage
from messages.fields import AttachmentFields
from messages.ids import content_id
from messages.mime_types import MimeType, name_in
from messages.mime_types import parse as parse_mime_type
from messages.outgoing import Attachment
from messages.wording import shown

_ID = re.compile(r"[A-Za-z0-9._:~@+=-]{1,200}")
_LINE = 76
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

#: Before a data: URI's comma: the type and its parameters, of which quoted ones may hold a comma.
_DATA_HEAD = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+")*+')

#: The parameters of a data: URI that name the file, the better ones first.
_NAMES = ("filename*", "filename", "name*", "name")


class AttachmentLimits:
    """How many files one Message may carry, how many bytes together, and how large its e-mail may be."""

    def __init__(self, max_files: int, max_bytes: int, max_email_bytes: int = 25_000_000) -> None:
        self.max_files, self.max_bytes, self.max_email_bytes = max_files, max_bytes, max_email_bytes

    def check(self, files: int, size: int) -> None:
        """Raises InvalidMessage that says what was found and what is allowed."""
        if files > self.max_files:
            raise _wrong("attachments", f"there are {files} of them; at most {self.max_files} may go along")
        if size > self.max_bytes:
            raise _wrong(
                "attachments",
                f"together they are {size:,} bytes; at most {self.max_bytes:,} may go along "
                "(ATTACHMENT_MAX_BYTES)",
            )

    def check_email(self, sizes: Sequence[int], text: str) -> None:
        """Check the size that an e-mail has at least, as sent. Raises InvalidMessage."""
        if not sizes:  # text has limits of its own
            return
        encoded = sum(map(encoded_size, sizes)) + len(text.encode("utf-8", "replace"))
        if encoded > self.max_email_bytes:
            raise _wrong(
                "attachments",
                f"with them, encoded for sending, the e-mail has at least {encoded:,} bytes; "
                f"at most {self.max_email_bytes:,} are allowed (EMAIL_MAX_BYTES)",
            )


def encoded_size(size: int) -> int:
    """Bytes of a file as base64 in lines of 76 characters."""
    characters = (size + 2) // 3 * 4
    return characters + (characters + _LINE - 1) // _LINE * 2


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
    mime_type, filename = _checked_mime_type(entry.mime_type, where), entry.filename
    filename = filename or name_in(entry.mime_type)
    if (entry.url is None) == (entry.content is None):
        if entry.id and entry.url is None:
            return entry.id, None
        raise _wrong(where, "give either url or content (base64), or only the id of one given before")
    if entry.url is not None and entry.url[:5].lower() == "data:":
        held = _from_data_uri(entry.url, where)
        content, url, mime_type = held.content, None, mime_type or held.mime_type
        filename = filename or held.filename
    elif entry.url is not None:
        content, url = None, _checked_url(entry.url, f"{where}.url")
    else:
        content, url = _decode_base64(entry.content or "", f"{where}.content"), None
    digest = content_id("att", repr((filename, mime_type, url)).encode() + b"\0" + (content or b""))
    attachment = Attachment(entry.id or digest, filename, mime_type, url, content)
    return attachment.id, attachment


def _from_data_uri(uri: str, where: str) -> Attachment:
    """`data:[<mime type>][;<name>=<value>…][;base64],<data>` (RFC 2397), named by `filename` or `name`."""
    match = _DATA_HEAD.match(uri, 5)
    comma = match.end() if match else len(uri)
    if uri[comma : comma + 1] != ",":
        comma = uri.find(",")  # after a quote that is not closed
    if comma < 0:
        raise _wrong(where, "the data: URI has no comma; write it like data:text/plain;base64,SGVsbG8=")
    head, encoded = _without_base64(uri[5:comma])
    data = uri[comma + 1 :]
    content = _decode_base64(unquote(data), where) if encoded else unquote_to_bytes(data)
    found = _data_type(head, where)
    names = [name for key in _NAMES if (name := found.get(key))]
    mime_type = str(found)
    digest = content_id("att", f"{mime_type}\0{names[:1]}\0".encode() + content)
    return Attachment(digest, names[0] if names else None, mime_type, None, content)


def _without_base64(head: str) -> tuple[str, bool]:
    """Split `;base64` off, which is the last of the parameters."""
    rest, semicolon, last = head.rpartition(";")
    return (rest, True) if semicolon and last.strip().lower() == "base64" else (head, False)


def _data_type(head: str, where: str) -> MimeType:
    """The type with its parameters, whose values may be percent-encoded."""
    if not head or head.startswith(";"):
        head = f"text/plain{head}"
    found = parse_mime_type(head)
    if found is None:
        raise _wrong(
            where,
            f"{shown(head)} is not a type; write it like data:application/pdf;name=offer.pdf;base64,JVBERi0=",
        )
    return MimeType(found.essence, tuple((name, _plain(name, value)) for name, value in found.parameters))


def _plain(name: str, value: str) -> str:
    """Decode a parameter of a data: URI. `filename*` has its charset in front, which is part of the name."""
    return value if name.endswith("*") else _CONTROL.sub(" ", unquote(value))


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
    if mime_type is None:
        return None
    if (found := parse_mime_type(mime_type)) is None:
        raise _wrong(
            f"{where}.mimeType",
            f"{shown(mime_type)} is not a type; write it like application/pdf "
            "or text/calendar; method=REQUEST",
        )
    # Without parameters it is kept as it was written: an id means one content, and so far had that type.
    return str(found) if found.parameters else mime_type


def _wrong(field: str, reason: str) -> InvalidMessage:
    return InvalidMessage(f"{field}: {reason}", {field: reason})
