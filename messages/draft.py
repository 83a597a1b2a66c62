"""A Draft: what a producer gave, checked as far as it can be without the store."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from messages import attachments
from messages.attachments import AttachmentLimits
from messages.catalogue import Catalogue, Template, UnknownTemplate
from messages.errors import ErrorType, FieldWarning, InvalidMessage
from messages.field_limits import FieldLimits
from messages.fields import OBJECT_TAG, RECORDED, STRING_TAG, MessageFields
from messages.fingerprint import fingerprint, is_same
from messages.ids import new_id
from messages.invisible import is_blank
from messages.json_values import inspect, wrong_text
from messages.outgoing import Attachment
from messages.relations import Objects, extract
from messages.wording import kind_of, shown

_DEFAULT_LIMITS = FieldLimits()

#: So much of a field's name is repeated in an error, in characters.
_SHOWN = 60


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
    given: dict[str, Any] = field(default_factory=dict, repr=False)  #: what the fingerprint is of
    too_large: InvalidMessage | None = None  #: the limit exceeded: it can only repeat what is stored already

    def has_fingerprint(self, stored: str) -> bool:
        """Whether a stored fingerprint, also of an earlier version, is that of this content."""
        return is_same(stored, self.fingerprint, self.given)


def draft(
    raw: object,
    catalogue: Catalogue,
    limits: AttachmentLimits,
    idempotency_key: str | None = None,
    *,
    bulk: bool = False,
    field_limits: FieldLimits = _DEFAULT_LIMITS,
    warnings: Sequence[FieldWarning] = (),
) -> Draft:
    """Check a producer's input. Raises InvalidMessage with every wrong field and why.

    With an id or a key, what exceeds a limit may repeat a Message from before the limit: see `too_large`.
    """
    if not isinstance(raw, dict):
        raise InvalidMessage(f"A Message is a JSON object, not {kind_of(raw)}.")
    present = {name: value for name, value in raw.items() if value is not None}
    respelt = _check_values(present, field_limits.nesting)
    checked = _check_fields(present)
    given = present | checked.model_dump(by_alias=True, exclude_none=True, include=set(_ADDRESSES))
    fields = {name: value for name, value in given.items() if name != "text" or not is_blank(value)}
    mark, size = fingerprint(fields, respelt=respelt)
    message_id = fields.pop("id", None)
    references, kept = attachments.parse(checked.attachments or [], limits)
    if checked.attachments is not None:
        fields["attachments"] = references
    _check_content(fields, present)
    template = _find_template(catalogue, fields)
    flat, objects = extract(fields)
    too_large = _check_limits(field_limits, fields, objects, size)
    if too_large and not (message_id or idempotency_key):
        raise too_large
    return Draft(
        message_id,
        idempotency_key,
        mark,
        flat,
        template,
        objects,
        kept,
        message_id or new_id("msg"),
        bulk,
        warnings,
        given,
        too_large,
    )


def _check_limits(
    limits: FieldLimits, fields: dict[str, Any], objects: Objects, size: int
) -> InvalidMessage | None:
    """Return what exceeds a limit. `fields`: with the objects inline; `size`: of all fields as JSON."""
    try:
        limits.check_text(fields.get("text"))
        limits.check_fields(fields, size)
        limits.check_objects(objects, fields, size)
    except InvalidMessage as error:
        return error
    return None


_ADDRESSES = ("internal_email", "external_email", "internal_phone_number", "external_phone_number")


def _check_content(fields: dict[str, Any], given: dict[str, Any]) -> None:
    if not any(fields.get(name) for name in ("text", "templateType", "template", "attachments")):
        raise InvalidMessage(
            "There is nothing to send: give text, templateType, template or attachments.",
            {"text": "has only white space and invisible characters" if given.get("text") else "is missing"},
        )


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


def _check_values(given: dict[str, Any], max_nesting: int) -> bool:
    """Refuse what no database and no wire can carry; say whether anything has other spellings."""
    respelt = False
    for name, value in given.items():
        reason = wrong_text(name)
        if reason is None and isinstance(value, str):  # most of them
            reason, again = wrong_text(value), "\r" in value
        elif reason is None:
            reason, again = inspect(value, max_nesting)
        if reason:
            field = name.encode("utf-8", "replace").decode()[:_SHOWN]
            raise InvalidMessage(f"{shown(name)}: {reason}", {field: reason})
        respelt = respelt or again
    return respelt
