"""What is sent: the same text by the same template, each Message to a recipient of its own."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from messages.settings import PROJECT_ROOT

SENDER = "Bench <messages@roundsman.example>"
SENDER_PHONE = "+15005550006"
DEALERSHIP = "Downtown Motors"

#: The template that most Messages use: text and HTML around what the sales rep wrote.
TEMPLATE = "plain/default"
TEMPLATES: Path = PROJECT_ROOT / "templates"

TEXT = (
    "Hi Maya,\n\nyour Civic is washed, fueled and waiting by the front door. Both keys are in the glove box "
    "envelope, and the title is on its way to the address you gave us.\n\nSee you at ten!\nDana"
)
SMS_TEXT = "Hi Maya, your Civic is washed, fueled and waiting by the front door. See you at ten! Dana"


def address(name: str, number: int) -> str:
    """Whom an e-mail goes to: nobody else's."""
    return f"{name}-{number}@bench.example"


def addresses(name: str, count: int) -> Sequence[str]:
    """All of them."""
    return [address(name, number) for number in range(count)]


def phone(number: int) -> str:
    """Whom an SMS goes to, in E.164."""
    return f"+1804{2_000_000 + number}"


def email(name: str, number: int) -> dict[str, Any]:
    """A Message by e-mail, as it is posted."""
    return {"id": f"{name}-{number}", "externalEmail": address(name, number), "text": TEXT}


def emails(name: str, count: int) -> Iterator[dict[str, Any]]:
    """So many of them."""
    return (email(name, number) for number in range(count))


def sms(count: int) -> Iterator[dict[str, Any]]:
    """Messages by SMS, as they are posted."""
    for number in range(count):
        yield {"id": f"sms-{number}", "externalPhoneNumber": phone(number), "text": SMS_TEXT}
