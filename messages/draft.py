"""A Draft: what a producer gave, checked as far as it can be without the store."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import ValidationError

from messages import attachments
from messages.attachments import AttachmentLimits
from messages.catalogue import Catalogue, Template, UnknownTemplate
from messages.errors import ErrorType, FieldWarning, InvalidMessage
from messages.fields import OBJECT_TAG, RECORDED, STRING_TAG, MessageFields
from messages.ids import new_id
from messages.outgoing import Attachment
from messages.relations import Objects, extract
from messages.wording import kind_of, shown

#: More nesting than any real Message has; deeper input only means harm.
MAX_NESTING = 50


@dataclass(frozen=True, slots=True)
class Draft:
    """A Message before it is accepted. `fields` are as the API shows them at depth 0, without `id`."""

    id: str | None
    idempotency_key: str | None
    fingerprint: str  #: the same for the same content: hex
    fields: dict[str, Any]
    template: Template
    objects: Objects = field(default_factory=Objects)
    attachments: list[Attachment] = field(default_factory=list)
    made_id: str = field(
        default_factory=lambda: new_id("msg")
    )  #: made once, so that storing it twice is a repeat
    bulk: bool = False  #: it came with many others
    warnings: Sequence[FieldWarning] = ()


def draft(
    raw: object,
    catalogue: Catalogue,
    limits: AttachmentLimits,
    idempotency_key: str | None = None,
    *,
    bulk: bool = False,
) -> Draft:
    """Check a producer's input. Raises InvalidMessage with every wrong field and why."""
    if not isinstance(raw, dict):
        raise InvalidMessage(f"A Message is a JSON object, not {kind_of(raw)}.")
    given = {name: value for name, value in raw.items() if value is not None}
    _check_plain(given)
    checked = _check_fields(given)
    fields = given | checked.model_dump(by_alias=True, exclude_none=True, include=set(_ADDRESSES))
    fingerprint = _fingerprint(fields)
    message_id = fields.pop("id", None)
    references, kept = attachments.parse(checked.attachments or [], limits)
    if checked.attachments is not None:
        fields["attachments"] = references
    if not any(fields.get(name) for name in ("text", "templateType", "template", "attachments")):
        raise InvalidMessage(
            "There is nothing to send: give text, templateType, template or attachments.",
            {"text": "is missing"},
        )
    template = _find_template(catalogue, fields)
    flat, objects = extract(fields)
    made_id = message_id or new_id("msg")
    return Draft(message_id, idempotency_key, fingerprint, flat, template, objects, kept, made_id, bulk)


_ADDRESSES = ("internal_email", "external_email", "internal_phone_number", "external_phone_number")


def _check_fields(given: dict[str, Any]) -> MessageFields:
    wrong = dict.fromkeys(
        RECORDED & given.keys(), "is recorded by Roundsman and cannot be given; leave it out"
    )
    try:
        checked = MessageFields.model_validate(given, by_name=False)
    except ValidationError as error:
        wrong |= dict(_explain(detail) for detail in error.errors())
    if wrong:
        raise InvalidMessage("; ".join(f"{name}: {why}" for name, why in wrong.items()), wrong)
    return checked


def _explain(detail: Any) -> tuple[str, str]:
    """A pydantic error as (field, sentence)."""
    name = ""
    for step in detail["loc"]:
        if isinstance(step, int):
            name += f"[{step}]"
        elif step not in (STRING_TAG, OBJECT_TAG):
            name += f".{step}" if name else step
    if detail["type"] == "value_error":
        return name, str(detail["ctx"]["error"])
    if detail["type"] == "attachment":
        return name, f"{shown(detail['input'])} is neither {STRING_TAG} nor {OBJECT_TAG}"
    wanted = detail["msg"].replace("Input should be", "should be").replace("valid ", "")
    return name, f"{shown(detail['input'])} is wrong: {wanted[0].lower()}{wanted[1:]}"


def _find_template(catalogue: Catalogue, fields: dict[str, Any]) -> Template:
    given = fields.get("template")
    name = (given.get("name") or given.get("id")) if isinstance(given, dict) else given
    if given is not None and not isinstance(name, str):
        reason = "the object has neither a name nor an id to find the template by"
        raise InvalidMessage(f"template: {reason}", {"template": reason})
    try:
        return catalogue.find(fields.get("templateType"), name)
    except UnknownTemplate as error:
        raise InvalidMessage(
            f"{error.field}: {error.reason}", {error.field: error.reason}, ErrorType.UNKNOWN_TEMPLATE
        ) from None


def _check_plain(given: dict[str, Any]) -> None:
    """Refuse what no database and no wire can carry: NULs, lone surrogates, huge numbers, deep nesting."""
    for name, value in given.items():
        reason = _unplain(name) or _unplain(value)
        if reason:
            raise InvalidMessage(
                f"{shown(name)}: {reason}", {name.encode("utf-8", "replace").decode(): reason}
            )


def _unplain(value: object) -> str | None:
    pending = [(value, 1)]
    while pending:
        item, level = pending.pop()
        if level > MAX_NESTING:
            return f"is nested more than {MAX_NESTING} levels deep"
        if isinstance(item, str):
            if "\0" in item:
                return "contains the character U+0000, which cannot be delivered"
            if not item.isascii() and any("\ud800" <= c <= "\udfff" for c in item):
                return "contains half of a surrogate pair, which is no character"
        elif isinstance(item, dict):
            pending.extend((part, level + 1) for pair in item.items() for part in pair)
        elif isinstance(item, list):
            pending.extend((part, level + 1) for part in item)
        elif isinstance(item, int) and not -(2**63) <= item < 2**64:
            return "holds a number of more than 64 bits"
        elif not isinstance(item, bool | int | float | None):
            return f"holds a {type(item).__name__}, which is no JSON value"
    return None


def _fingerprint(fields: dict[str, Any]) -> str:
    content = {name: value for name, value in fields.items() if name != "id"}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
