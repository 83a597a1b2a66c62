"""Values that can be recognised, one for every place where somebody can write, and how to find them."""

import base64
import json
from collections.abc import Iterator
from typing import Any

#: In every planted value but phone numbers, and in every secret.
MARK = "planted"

#: As digits, for each is written in several ways. They are refused by the Twilio of the tests, each for
#: another reason, lost, or taken.
PHONES = (
    "6162345678",
    "6162345679",
    *(f"500555{n}" for n in ("0001", "0003", "0006", "0008", "0101", "0102")),
)

SECRETS = {
    "API_KEYS": f"{MARK}-long-api-key",
    "SIGNING_KEY": f"{MARK}-signing-key",
    "TWILIO_AUTH_TOKEN": f"{MARK}-twilio-token",
    "smtp user": f"{MARK}-smtp-user",
    "smtp password": f"{MARK}-smtp-password",
    "database password": f"{MARK}-database-password",
    "broker password": f"{MARK}-broker-password",
}


#: Templates that fail in ways whose exceptions quote data.
BROKEN_TEMPLATES = {
    "undefined": "{{ message.text.inner.inner }}",
    "method": "{{ message.text() }}",
    "number": "{{ '%d' % message.text }}",
    "lookup": "{{ {}[message.text].x }}",
    "filter": "{{ message.text | date }}",
    "include": "{% include message.text %}",
}


def every_field(email: str = "dana", phone: str = "616-234-5678", **changed: Any) -> dict[str, Any]:
    """A Message with something planted in every field there is, and in some that there are not."""
    return {
        "agent": {"id": f"{MARK}-agent", "name": f"{MARK} agent"},
        "lead": {"id": f"{MARK}-lead", "firstName": f"{MARK} first", "phone": "616-234-5678"},
        "salesRep": {"id": f"{MARK}-rep", "name": f"{MARK} rep", "email": f"{MARK}-rep@dealer.example"},
        "internalEmail": f"{MARK}@dealer.example",
        "externalPhoneNumber": phone,
        "externalEmail": f"{email}@{MARK}.example",
        "internalPhoneNumber": "616-234-5679",
        "text": f"{MARK} text",
        "subject": f"{MARK} subject",
        "attachments": [
            {"filename": f"{MARK}.txt", "mimeType": f"text/{MARK}", "content": "cGxhbnRlZCBjb250ZW50"}
        ],
        "metadata": {f"{MARK}Key": {f"{MARK}Inner": [f"{MARK} value"]}},
        f"{MARK}Field": f"{MARK} value",
    } | changed


def found_in(text: str) -> list[str]:
    """Where something planted is in `text`, plain or in base64: each with what is around it."""
    return [
        f"{spelling}: …{text[max(0, at - 300) : at + 100]}…"
        for spelling in _SPELLINGS
        for at in _places(text, spelling)
    ]


def _spellings() -> Iterator[str]:
    yield MARK
    for digits in PHONES:
        yield digits
        yield f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"
    for lead in range(3):  # base64 has three ways to write it, by what stands before
        coded = base64.b64encode(b"\0" * lead + MARK.encode()).decode()
        yield coded[(lead * 4 + 2) // 3 : len(coded) - 3]


def _places(text: str, spelling: str) -> Iterator[int]:
    at = text.lower().find(spelling.lower()) if spelling == MARK else text.find(spelling)
    if at >= 0:
        yield at


_SPELLINGS = tuple(_spellings())


def entry(body: Any, task: str = "tasks.accept", **headers: Any) -> str:
    """A task on a queue, whose headers hold what a producer can write into them."""
    planted = {
        name: f"{MARK}-{name}"
        for name in (
            "id",
            "root_id",
            "parent_id",
            "group",
            "shadow",
            "origin",
            "argsrepr",
            "kwargsrepr",
            "meth",
        )
    }
    text = body if isinstance(body, str) else json.dumps(body)
    return json.dumps(
        {
            "body": base64.b64encode(text.encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": planted | {"lang": MARK, "task": task, "stamps": {MARK: MARK}} | headers,
            "properties": {
                "correlation_id": f"{MARK}-correlation",
                "reply_to": f"{MARK}-reply",
                "delivery_tag": base64.b64encode(text.encode()).decode()[:40] + task,
                "delivery_info": {"exchange": MARK, "routing_key": MARK},
                "priority": 0,
                "body_encoding": "base64",
            },
        }
    )


_URL = f"https://{MARK}:{MARK}@127.0.0.1:1/{MARK}?token={MARK}"

#: Of every request.
HEADERS = {
    "User-Agent": f"{MARK}-agent",
    "X-Planted": MARK,
    "Referer": f"http://{MARK}.example/",
    "Cookie": f"{MARK}={MARK}",
}

#: What is accepted, to be sent, refused, lost, answered too late, or not to be rendered. By what the SMTP
#: server and Twilio of the tests do with these mailboxes and numbers.
MESSAGES: list[Any] = [
    every_field(mailbox, phone, id=f"{MARK}-{mailbox}")
    for mailbox, phone in (
        ("dana", "616-234-5678"),
        ("refused", "+15005550001"),
        ("busy", "+15005550003"),
        ("spam", "+15005550006"),
        ("dropped", "+15005550101"),
        ("hung", "+15005550102"),
        ("silent", "+15005550008"),
    )
]
MESSAGES += [every_field(templateType="broken", template=name) for name in BROKEN_TEMPLATES]
MESSAGES += [every_field(attachments=[_URL])]

#: What is refused: by the checks, by what is there already, and by the store.
NOT_MESSAGES: list[Any] = [
    every_field(externalEmail=f"{MARK}@@"),
    every_field(externalPhoneNumber=MARK),
    every_field(templateType=MARK),
    every_field(text=[MARK]),
    every_field(id=f"{MARK}-dana", text=f"{MARK} other text"),
    every_field(text=f"{MARK} bug"),
    every_field(text=f"{MARK} full"),
    [MARK],
]

#: What is pushed on the queue entrance by a producer with Celery: a Message, one that the store cannot take,
#: and lists of what is none.
PUSHED: list[Any] = [
    every_field(id=f"{MARK}-pushed"),
    every_field(text=f"{MARK} bug"),
    [
        {"text": f"{MARK} text", "externalEmail": MARK},
        f"{MARK} text",
        {"text": [f"{MARK} text"]},
        every_field(templateType=f"{MARK}-type"),
        every_field(attachments=[_URL, {"url": MARK}]),
        {"text": f"{MARK}\ud800", "externalEmail": f"{MARK}@example.com"},
        {f"{MARK}\0": 1},
    ],
]

#: What other producers push, with something planted in every header: also what is no task, or none of ours.
ENTRIES = [
    entry([[every_field()], {}, {}]),
    entry([[every_field()], {MARK: MARK}, {}]),
    entry([[every_field(text=f"{MARK} bug"), every_field(text=f"{MARK} other")], {}, {}]),
    entry([[every_field()], {}, {}], eta=MARK),
    entry([[every_field()], {}, {}], expires=MARK),
    entry([[every_field()], {}, {}], timelimit=MARK),
    entry([[every_field()], {}, {}], task=f"tasks.{MARK}"),
    entry([[[MARK]], {}, {}], task="tasks.send_email"),
    entry([[{MARK: MARK}], {}, {}], task="tasks.send_sms"),
    entry([[[{MARK: MARK}]], {}, {}], task="tasks.send_sms"),
    entry([[MARK], {MARK: MARK}, {}], task="tasks.send_sms"),
    entry([[f"{MARK} crash"], {}, {}]),
    entry(f"{MARK} no JSON"),
    entry([MARK]),
    json.dumps({MARK: MARK}),
    f"{MARK} no JSON",
    f"{MARK} crash and no JSON",
]
