"""What came of an attempt: the provider accepted it, or it failed in one of three ways.

Outcome
├── Sent                       → `sent`
└── Failed
    ├── kind RETRYABLE         → `queued` again, later         (it was surely not sent)
    ├── kind PERMANENT         → `failed`                      (it was surely not sent, and never will be)
    └── kind AMBIGUOUS         → `unknown`                     (it may have been sent)

Each failure also names who has to act before the recipient can get the message: see `ActionBy`.
"""

from dataclasses import dataclass
from enum import StrEnum

from messages.errors import AttachmentError


class FailureKind(StrEnum):
    """How an attempt failed. An error that nobody classified is PERMANENT, once begun AMBIGUOUS."""

    RETRYABLE = "retryable"
    PERMANENT = "permanent"
    AMBIGUOUS = "ambiguous"


class ActionBy(StrEnum):
    """Who has to act so that the recipient gets the message. The value is what the API shows."""

    RECIPIENT = "recipient"  #: their address, mailbox, phone or consent
    SENDER = "sender"  #: whoever created the Message: its sender, its fields, the time it was given
    CONTENT = "content"  #: the text, the template or the attachments themselves
    OPERATOR = "operator"  #: whoever runs Roundsman: a setting, an account, a server
    NOBODY = "nobody"  #: waiting is enough


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took it over."""

    provider_id: str | None  #: Twilio's message SID; for e-mail the Message-ID
    detail: str | None = None  #: what the provider said, without addresses or text
    warning: str | None = None  #: a sentence: what was left out so that the rest could be sent


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider did not, or we cannot know."""

    kind: FailureKind
    reason: str  #: a sentence a person understands, with the provider's code; no address, no text
    code: str | None = None  #: the provider's own code: "21211", "550 5.1.1"
    retry_after: float | None = None  #: seconds the provider asked us to wait
    provider_trouble: bool = False  #: the provider fails, whatever it is given: see `messages.circuit`
    unforeseen: bool = False  #: an error nobody classified: never repeated by itself
    opted_out: bool = False  #: the recipient does not want messages (Twilio 21610): → `suppressed`
    action_by: ActionBy = ActionBy.OPERATOR  #: an error that nobody classified is one to look into
    provider_id: str | None = None  #: of what the provider accepted and then reported as failed
    undelivered: bool = False  #: the provider sent it, and it did not arrive: → `undelivered`


Outcome = Sent | Failed


def not_fetched(error: AttachmentError) -> Failed:
    """The failure of an attempt whose attachments could not be fetched or read."""
    if error.temporary:
        return Failed(FailureKind.RETRYABLE, error.reason, action_by=ActionBy.NOBODY)
    return Failed(FailureKind.PERMANENT, error.reason, action_by=ActionBy.SENDER)
