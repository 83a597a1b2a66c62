"""What `roundsman up` says: progress while it starts, one short screen, then only what matters."""

import contextlib
import json
import shlex
import sys
import time
from typing import TextIO

from messages import broker_file
from messages.settings import Settings
from worker.up.services import Providers, reachable

_BOLD, _DIM, _RED, _YELLOW, _GREEN = "1", "2", "31", "33", "32"

#: What the screen's `curl` posts. Its template is part of the shipped set.
EXAMPLE = {
    "externalPhoneNumber": "+1 804-222-1111",
    "externalEmail": "pat@example.com",
    "templateType": "vehicle-enquiry",
    "lead": {"firstName": "Pat", "lastName": "Doe"},
    "vehicle": {"year": 2024, "make": "Toyota", "model": "RAV4"},
}


class Screen:
    """The terminal. Writing to it never fails: whoever closed it still gets everything stopped."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._colours = self._stream.isatty()
        with contextlib.suppress(AttributeError, ValueError):
            # A terminal that cannot show a character shows a question mark instead of a traceback.
            self._stream.reconfigure(errors="replace")  # type: ignore[union-attr]

    def say(self, text: str = "") -> None:
        """A line."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{text}\n")
            self._stream.flush()

    def starting(self, service: str) -> None:
        """Progress: a service is being started."""
        self.say(self._paint(f"  starting {service} …", _DIM))

    def ready(self, service: str, seconds: float) -> None:
        """Progress: a service is ready."""
        self.say(f"  {self._paint('ready', _GREEN)}    {service} ({seconds:.1f} s)")

    def note(self, text: str) -> None:
        """Something happened that a person should know."""
        self.say(f"{self._paint(time.strftime('%H:%M:%S'), _DIM)} {self._paint(text, _YELLOW)}")

    def line(self, service: str, text: str, *, error: bool) -> None:
        """A line of a service's own output."""
        self.say(f"{self._paint(service.rjust(9), _RED if error else _DIM)} | {text}")

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours else text

    def title(self, text: str) -> None:
        """A line that stands out."""
        self.say(self._paint(text, _BOLD))


def failed(text: str) -> None:
    """Why `up` gives up: one line on standard error."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"roundsman: {' '.join(text.split())}\n")
        sys.stderr.flush()


def show_running(screen: Screen, settings: Settings, providers: Providers, began: float) -> None:
    """The screen of a Roundsman that is up and healthy; `began` as `time.monotonic()` gave it."""
    host = reachable(settings.host)
    base = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    screen.say()
    screen.title(f"Roundsman is running (started in {time.monotonic() - began:.1f} s).")
    screen.say()
    screen.say(f"  API       {base}/api/messages   (described at {base}/docs)")
    if providers.any_sandbox:
        screen.say(f"  Sandbox   http://127.0.0.1:{settings.sandbox_port}/sandbox   (shows what was sent)")
    screen.say(f"  Flower    http://127.0.0.1:{settings.flower_port}")
    if not settings.broker_url:
        screen.say(f"  Queue     its URL, with the password, is in {settings.var_dir / broker_file.NAME}")
    screen.say(f"  SMS       {_where('Twilio', providers.sms_sandbox)}")
    screen.say(f"  E-mail    {_where('SMTP_URL', providers.email_sandbox)}")
    screen.say()
    screen.say("Send a first message, from another terminal:")
    screen.say()
    screen.say(curl(f"{base}/api/messages", with_key=bool(settings.api_keys)))
    screen.say()
    if not settings.api_keys:
        screen.say("API_KEYS is not set: only this machine is served.")
    screen.say("Ctrl-C stops everything; what is still queued is sent after the next start.")
    screen.say()


def curl(url: str, *, with_key: bool) -> str:
    """The command to paste."""
    key = " -H 'Authorization: Bearer YOUR_API_KEY'" if with_key else ""
    body = shlex.quote(json.dumps(EXAMPLE))
    return f"curl {url}{key} -H 'Content-Type: application/json' -d {body}"


def _where(real: str, sandbox: bool) -> str:
    return "go to the sandbox, not to anyone" if sandbox else f"are sent FOR REAL, by {real}"
