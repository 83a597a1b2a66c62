"""What is looked at afterwards: the processes, their logs, and what the providers got."""

import signal
from collections import Counter
from collections.abc import Sequence
from email.message import EmailMessage

from tests.fuzz.processes import Process
from tests.fuzz.values import EVALUATED, INJECTED, INJECTED_HEADER
from tests.servers.smtp import SmtpServer
from tests.servers.twilio import TwilioServer

#: What a process may take at most, beyond what it took before, in bytes: the few large bodies and
#: entries that are in memory at once, what they unpack to, and what glibc does not give back of that.
MORE_AT_MOST = 900 << 20

#: In a log they tell of a bug, or of what somebody wrote.
SIGNS = ("Traceback", "Unforeseen", "Nobody classified", "CRITICAL", INJECTED)


async def of_the_process(name: str, process: Process) -> list[str]:
    """What is wrong with it. Stops it."""
    found = []
    if process.peak > process.base + MORE_AT_MOST:
        found.append(f"{name} took {process.peak >> 20} MB")
    if not process.is_alive:
        found.append(f"{name} ended by itself")
    elif (code := await process.stop()) not in (0, -signal.SIGTERM):  # uvicorn ends by the signal itself
        found.append(f"{name} was asked to stop and ended with {code}")
    lines = process.log.read_text(errors="replace").splitlines()
    told = [next((line for line in lines if sign in line), None) for sign in SIGNS]
    return found + [f"{name} logged {line[:300]!r}" for line in told if line]


def of_the_providers(smtp: SmtpServer, twilio: TwilioServer, good: Sequence[str]) -> list[str]:
    """What they got and should not have, or more than once."""
    found = []
    bodies = [body for sms in twilio.created for body in sms.get("Body", [])]
    texts = list(bodies)
    for mail in smtp.mails:
        texts += _texts(mail.message)
        if INJECTED in mail.recipient or INJECTED_HEADER in mail.message or mail.message["Bcc"]:
            found.append(f"an e-mail went to {mail.recipient} with {mail.message.keys()}")
    if any(EVALUATED in text for text in texts):
        found.append("a template in a field was evaluated")
    by_sms = Counter(body for body in bodies if body.startswith("good-"))
    by_email = Counter(m.recipient.partition("@")[0] for m in smtp.mails if m.recipient.startswith("good-"))
    for channel, counted in (("SMS", by_sms), ("e-mail", by_email)):
        if counted != Counter(good):
            more, less = counted - Counter(good), Counter(good) - counted
            found.append(f"good Messages by {channel}: too many {dict(more)}, missing {dict(less)}")
    return found


def _texts(message: EmailMessage) -> list[str]:
    parts = (part for part in message.walk() if part.get_content_maintype() == "text")
    return [str(message["Subject"]), *(part.get_content() for part in parts if not part.is_attachment())]
