"""The fields of a Message as the API page has them: the one place that says what each may hold.

`MessageFields` checks input and is also the schema on the OpenAPI page. Unknown fields are kept.
"""

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from messages.addresses import to_email
from messages.clock import from_iso, to_iso
from messages.phone import PATTERN, to_e164
from messages.relations import COLLECTIONS
from messages.wording import shown

MAX_ID_LENGTH = 200
_ID = re.compile(rf"[A-Za-z0-9._:~@+=-]{{1,{MAX_ID_LENGTH}}}")


def _id(value: str) -> str:
    if _ID.fullmatch(value) is None:
        raise ValueError(
            f"{shown(value)} is not an id; use 1 to {MAX_ID_LENGTH} letters, digits or any of . _ : ~ @ + = -"
        )
    return value


def _related(value: Any) -> Any:
    if isinstance(value, str):
        return _id(value)
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is neither an id (a string) nor an object")  # noqa: TRY004
    if value.get("id") is not None:
        if not isinstance(value["id"], str):
            raise ValueError(f"its id {shown(value['id'])} is not a string")
        _id(value["id"])
    for name in COLLECTIONS:
        if isinstance(value.get(name), dict):
            _related(value[name])
    return value


def _template(value: Any) -> Any:
    """Any printable name: the catalogue decides whether it is one; `type/name` has a slash."""
    if isinstance(value, dict):
        return _related(value)
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= MAX_ID_LENGTH:
        raise ValueError(f"{shown(value)} is neither the name of a template nor an object")
    return value


def _moment(value: str) -> str:
    try:
        to_iso(from_iso(value))
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{shown(value)} is not a time; write it like 2026-05-14T12:00:00Z, with its offset"
        ) from None
    return value


_EMAIL_FORM = (
    "one address, also international or with a quoted part before the @, which has at most 64 octets. "
    "Refused are a display name, a comment, a list, blanks around it, an IP address for a domain, "
    "and a domain without a dot or one that is reserved"
)

Id = Annotated[str, AfterValidator(_id)]
Phone = Annotated[str, AfterValidator(to_e164), WithJsonSchema({"type": "string", "pattern": PATTERN})]
Email = Annotated[str, AfterValidator(to_email), WithJsonSchema({"type": "string", "format": "idn-email"})]
Moment = Annotated[str, AfterValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
_id_or_object = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": True}]}
)
Related = Annotated[Any, BeforeValidator(_related), _id_or_object]

Template = Annotated[Any, BeforeValidator(_template), _id_or_object]


class AttachmentFields(BaseModel):
    """An attachment given as an object: where its content is, or the content itself."""

    model_config = ConfigDict(extra="allow", strict=True, populate_by_name=True)

    id: Id | None = Field(None, description="To refer to the attachment again in later Messages")
    filename: Annotated[str, Field(max_length=255)] | None = Field(
        None, description="The name the recipient sees"
    )
    mime_type: Annotated[str, Field(max_length=255)] | None = Field(None, alias="mimeType")
    url: str | None = Field(None, description="http(s): fetched by the worker when it sends")
    content: str | None = Field(None, description="The file, base64; never shown again")


def _attachment_kind(value: Any) -> str | None:
    if isinstance(value, dict | AttachmentFields):
        return OBJECT_TAG
    return STRING_TAG if isinstance(value, str) else None


STRING_TAG, OBJECT_TAG = "a string", "an object"
GivenAttachment = Annotated[
    Annotated[str, Tag(STRING_TAG)] | Annotated[AttachmentFields, Tag(OBJECT_TAG)],
    Discriminator(_attachment_kind, custom_error_type="attachment", custom_error_message="neither"),
]


class MessageFields(BaseModel):
    """A Message. Fields beyond these are kept, returned, and visible to templates as `message.<name>`."""

    model_config = ConfigDict(extra="allow", strict=True, populate_by_name=True)

    id: Id | None = Field(None, description="Message is uniquely identified by id: also its idempotency key")
    agent: Related | None = Field(None, description="Message is written by Agent")
    lead: Related | None = Field(None, description="Lead sends/receives chat Message")
    sales_rep: Related | None = Field(None, alias="salesRep", description="Sales Rep sends/receives Message")
    internal_email: Email | None = Field(
        None, alias="internalEmail", description=f"Message is with Internal Email; {_EMAIL_FORM}"
    )
    external_phone_number: Phone | None = Field(
        None, alias="externalPhoneNumber", description="Message is with External Phone Number"
    )
    external_email: Email | None = Field(
        None, alias="externalEmail", description=f"Message is with External Email; {_EMAIL_FORM}"
    )
    internal_phone_number: Phone | None = Field(
        None, alias="internalPhoneNumber", description="Message is with Internal Phone Number"
    )
    text: str | None = Field(None, description="Message has Message Text: data, never a template")
    template_type: Id | None = Field(
        None, alias="templateType", description="Message is autofilled by Template Type"
    )
    template: Template | None = Field(None, description="Message is filled in from Template")
    attachments: list[GivenAttachment] | None = Field(
        None,
        description="Message has Attachment: a URL, a data: URI, the id of one given before, or an object",
    )
    send_at: Moment | None = Field(None, alias="sendAt", description="Not to be sent before this time")
    expires_at: Moment | None = Field(
        None, alias="expiresAt", description="Not worth sending from this time on; later than sendAt"
    )

    @field_validator("expires_at")
    @classmethod
    def _after_send_at(cls, value: str | None, info: ValidationInfo) -> str | None:
        send_at = info.data.get("send_at")
        if value and send_at and from_iso(value) <= from_iso(send_at):
            raise ValueError(f"{shown(value)} is not after sendAt, {shown(send_at)}: it would never be sent")
        return value


#: What Roundsman records on a Message; a producer cannot set it.
RECORDED = frozenset({"status", "createdAt", "sentAt", "error", "deliveries", "events"})
