"""Every error Roundsman raises itself.

    RoundsmanError
    ├── InvalidMessage        the producer's input is wrong; `fields` says which and why        HTTP 400
    ├── Conflict              the same id or Idempotency-Key, with other content                HTTP 409
    ├── Unforeseen            a bug met one Message of many; the others are not held up             HTTP 500
    ├── NothingToDo           no Delivery is in a state to be redriven, or canceled             HTTP 409
    ├── MessageNotFound       no Message has this id                                            HTTP 404
    ├── StoreUnavailable      the database cannot be used just now; nothing was changed         HTTP 503
    │   └── Overloaded        more wait to be stored than it is worth waiting behind            HTTP 503
    ├── StoreOutdated         the store was made by an older version; said in one line at start-up
    ├── TemplateError         a template cannot be rendered: template, line and variable named
    ├── RenderUnavailable     no process can render just now; nothing is wrong with the Message
    │   └── RenderBusy        all of them are at work
    ├── RenderPostponed       a Message is rendered later, because all render processes are at work
    ├── AttachmentError       an attachment cannot be fetched or is too large
    ├── FetchPostponed        an attachment is fetched later: its host is paused, or has no free slot
    └── SettingsError         a setting is missing or wrong; said in one line at start-up

What a *provider* answers is no exception but an outcome: see `messages.outcomes`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class ErrorType(StrEnum):
    """The `error.type` of every error answer. Programs may rely on a value: it is never changed or reused.

    docs/errors.md says what each means and what to do; a test holds the two together.
    """

    INVALID_BODY = "invalid_body"
    INVALID_FIELD = "invalid_field"
    INVALID_PARAMETER = "invalid_parameter"
    UNKNOWN_TEMPLATE = "unknown_template"
    TOO_LARGE = "too_large"
    INVALID_REQUEST = "invalid_request"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TIMEOUT = "timeout"
    CONFLICT = "conflict"
    WRONG_STATE = "wrong_state"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INTERNAL_ERROR = "internal_error"
    NOT_IMPLEMENTED = "not_implemented"
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"


@dataclass(frozen=True, slots=True)
class FieldWarning:
    """Something about an accepted Message that its producer may not have meant."""

    field: str  #: as `error.fields` names it: `lead.phone`, `attachments[0]`; or a query parameter
    message: str


class RoundsmanError(Exception):
    """The root: `except RoundsmanError` catches what Roundsman itself says, and no bug."""


class InvalidMessage(RoundsmanError):
    """The input is not a Message. `fields` maps each wrong field's name to a sentence about it.

    `type`: by default `invalid_field`; without `fields`, `invalid_body`. `warnings`: see `FieldWarning`.
    """

    def __init__(
        self, message: str, fields: Mapping[str, str] | None = None, error_type: ErrorType | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fields = dict(fields or {})
        self.type = error_type or (ErrorType.INVALID_FIELD if fields else ErrorType.INVALID_BODY)
        self.warnings: Sequence[FieldWarning] = ()


class Conflict(RoundsmanError):
    """The id (or Idempotency-Key) is taken by a Message with other content."""

    def __init__(self, field: str, value: str) -> None:
        self.field = field
        super().__init__(
            f"{field} {value!r} was already used for a Message with other content; "
            f"send the same content again, or use a new {field}"
        )


class Unforeseen(RoundsmanError):
    """A bug met this one of many Messages, which is not accepted. The log says what it was."""


class NothingToDo(RoundsmanError):
    """No Delivery of the Message is in a state for what was asked; nothing was changed."""

    def __init__(self, message: str, status: str) -> None:
        self.status = status
        super().__init__(message)


class MessageNotFound(RoundsmanError):
    """No Message has this id."""

    def __init__(self, message_id: str) -> None:
        self.message_id = message_id
        super().__init__("Message Not Found")


class StoreUnavailable(RoundsmanError):
    """The store cannot be used just now; nothing was changed, the same call may be made again."""


class Overloaded(StoreUnavailable):
    """Too many wait to be stored; this one does not wait, and nothing was changed."""


class StoreOutdated(RoundsmanError):
    """The store has an older schema than this version needs. The text is one line, and says what to do."""


class TemplateError(RoundsmanError):
    """A template cannot be rendered. The text names template, line and variable, never a value."""

    def __init__(
        self, reason: str, *, template: str, line: int | None = None, variable: str | None = None
    ) -> None:
        self.reason, self.template, self.line, self.variable = reason, template, line, variable
        where = f"{template}, line {line}" if line else template
        super().__init__(f"{where}: {reason}")


class RenderUnavailable(RoundsmanError):
    """No process can render just now: the machine is too busy, or ended the process. To be tried again."""


class RenderBusy(RenderUnavailable):
    """All render processes are at work with other Messages."""


class RenderPostponed(RoundsmanError):
    """A Message is to be rendered later, at `until` (ms since the epoch). No attempt was made."""

    def __init__(self, reason: str, until: int) -> None:
        self.reason, self.until = reason, until
        super().__init__(reason)


class AttachmentError(RoundsmanError):
    """An attachment cannot be had. `temporary` says whether trying again later may help."""

    def __init__(self, reason: str, *, temporary: bool = False) -> None:
        self.reason, self.temporary = reason, temporary
        super().__init__(reason)


class FetchPostponed(RoundsmanError):
    """An attachment is to be fetched later, at `until` (ms since the epoch). No attempt was made."""

    def __init__(self, reason: str, until: int) -> None:
        self.reason, self.until = reason, until
        super().__init__(reason)


class SettingsError(RoundsmanError):
    """A setting is missing or wrong. The text is one line: the setting, what it is, what it should be."""
