"""The stage: one broker, one of each provider, the stores; everything else comes and goes on it."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import redis

from bench.figures import Sizes
from bench.guard import Guard
from bench.processes import LOOPBACK, Running, bare_environment, free_port, listens, python
from bench.providers.arrivals import Inquiry
from bench.stores import STORES, Database
from messages.settings import PROJECT_ROOT, Settings
from worker.up.broker import broker_service


def alone_on_stage() -> None:
    """Exit if something else would have a say; and have SIGTERM, too, leave nothing running."""
    if (PROJECT_ROOT / ".env").exists():
        sys.exit("bench: .env would be read by what is measured, too; move it away")
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider listens, and what it took."""

    port: int
    took: Inquiry


class Stage:
    """A context manager. `store_names`: which stores are there to be measured on."""

    def __init__(self, folder: Path, store_names: Sequence[str], sizes: Sizes) -> None:
        self.folder, self.sizes, self.store_names = folder, sizes, store_names
        self._parts = ExitStack()
        self.stores: dict[str, Database] = {}
        self.running: dict[str, Running] = {}  #: the last of each name

    def __enter__(self) -> "Stage":
        with ExitStack() as parts:
            self._guard = parts.enter_context(Guard())
            self.broker_url = self._start_broker(parts)
            self.smtp = self._start_provider(parts, "smtp")
            self.twilio = self._start_provider(parts, "twilio")
            for name in self.store_names:
                store = self.stores[name] = STORES[name](self.folder)
                parts.callback(store.close)
                if store.group is not None:
                    self._guard.watch(store.group)
            self._parts = parts.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parts.close()

    def clear(self) -> None:
        """Between two measurements: nothing waits, nor has the disk to write, and nothing is remembered."""
        os.sync()
        self.broker.flushall()
        self.smtp.took.reset()
        self.twilio.took.reset()

    def run(self, name: str, *argv: str, **environment: str) -> Running:
        """Start `python …`; its log is `name`'s."""
        return self._run(name, python(*argv), environment)

    @property
    def peer_environment(self) -> Mapping[str, str]:
        """What a peer needs to know."""
        return {"BROKER_URL": self.broker_url, "SMTP_HOST": LOOPBACK, "SMTP_PORT": str(self.smtp.port)}

    def _run(self, name: str, argv: Sequence[str], environment: Mapping[str, str]) -> Running:
        running = Running(argv, bare_environment(**environment), self.folder / f"{name}.log", self._guard)
        self.running[name] = running
        return running

    def _start_provider(self, parts: ExitStack, name: str) -> Provider:
        port, inquiry_port = free_port(), free_port()
        argv = ("-m", f"bench.providers.{name}", str(port), str(inquiry_port))
        running = parts.enter_context(self.run(name, *argv))
        running.until(lambda: listens(inquiry_port))
        return Provider(port, Inquiry(inquiry_port))

    def _start_broker(self, parts: ExitStack) -> str:
        """The one that `roundsman up` starts, with its settings."""
        port = free_port()
        settings = Settings(_env_file=None, var_dir=self.folder, valkey_port=port)
        service = broker_service(settings)
        running = parts.enter_context(self._run("broker", service.argv, {}))
        running.until(lambda: listens(port))
        self.broker = parts.enter_context(redis.Redis.from_url(settings.broker))
        return settings.broker
