"""What `roundsman up` starts, as a table, from the settings."""

import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from messages.database_tls import WARNED, warning_of
from messages.settings import Settings
from worker.sandbox import SANDBOX_ACCOUNT_SID, SANDBOX_AUTH_TOKEN
from worker.up import ready
from worker.up.broker import broker_service
from worker.up.migrate import is_migrated
from worker.up.service import Port, Service, Stage, StartError

LOOPBACK = "127.0.0.1"
#: The one sender number that Twilio's test credentials accept.
SANDBOX_SENDER_PHONE = "+15005550006"

#: Whose name the templates show as long as nothing reaches anybody.
SANDBOX_DEALERSHIP = "Riverside Motors"


@dataclass(frozen=True, slots=True)
class Providers:
    """Which channels go to the sandbox, and which to a real provider. Each by itself."""

    email_sandbox: bool
    sms_sandbox: bool

    @property
    def any_sandbox(self) -> bool:
        """Whether a sandbox is needed at all."""
        return self.email_sandbox or self.sms_sandbox


def providers(settings: Settings) -> Providers:
    """What the settings say. Raises StartError when only half of Twilio's credentials are set."""
    has = {
        "TWILIO_ACCOUNT_SID": bool(settings.twilio_account_sid),
        "TWILIO_AUTH_TOKEN": bool(settings.twilio_auth_token),
    }
    missing = [name for name, is_set in has.items() if not is_set]
    if len(missing) == 1:
        raise StartError(f"{missing[0]} is not set, but its twin is: set both, or neither to use the sandbox")
    return Providers(email_sandbox=settings.smtp_url is None, sms_sandbox=bool(missing))


def sandbox_environment(settings: Settings, chosen: Providers) -> dict[str, str]:
    """What intake and workers need in their environment to send to the sandbox."""
    env: dict[str, str] = {}
    if chosen.email_sandbox and chosen.sms_sandbox:
        unless_set = {"DEALERSHIP_NAME": SANDBOX_DEALERSHIP, "TEMPLATES_RELOAD": "true"}
        env |= {
            name: value for name, value in unless_set.items() if name.lower() not in settings.model_fields_set
        }
    if chosen.email_sandbox:
        env["SMTP_URL"] = f"smtp://{LOOPBACK}:{settings.sandbox_smtp_port}"
    if chosen.sms_sandbox:
        env["TWILIO_BASE_URL"] = f"http://{LOOPBACK}:{settings.sandbox_port}"
        env["TWILIO_ACCOUNT_SID"] = SANDBOX_ACCOUNT_SID
        env["TWILIO_AUTH_TOKEN"] = SANDBOX_AUTH_TOKEN
        # Where the sandbox reports what became of an SMS; a real Twilio would not take such an address.
        env["PUBLIC_URL"] = settings.public_base
        env["SENDER_PHONE"] = settings.sender_phone or SANDBOX_SENDER_PHONE
    return env


def services(settings: Settings, chosen: Providers) -> list[Service]:
    """Every service, in the order in which they are named to people. Raises StartError."""
    broker = [] if settings.broker_url else [broker_service(settings)]  # first: it writes what BROKER_URL is
    env = {
        "MALLOC_ARENA_MAX": "2",  # else threads that built something large keep an arena of memory each
        "VAR_DIR": str(settings.var_dir.resolve()),
        "BROKER_URL": settings.broker,
        **({WARNED: "1"} if warning_of(settings.database) else {}),
        **({"BROKER_CA_FILE": str(settings.broker_ca_file.resolve())} if settings.broker_ca_file else {}),
        **sandbox_environment(settings, chosen),
    }
    migrate = [] if is_migrated(settings) else [_migrate(env)]
    sandbox = [_sandbox(settings, env)] if chosen.any_sandbox else []
    return [
        *broker,
        *migrate,
        *sandbox,
        _intake(settings, env, after=_names(migrate)),
        _workers(settings, env, sandbox, after=_names(broker, migrate)),
        _flower(settings, env, after=_names(broker)),
    ]


def _sandbox(settings: Settings, env: Mapping[str, str]) -> Service:
    return Service(
        name="sandbox",
        argv=_python("worker.sandbox"),
        env=env,
        ready=ready.http(LOOPBACK, settings.sandbox_port, "/healthz"),
        stage=Stage.PROVIDERS,
        ports=(
            Port("SANDBOX_PORT", LOOPBACK, settings.sandbox_port),
            Port("SANDBOX_SMTP_PORT", LOOPBACK, settings.sandbox_smtp_port),
        ),
    )


def _intake(settings: Settings, env: Mapping[str, str], after: tuple[str, ...]) -> Service:
    listen = ("--host", settings.host, "--port", str(settings.port))
    # No access log: a line a request is more than anybody reads; `/metrics` counts them.
    options = (
        "--http",
        "intake.wire:Wire",
        "--ws",
        "none",
        "--no-proxy-headers",
        "--no-access-log",
        "--timeout-graceful-shutdown",
        "1",
    )
    return Service(
        name="intake",
        argv=_python("uvicorn", "intake.app:app", *listen, *options),
        env=env,
        ready=ready.http(reachable(settings.host), settings.port, "/readyz"),
        stage=Stage.DOOR,
        after=after,
        ports=(Port("PORT", settings.host, settings.port),),
    )


def _workers(
    settings: Settings, env: Mapping[str, str], sandbox: list[Service], after: tuple[str, ...]
) -> Service:
    nodes = [f"w{number}@{socket.gethostname()}" for number in range(1, settings.worker_processes + 1)]
    # It imports for longer than the sandbox takes to start, so it waits for that only then.
    ports = [str(port.number) for service in sandbox for port in service.ports]
    return Service(
        name="worker",
        argv=_python("worker.up.workers", str(len(nodes)), *ports),
        # All of it is to stop within ten seconds, of which the workers have four.
        env={**env, "SHUTDOWN_SECONDS": "3.5"},
        ready=ready.celery_nodes(nodes),
        stage=Stage.WORK,
        after=after,
    )


def _flower(settings: Settings, env: Mapping[str, str], after: tuple[str, ...]) -> Service:
    listen = (LOOPBACK, str(settings.flower_port))
    return Service(
        name="flower",
        argv=_python("worker.up.flower", *listen),
        env=env,
        ready=ready.http(LOOPBACK, settings.flower_port, "/healthcheck"),
        stage=Stage.DOOR,
        after=after,
        ports=(Port("FLOWER_PORT", LOOPBACK, settings.flower_port),),
        # It warns of every worker that does not answer it, also while they are still starting.
        warnings=False,
    )


def _migrate(env: Mapping[str, str]) -> Service:
    argv = _python("worker.up.migrate")
    return Service(name="migrate", argv=argv, env=env, ready=ready.ends, stage=Stage.WORK, once=True)


def _names(*groups: list[Service]) -> tuple[str, ...]:
    return tuple(service.name for group in groups for service in group)


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def reachable(host: str) -> str:
    """The address at which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - not bound, looked up
