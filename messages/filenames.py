"""What an attachment is called, and of what type it is: what was given, else what can be found out."""

import mimetypes
import re
import unicodedata
from binascii import Error as Base64Error
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from urllib.parse import unquote

from messages.mime_types import name_in, parse

MAX_LENGTH = 120
_UNKNOWN_TYPE = "application/octet-stream"
_LONGEST_EXTENSION = 12
_LONGEST_HEADER = 4096  #: the standard library takes quadratic time over a header with many quotes
_ENDING = re.compile(r"\.[^. ]{1,12}$")
_EXTENSION = re.compile(r"(?<=.)\.([A-Za-z0-9_~-]*[A-Za-z][A-Za-z0-9_~-]*)$")

#: Looks like a path, and is named by its last part; any other slash is part of the name.
_PATH = re.compile(r"[^\\]*\\|~?/|\.{1,2}/|[A-Za-z]:/|[a-z][a-z0-9+.-]*://")

#: RFC 2047: `=?UTF-8?B?w5xiZXJibGljay5wZGY=?=`; RFC 5987: `UTF-8''%C3%9Cberblick.pdf`.
_ENCODED_WORD = re.compile(r"=\?[A-Za-z0-9_.:*-]+\?[bBqQ]\?[^?]*\?=")
_EXTENDED = re.compile(r"(utf-8|iso-8859-1|us-ascii|windows-1252)'[A-Za-z0-9-]*'(.*)", re.IGNORECASE)

#: Format characters (category Cf) that are part of emoji and of words: joiners, tags of flags, and the
#: signs that Arabic and Kaithi write around numbers. All others are removed: some turn text round.
_FORMATS = frozenset(
    {0x200C, 0x200D, 0x06DD, 0x070F, 0x08E2, 0x110BD, 0x110CD, *range(0x600, 0x606), *range(0xE0020, 0xE0080)}
)

#: What a URL's last part often ends with, although it says nothing of the file: filters block these.
_SERVER_SCRIPTS = frozenset(
    {"php", "php3", "php4", "php5", "php7", "php8", "phtml", "asp", "aspx", "ashx", "asmx", "axd", "jsp",
     "jspx", "jspa", "jsf", "do", "action", "cgi", "fcgi", "cfm"}
)  # fmt: skip
_SCRIPT_TYPES = frozenset({"application/x-httpd-php", "application/x-php", "text/x-php", "text/php"})

#: Types that say nothing of the file.
_VAGUE = frozenset(
    {_UNKNOWN_TYPE, "binary/octet-stream", "application/x-download", "application/force-download",
     "application/download", "application/unknown"}
)  # fmt: skip

_OFFICE = "application/vnd.openxmlformats-officedocument."
_EXTENSIONS = {
    "application/gzip": "gz", "application/x-gzip": "gz", "application/xml": "xml", "text/xml": "xml",
    "application/vnd.ms-excel": "xls", "application/vnd.ms-powerpoint": "ppt", "application/rtf": "rtf",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/zip": "zip", "application/x-zip-compressed": "zip", "application/x-7z-compressed": "7z",
    "application/x-pdf": "pdf", "audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/ogg": "ogg",
    "audio/wav": "wav", "image/avif": "avif", "image/heic": "heic", "image/heif": "heif",
    "image/jpeg": "jpg", "image/jpg": "jpg", "image/pjpeg": "jpg", "image/svg+xml": "svg",
    "image/tiff": "tif", "image/webp": "webp", "message/rfc822": "eml", "text/calendar": "ics",
    "text/csv": "csv", "text/html": "html", "text/markdown": "md", "text/plain": "txt", "text/rtf": "rtf",
    "text/vcard": "vcf", "text/x-vcard": "vcf", "video/mp4": "mp4", "video/quicktime": "mov",
    _OFFICE + "wordprocessingml.document": "docx", _OFFICE + "spreadsheetml.sheet": "xlsx",
    _OFFICE + "presentationml.presentation": "pptx",
}  # fmt: skip

#: The standard library's own table, whatever files the machine has.
_TABLE = mimetypes.MimeTypes()
for _essence, _extension in _EXTENSIONS.items():
    if f".{_extension}" not in _TABLE.types_map[True]:
        _TABLE.add_type(_essence, f".{_extension}")


def file_name(
    given: str | None,
    content_disposition: str | None = None,
    path: str | None = None,
    *,
    mime_type: str | None = None,
) -> str:
    """Choose a name: `given`, else Content-Disposition's, the type's, the URL's last part, or `attachment`.

    It is one name without a folder, control characters or odd edges, of at most 120 characters, with an
    extension of the type `mime_type` if it had none or that of a server's script.
    """
    for candidate in (given, _from_header(content_disposition), name_in(mime_type), path):
        name = clean(_decoded(candidate or ""))
        if name:
            return _with_extension(name, mime_type)
    return _with_extension("attachment", mime_type)


def file_type(
    given: str | None, content_type: str | None = None, name: str = "", *, known_only: bool = False
) -> str:
    """Choose a MIME type: `given`, else Content-Type's, else what the name suggests (not if `known_only`)."""
    for candidate in (given, content_type):
        if candidate and (mime_type := parse(candidate) or parse(_without_parameters(candidate))):
            return str(mime_type)
    if known_only:
        return ""
    guessed, encoding = _TABLE.guess_type(name)
    if encoding == "gzip":
        return "application/gzip"
    return _UNKNOWN_TYPE if encoding else guessed or _UNKNOWN_TYPE


def _without_parameters(content_type: str) -> str:
    """Servers write parameters of all kinds; what has a control character is not trusted at all."""
    return content_type.partition(";")[0] if content_type.isprintable() else ""


def clean(name: str) -> str:
    """Take what is safe as a file's name out of `name`; may be empty."""
    name = name.strip().rstrip("/\\")
    if _PATH.match(name):
        name = re.split(r"[/\\]", name)[-1]
    name = "".join(" " if each.isspace() else each for each in name.replace("/", "-") if _is_kept(each))
    name = name.strip(" .<>")  # a name in angle brackets loses them in some mail programs
    if all(unicodedata.category(each) in ("Cf", "Mn", "Zs") for each in name):
        return ""  # nothing that can be seen
    if len(name) <= MAX_LENGTH:
        return name
    extension = _ENDING.search(name)
    ending = extension[0] if extension else ""
    return name[: MAX_LENGTH - len(ending)].rstrip(" .<>") + ending


def _is_kept(each: str) -> bool:
    if each.isspace():
        return True
    category, code = unicodedata.category(each), ord(each)
    if category == "Cn":  # assigned since this Python was made, as new emoji are, or never to be
        ignorable = code == 0x2065 or 0xFFF0 <= code <= 0xFFFB or 0xE0000 <= code <= 0xE0FFF  # noqa: PLR2004
        return not (ignorable or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE)  # noqa: PLR2004
    return not category.startswith("C") or code in _FORMATS


def _with_extension(name: str, mime_type: str | None) -> str:
    known = parse(mime_type) if mime_type else None
    extension = _extension_of(known.essence) if known else None
    if known is None or extension is None:
        return name
    found = _EXTENSION.search(name)
    if found and found[1].lower() in _SERVER_SCRIPTS and known.essence not in _SCRIPT_TYPES:
        name = name[: found.start()]
    elif found and _is_extension(found[1]):
        return name
    return f"{name[: MAX_LENGTH - len(extension) - 1].rstrip(' .')}.{extension}"


def _is_extension(text: str) -> bool:
    """Whether it is one: `Dr.Smith` has none."""
    known = f".{text.lower()}" in _TABLE.types_map[True] or f".{text.lower()}" in _TABLE.encodings_map
    return known or (len(text) <= _LONGEST_EXTENSION and (text.islower() or text.isupper()))


def _extension_of(essence: str) -> str | None:
    if essence in _VAGUE:
        return None
    return _EXTENSIONS.get(essence) or (_TABLE.guess_extension(essence) or "").removeprefix(".") or None


def _decoded(name: str) -> str:
    """Read a name that is written as headers write it (RFC 2047, RFC 5987); any other stays."""
    if extended := _EXTENDED.fullmatch(name.strip()):
        return unquote(extended[2], encoding=extended[1], errors="replace")
    if not _ENCODED_WORD.search(name):
        return name
    try:
        words = [
            chunk if isinstance(chunk, str) else _text(chunk, charset)
            for chunk, charset in decode_header(re.sub(r"[\r\n]+", " ", name))
        ]
    except (HeaderParseError, LookupError, ValueError, Base64Error):
        return name
    return "".join(words)


def _text(chunk: bytes, charset: str | None) -> str:
    if charset is None:  # between the encoded words, as `decode_header` gives it
        return chunk.decode("raw-unicode-escape", "replace")
    return chunk.decode(charset.partition("*")[0], "replace")


def _from_header(content_disposition: str | None) -> str | None:
    if not content_disposition:
        return None
    message = Message()
    try:
        header = _repaired(content_disposition[:_LONGEST_HEADER])
        message["Content-Disposition"] = re.sub(r"[\r\n]", " ", header)
        values = [value for key, value in message.get_params([], "content-disposition") if key == "filename"]
        # `filename*` (RFC 5987) comes as a tuple and goes before `filename`, which is for old clients.
        values.sort(key=lambda value: not isinstance(value, tuple))
        return collapse_rfc2231_value(values[0]) if values else None
    except (ValueError, TypeError, LookupError):  # what the server wrote is no header at all
        return None


def _repaired(header: str) -> str:
    """Bytes that are not UTF-8 come as surrogates; servers that send such write Latin-1."""
    try:
        header.encode()
    except UnicodeEncodeError:
        return header.encode("utf-8", "surrogateescape").decode("latin-1")
    return header
