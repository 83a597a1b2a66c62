"""Fields without effect that look as if they had one: `externalphonenumber`, `to`, `callbackUrl`."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from messages.errors import FieldWarning
from messages.fields import AttachmentFields, MessageFields
from messages.routing import EMAIL_NAMES, PHONE_NAMES

#: So many warnings are given at most for one Message.
MAX_WARNINGS = 50

#: Longer names are not compared, and of shorter ones every second is one letter away from `id`.
_LONGEST, _SHORTEST = 40, 4

_MESSAGE = tuple(field.alias or name for name, field in MessageFields.model_fields.items())
_ATTACHMENT = tuple(field.alias or name for name, field in AttachmentFields.model_fields.items())
_ADDRESSES = (*PHONE_NAMES, *EMAIL_NAMES)
_KNOWN = frozenset(_MESSAGE)

_RECIPIENT = "has no effect; externalPhoneNumber and externalEmail say who gets the Message"
_ONE_RECIPIENT = "has no effect; a Message has one recipient: post another Message for each further one"
_SENDER = "has no effect; internalPhoneNumber and internalEmail say who sends the Message"
_TEXT = "has no effect; give text, or a template"
_SUBJECT = "has no effect; the template makes the subject"
_CALLBACK = "has no effect; ask GET /api/messages/{id} what became of the Message"
_TIME = "has no effect; sendAt says when to send"
_TEMPLATE = "has no effect; templateType and template name the template"
_DATA = "has no effect; templates read the Message's own fields, as message.<name>"
_CHANNEL = "has no effect; the recipient's addresses and the template decide on the channel"
_FILES = "has no effect; give attachments, a list"

#: Names that other services give an effect, in lower case and without `_` and `-`.
_WELL_KNOWN = (
    dict.fromkeys(("to", "recipient", "recipients", "phone", "phonenumber", "mobile", "email"), _RECIPIENT)
    | dict.fromkeys(("cc", "bcc"), _ONE_RECIPIENT)
    | dict.fromkeys(("from", "sender", "replyto", "fromemail", "fromnumber"), _SENDER)
    | dict.fromkeys(("body", "html", "htmlbody", "textbody", "content", "message"), _TEXT)
    | dict.fromkeys(("subject",), _SUBJECT)
    | dict.fromkeys(
        ("callback", "callbackurl", "webhook", "webhookurl", "statuscallback", "notifyurl"), _CALLBACK
    )
    | dict.fromkeys(
        ("schedule", "scheduleat", "scheduledat", "scheduledfor", "sendtime", "senddate", "delay"), _TIME
    )
    | dict.fromkeys(("templateid", "templatename"), _TEMPLATE)
    | dict.fromkeys(("templatedata", "templatevariables", "variables", "substitutions"), _DATA)
    | dict.fromkeys(("channel", "channels"), _CHANNEL)
    | dict.fromkeys(("mediaurl", "mediaurls", "files"), _FILES)
)

#: The same of an attachment.
_WELL_KNOWN_OF_FILES = (
    dict.fromkeys(("name",), "has no effect; filename is what the recipient sees")
    | dict.fromkeys(("contenttype", "type", "mediatype"), "has no effect; give mimeType")
    | dict.fromkeys(("data", "base64", "body"), "has no effect; give content, in base64")
    | dict.fromkeys(("href", "path", "link"), "has no effect; give url")
)


def odd_fields(given: Mapping[str, Any], is_read: Callable[[str], bool]) -> list[FieldWarning]:
    """Warn of fields without effect. `is_read`: whether the template reads a field."""
    found = list(_odd_fields(given, is_read))
    return found[:MAX_WARNINGS]


def _odd_fields(given: Mapping[str, Any], is_read: Callable[[str], bool]) -> Iterator[FieldWarning]:
    for name in given.keys() - _KNOWN:
        if (reason := _oddity(name)) and not is_read(name):
            yield FieldWarning(name, reason)
    files = given.get("attachments")
    for index, file in enumerate(files if isinstance(files, list) else ()):
        for name in file if isinstance(file, dict) else ():
            if name not in _ATTACHMENT and (reason := _oddity_of_file(name)):
                yield FieldWarning(f"attachments[{index}].{name}", reason)
    for name in ("lead", "salesRep"):
        related = given.get(name)
        for inner in related if isinstance(related, dict) else ():
            if reason := _oddity_of_address(inner):
                yield FieldWarning(f"{name}.{inner}", reason)


@lru_cache(1000)
def _oddity(name: str) -> str | None:
    meant = _respelt(name, _MESSAGE) or _one_letter_off(name, _MESSAGE)
    return f"has no effect; did you mean {meant}?" if meant else _WELL_KNOWN.get(_plain(name))


@lru_cache(1000)
def _oddity_of_file(name: str) -> str | None:
    meant = _respelt(name, _ATTACHMENT) or _one_letter_off(name, _ATTACHMENT)
    return f"has no effect; did you mean {meant}?" if meant else _WELL_KNOWN_OF_FILES.get(_plain(name))


@lru_cache(1000)
def _oddity_of_address(name: str) -> str | None:
    meant = None if name in _ADDRESSES else _respelt(name, _ADDRESSES)
    return f"is not read as an address; did you mean {meant}?" if meant else None


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "").replace("-", "") if len(name) <= _LONGEST else ""


def _respelt(name: str, known: tuple[str, ...]) -> str | None:
    """The known name that differs in case, `_`, `-` or outer blanks only."""
    plain = _plain(name)
    return next((one for one in known if one.lower() == plain), None)


def _one_letter_off(name: str, known: tuple[str, ...]) -> str | None:
    if len(name) > _LONGEST:
        return None
    return next((one for one in known if len(one) >= _SHORTEST and _is_one_letter_off(name, one)), None)


def _is_one_letter_off(name: str, known: str) -> bool:
    """Whether one letter more, less or other, or two swapped, make the one name of the other."""
    if abs(len(name) - len(known)) > 1:
        return False
    start = next((at for at, (a, b) in enumerate(zip(name, known, strict=False)) if a != b), None)
    if start is None:
        return name != known
    rest, wanted = name[start:], known[start:]
    return (
        rest[1:] == wanted[1:]
        or rest[1:] == wanted
        or rest == wanted[1:]
        or (rest[:2] == wanted[:2][::-1] and rest[2:] == wanted[2:])
    )
