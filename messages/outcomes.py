"""What came of an attempt: the provider accepted it, or it failed in one of three ways.

Outcome
├── Sent                       → `sent`
└── Failed
    ├── kind RETRYABLE         → `queued` again, later         (it was surely not sent)
    ├── kind PERMANENT         → `failed`                      (it was surely not sent, and never will be)
    └── kind AMBIGUOUS         → `unknown`                     (it may have been sent)
"""

from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """How an attempt failed. An error that nobody classified is PERMANENT, once begun AMBIGUOUS."""

    RETRYABLE = "retryable"
    PERMANENT = "permanent"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took it over."""

    provider_id: str | None  #: Twilio's message SID; for e-mail the Message-ID
    detail: str | None = None  #: what the provider said, without addresses or text


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


Outcome = Sent | Failed
