"""The stage: one broker, one of each provider, the stores; everything else comes and goes on it."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import redis

from bench.figures import Sizes
from bench.processes import LOOPBACK, Running, bare_environment, free_port, listens, python
from bench.providers.arrivals import Inquiry
from bench.stores import STORES, Database
from messages.settings import Settings
from worker.up.broker import broker_service


class Provider:
    """A provider's process, and what it took."""

    def __init__(self, stage: ExitStack, module: str, folder: Path) -> None:
        self.port, inquiry_port = free_port(), free_port()
        argv = python("-m", f"bench.providers.{module}", str(self.port), str(inquiry_port))
        running = stage.enter_context(Running(argv, bare_environment(), folder / f"{module}.log"))
        running.until(lambda: listens(inquiry_port))
        self.took = Inquiry(inquiry_port)


class Stage:
    """A context manager. `store_names`: which stores are there to be measured on."""

    def __init__(self, folder: Path, store_names: Sequence[str], sizes: Sizes) -> None:
        self.folder, self.sizes, self.store_names = folder, sizes, store_names
        self._parts = ExitStack()
        self.stores: dict[str, Database] = {}

    def __enter__(self) -> "Stage":
        with ExitStack() as parts:
            self.broker_url = self._start_broker(parts)
            self.smtp = Provider(parts, "smtp", self.folder)
            self.twilio = Provider(parts, "twilio", self.folder)
            for name in self.store_names:
                self.stores[name] = STORES[name](self.folder)
                parts.callback(self.stores[name].close)
            self._parts = parts.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parts.close()

    def clear(self) -> None:
        """Between two measurements: nothing waits, and nothing is remembered."""
        self.broker.flushall()
        self.smtp.took.reset()
        self.twilio.took.reset()

    def run(self, name: str, *argv: str, **environment: str) -> Running:
        """Start `python …`; its log is `name`'s."""
        return Running(python(*argv), bare_environment(**environment), self.folder / f"{name}.log")

    @property
    def peer_environment(self) -> Mapping[str, str]:
        """What a peer needs to know."""
        return {"BROKER_URL": self.broker_url, "SMTP_HOST": LOOPBACK, "SMTP_PORT": str(self.smtp.port)}

    def _start_broker(self, parts: ExitStack) -> str:
        """The one that `roundsman up` starts, with its settings."""
        port = free_port()
        service = broker_service(Settings(_env_file=None, var_dir=self.folder, valkey_port=port))
        running = parts.enter_context(Running(service.argv, bare_environment(), self.folder / "broker.log"))
        running.until(lambda: listens(port))
        self.broker = parts.enter_context(redis.Redis(LOOPBACK, port))
        return f"redis://{LOOPBACK}:{port}/0"
