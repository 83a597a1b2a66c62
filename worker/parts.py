"""The composition root of a worker: which real parts its tasks use. Built once per process, lazily."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from celery import Celery

from messages.acceptance import Acceptor
from messages.catalogue import Catalogue
from messages.circuit import Circuit
from messages.clock import Clock, system_clock
from messages.delivery import Channel
from messages.doorbell import Doorbell
from messages.filenames import file_name
from messages.outcomes import ActionBy, Failed, FailureKind, Outcome
from messages.outgoing import Attachment, EmailChannel, OutgoingEmail, OutgoingSms, Permit, SmsChannel
from messages.queues import IDS_PER_TASK
from messages.reconciliation import AskPolicy, CannotTell, Listed
from messages.rendering.bounded import BoundedRenderer
from messages.retry import RetryPolicy
from messages.settings import Settings
from messages.signing import VALID_FOR, signed_path
from messages.store import Store
from messages.twilio_codes import read_codes
from tasks.alone import Alone
from tasks.gathering import Gathering
from tasks.parts import Parts
from tasks.progress import Progress
from tasks.stopping import Stopping
from worker.bridge import LoopThread
from worker.channels.email import SmtpEmail
from worker.channels.fetch import AttachmentFetcher
from worker.channels.sms import TwilioSms
from worker.channels.smtp_connect import TlsPolicy
from worker.shared_lines import SharedLines
from worker.shared_pace import SharedPace

#: How many Messages of the queue entrance share a transaction, and seconds between two while more wait.
ACCEPTED_TOGETHER = 200
ACCEPT_PAUSE = 0.01

#: How long closing the connections may take, in seconds.
CLOSE_TIMEOUT = 3


@dataclass(frozen=True, slots=True)
class Unconfigured:
    """Stands where a provider's settings are missing: what waits is sent once they are there."""

    settings: str

    async def send(self, _: OutgoingSms | OutgoingEmail, permit: Permit) -> Outcome:  # noqa: ARG002
        """Fail for now, and say what to set."""
        reason = f"There is no provider for it yet: set {self.settings}."
        return Failed(FailureKind.RETRYABLE, reason, action_by=ActionBy.OPERATOR)

    async def listed(self, recipient: str) -> Sequence[Listed] | CannotTell:  # noqa: ARG002
        """Nobody can be asked."""
        return CannotTell(f"There is no provider to ask: set {self.settings}.")

    async def close(self) -> None:
        """Do nothing: nothing is open."""


def build_parts(
    app: Celery,
    settings: Settings,
    bridge: LoopThread,
    clock: Clock = system_clock,
    *,
    broker_clock: Clock | None = None,
    worker: Callable[[], str | None] = lambda: None,
    is_quiet: Callable[[], bool] = lambda: True,
) -> Parts:
    """Everything the tasks need. Connects to nothing yet. `broker_clock`: None for what the broker says.

    `worker`: the process's name among those that show life; None where it shows none.
    """
    store = Store(settings.database)
    fetcher = _fetcher(settings, store, clock)
    progress = Progress(store, clock)
    pace = _pace(settings)
    sms, email = _sms(settings, clock), _email(settings, fetcher, clock)

    async def close_connections() -> None:
        for part in (pace, progress, sms, email, fetcher):
            await part.close()

    def close() -> None:
        bridge.finish(settings.patience_seconds)
        bridge.run(close_connections(), CLOSE_TIMEOUT)
        bridge.close()
        renderer.close()
        store.close()

    renderer = BoundedRenderer.from_settings(settings, Catalogue.read(settings.templates))
    acceptor = Acceptor.from_settings(settings, store, clock, renderer)
    doorbell = Doorbell(app, clock)
    return Parts(
        store=store,
        acceptor=acceptor,
        catalogue=acceptor.catalogue,
        renderer=renderer,
        doorbell=doorbell,
        entrance=Gathering(ACCEPTED_TOGETHER, pause=ACCEPT_PAUSE),
        claims={channel: Gathering(IDS_PER_TASK) for channel in Channel},
        alone=Alone(),
        bridge=bridge,
        circuits={channel: Circuit() for channel in Channel},
        pace=pace,
        progress=progress,
        stopping=Stopping(settings.patience_seconds),
        sms=sms,
        email=email,
        fetcher=fetcher,
        clock=clock,
        broker_clock=broker_clock or doorbell.time,
        random=random.random,
        retries=RetryPolicy(
            settings.retry_base_seconds,
            settings.retry_max_seconds,
            settings.retry_max_age_seconds,
            settings.retry_max_attempts,
        ),
        asking=AskPolicy(
            settle_ms=int(settings.reconcile_after_seconds * 1000),
            max_age_ms=int(settings.retry_max_age_seconds * 1000),
            max_pause_ms=int(settings.retry_max_seconds * 1000),
        ),
        hold_email=settings.ambiguous_email == "hold",
        worker=worker,
        is_quiet=is_quiet,
        lease_ms=int(settings.lease_seconds * 1000),
        hand_over_ms=int(settings.hand_over_seconds * 1000),
        dealership=settings.dealership_name,
        media_url=MediaUrls(settings, store, clock),
        close=close,
    )


def _pace(settings: Settings) -> SharedPace:
    return SharedPace(
        SharedLines(settings.broker_connection.url, settings.broker_connection.tls),
        settings.rates,
        settings.smtp_messages_per_second,
        default_sender=settings.sender_phone or settings.twilio_messaging_service_sid,
        processes=settings.worker_processes,
    )


def _sms(settings: Settings, clock: Clock) -> SmsChannel:
    if not settings.twilio_account_sid or not settings.twilio_auth_token:
        return Unconfigured("TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN")
    return TwilioSms(
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_token.get_secret_value(),
        base_url=settings.twilio_base_url,
        messaging_service_sid=settings.twilio_messaging_service_sid,
        default_sender=settings.sender_phone,
        callback_base=settings.public_url.rstrip("/") or None,
        connections=settings.twilio_connections,
        timeout=settings.twilio_timeout_seconds,
        codes=read_codes(settings.twilio_errors_file),
        clock=clock,
    )


def _fetcher(settings: Settings, store: Store, clock: Clock) -> AttachmentFetcher:
    return AttachmentFetcher(
        allowed_hosts=settings.attachment_hosts,
        denied=settings.attachment_deny,
        max_bytes=settings.attachment_max_bytes,
        max_files=settings.attachment_max_files,
        timeout=settings.attachment_timeout_seconds,
        load=store.attachment_content,
        clock=clock,
    )


def _email(settings: Settings, fetcher: AttachmentFetcher, clock: Clock) -> EmailChannel:
    if settings.smtp_url is None:
        return Unconfigured("SMTP_URL")
    return SmtpEmail(
        settings.smtp_url.get_secret_value(),
        default_sender=settings.sender_email,
        fetch=fetcher.fetch_all,
        connections=settings.smtp_connections,
        timeout=settings.smtp_timeout_seconds,
        tls=TlsPolicy(settings.smtp_tls) if settings.smtp_tls else None,
        max_bytes=settings.email_max_bytes,
        clock=clock,
    )


class MediaUrls:
    """Signed URLs at which an SMS provider fetches content that has no public URL."""

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        self._clock = clock
        self._base, self._store = settings.public_base, store
        self._key = settings.signing_key.get_secret_value().encode() if settings.signing_key else None

    def __call__(self, attachment: Attachment) -> str:
        """`PUBLIC_URL/media/…`, good for a week. Raises StoreUnavailable."""
        if self._key is None:
            self._key = self._store.signing_key()
        expires = self._clock() + VALID_FOR
        name = file_name(attachment.filename, mime_type=attachment.mime_type)
        return self._base + signed_path(self._key, attachment.id, name, expires)
