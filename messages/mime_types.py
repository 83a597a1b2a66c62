"""MIME types with their parameters, as producers and servers write them, made safe for a header. Pure.

`Text/Calendar;method=REQUEST; charset=utf-8` becomes `text/calendar; method=REQUEST; charset="utf-8"`.
"""

import re
from dataclasses import dataclass

_ESSENCE = re.compile(r"([A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127})[ \t]*")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")
_PARAMETER = re.compile(
    r""";[ \t]*(?:(?P<name>[A-Za-z0-9!#$%&'*+.^_`{|}~-]++)"""
    r"""(?:=(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<plain>(?:[^;"][^;]*+)?)))?)?[ \t]*"""
)
_PRINTABLE = re.compile(r"[ -~]+")

#: The file's name has its own header; the others would change how a mail program takes the e-mail apart.
_OWN_HEADERS = frozenset({"name", "filename", "boundary"})
MAX_LENGTH = 255
_MAX_PARAMETERS = 10
_MAX_VALUE = 200


@dataclass(frozen=True, slots=True)
class MimeType:
    """A type, and its parameters in order; names in lower case, each once."""

    essence: str  #: `type/subtype`, in lower case
    parameters: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """Return a parameter's value."""
        return dict(self.parameters).get(name)

    def __str__(self) -> str:
        """Return it as a header has it, without the parameters that do not belong there."""
        return "; ".join(self.pieces)

    @property
    def pieces(self) -> list[str]:
        """The type and each parameter, to be joined by semicolons."""
        kept = [(name, value) for name, value in self.parameters if _is_harmless(name, value)]
        return [self.essence, *(f"{name}={_written(name, value)}" for name, value in kept[:_MAX_PARAMETERS])]


def parse(text: str) -> MimeType | None:
    """Read a type with its parameters; None for what is not one, or has a control character."""
    text = text.strip(" \t")
    match = _ESSENCE.match(text)
    if match is None or len(text) > MAX_LENGTH * 4:
        return None
    at, found = match.end(), dict[str, str]()
    while at < len(text):
        parameter = _PARAMETER.match(text, at)
        if parameter is None:
            return None
        at = parameter.end()
        name, quoted, plain = parameter.group("name", "quoted", "plain")
        if name and (quoted is not None or plain is not None):  # `;utf8` in data: URIs has no value
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain.strip()
            if any(not each.isprintable() for each in value):
                return None
            found.setdefault(name.lower(), value)
    return MimeType(match[1].lower(), tuple(found.items()))


def name_in(text: str | None) -> str | None:
    """Return the file's name that a type has as a parameter, as in `application/pdf; name=offer.pdf`."""
    mime_type = parse(text) if text else None
    if mime_type is None:
        return None
    return mime_type.get("filename") or mime_type.get("name")


def _is_harmless(name: str, value: str) -> bool:
    plain = name not in _OWN_HEADERS and "*" not in name and _TOKEN.fullmatch(name) is not None
    return plain and len(value) <= _MAX_VALUE and _PRINTABLE.fullmatch(value) is not None


def _written(name: str, value: str) -> str:
    if name != "charset" and _TOKEN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
