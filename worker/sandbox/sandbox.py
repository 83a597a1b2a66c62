"""The sandbox's parts in one place: what SMTP, the Twilio look-alike and the page share."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from messages.settings import Settings
from worker.sandbox import SANDBOX_ACCOUNT_SID, SANDBOX_AUTH_TOKEN
from worker.sandbox.behaviours import SLOW_SECONDS, Tries
from worker.sandbox.callbacks import Callbacks
from worker.sandbox.inbox import Inbox


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One sandbox: what arrived, and what it must know of the rest of Roundsman."""

    inbox: Inbox = field(default_factory=Inbox)
    tries: Tries = field(default_factory=Tries)
    callbacks: Callbacks = field(default_factory=Callbacks)
    account_sid: str = SANDBOX_ACCOUNT_SID
    auth_token: str = SANDBOX_AUTH_TOKEN
    intake_url: str = "http://127.0.0.1:8000"  #: for the example on the page
    intake_needs_key: bool = False
    media_origins: tuple[str, ...] = ()  #: from where the page may load images that came by MMS
    slow_seconds: float = SLOW_SECONDS
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, settings: Settings) -> "Sandbox":
        """The sandbox that `settings` ask for: with their Twilio credentials, else the well-known ones."""
        intake = f"http://127.0.0.1:{settings.port}"
        public = urlsplit(settings.public_base)
        token = settings.twilio_auth_token
        return cls(
            callbacks=Callbacks(intakes=(settings.public_base, intake)),
            account_sid=settings.twilio_account_sid or SANDBOX_ACCOUNT_SID,
            auth_token=token.get_secret_value() if token else SANDBOX_AUTH_TOKEN,
            intake_url=intake,
            intake_needs_key=bool(settings.api_keys),
            media_origins=tuple(dict.fromkeys((intake, f"{public.scheme}://{public.netloc}"))),
        )

    async def dawdle(self) -> None:
        """Wait before a slow answer; less when the sandbox is stopped meanwhile."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), self.slow_seconds)
