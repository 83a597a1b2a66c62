"""What an attachment is called, and of what type it is: what was given, else what can be found out."""

import mimetypes
import re
import unicodedata
from email.message import Message
from email.utils import collapse_rfc2231_value

MAX_LENGTH = 120
_UNKNOWN_TYPE = "application/octet-stream"
_TYPE = re.compile(r"[^\s/;]+/[^\s/;]+(\s*;.*)?", re.DOTALL)
_EXTENSION = re.compile(r"\.[^. ]{1,12}$")


def file_name(given: str | None, content_disposition: str | None = None, path: str | None = None) -> str:
    """Choose a name: `given`, else Content-Disposition's, else the end of the URL's path, else `attachment`.

    Whatever it is, it is one name without a folder, control characters or odd edges, of at most
    120 characters with its extension kept.
    """
    for candidate in (given, _from_header(content_disposition), path):
        name = clean(candidate or "")
        if name:
            return name
    return "attachment"


def file_type(given: str | None, content_type: str | None = None, name: str = "") -> str:
    """Choose a MIME type: `given`, else Content-Type's, else what the name suggests."""
    for candidate in (given, content_type):
        if candidate and _TYPE.fullmatch(candidate.strip()):
            return candidate.strip()
    return mimetypes.guess_type(name)[0] or _UNKNOWN_TYPE


def clean(name: str) -> str:
    """Take what is safe as a file's name out of `name`; may be empty."""
    name = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    # Category C: control, format (which can turn text round), surrogate, private, unassigned.
    name = "".join(
        " " if each.isspace() else each
        for each in name
        if each.isspace() or not unicodedata.category(each).startswith("C")
    )
    name = name.strip(" .<>")  # a name in angle brackets loses them in some mail programs
    if len(name) <= MAX_LENGTH:
        return name
    extension = _EXTENSION.search(name)
    ending = extension[0] if extension else ""
    return name[: MAX_LENGTH - len(ending)].rstrip(" .<>") + ending


def _from_header(content_disposition: str | None) -> str | None:
    if not content_disposition:
        return None
    message = Message()
    try:
        message["Content-Disposition"] = re.sub(r"[\r\n]", " ", content_disposition)
        values = [value for key, value in message.get_params([], "content-disposition") if key == "filename"]
        # `filename*` (RFC 5987) comes as a tuple and goes before `filename`, which is for old clients.
        values.sort(key=lambda value: not isinstance(value, tuple))
        return collapse_rfc2231_value(values[0]) if values else None
    except (ValueError, TypeError, LookupError):  # what the server wrote is no header at all
        return None
