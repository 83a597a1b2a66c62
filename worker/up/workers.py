"""`python -m worker.up.workers N PORT…`: N worker processes out of one import, started again when they die.

What a worker imports costs two seconds of a core. Paid once and then forked, a machine of two cores starts
in half the time, and a worker that died is back in half a second. `celery -A worker worker` is the same
worker without the others.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from worker.up.child import STEADY_SECONDS, ending, restart_delay

_ADDRESSES = (
    "celery.apps.worker",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "kombu.transport.redis",
)


class Workers:
    """Forks workers `w1@host` … `wN@host` and keeps them; `run` returns once SIGTERM has ended them all."""

    def __init__(self, app: Any, count: int) -> None:
        self._app = app
        self._due = dict.fromkeys(range(1, count + 1), 0.0)  #: when to start those that do not run
        self._running: dict[int, int] = {}  #: number by process id
        self._began: dict[int, float] = {}
        self._failures = dict.fromkeys(self._due, 0)
        self._stopping = False

    def run(self) -> None:
        """Keep them until SIGTERM; what a forked worker returns ends that process."""
        waked, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while self._running or not self._stopping:
            for number in (
                [] if self._stopping else [n for n, due in self._due.items() if due <= time.monotonic()]
            ):
                self._fork(number)
            pause = min(self._due.values(), default=time.monotonic() + 60) - time.monotonic()
            if select.select([waked], [], [], max(pause, 0))[0]:
                os.read(waked, 4096)
            self._reap()

    def _fork(self, number: int) -> None:
        del self._due[number]
        self._began[number] = time.monotonic()
        if pid := os.fork():
            self._running[pid] = number
            return
        signal.set_wakeup_fd(-1)
        for name in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(name, signal.SIG_DFL)
        sys.exit(work(self._app, f"w{number}@{socket.gethostname()}"))

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if (number := self._running.pop(pid, None)) and not self._stopping:
                    self._start_again(number, os.waitstatus_to_exitcode(status))

    def _start_again(self, number: int, code: int) -> None:
        steady = time.monotonic() - self._began[number] > STEADY_SECONDS
        self._failures[number] = 1 if steady else self._failures[number] + 1
        delay = restart_delay(self._failures[number])
        print(f"WARNING: w{number} {ending(code)}; starting it again in {delay:g} s", flush=True)  # noqa: T201
        self._due[number] = time.monotonic() + delay

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for pid in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def wait_for(port: int) -> None:
    """Return once somebody listens on a port of this machine: the sandbox, which starts meanwhile."""
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)


def work(app: Any, node: str) -> int:
    """Be a worker until it is told to stop; its exit code."""
    # Neither mingle nor gossip: they cost a second of waiting, and nobody here asks what they tell.
    worker = app.Worker(
        hostname=node, loglevel=app.settings.log_level, without_mingle=True, without_gossip=True
    )
    worker.start()
    return int(worker.exitcode or 0)


def main() -> None:
    """Import, then fork."""
    from importlib import import_module  # noqa: PLC0415

    from worker.celery import app  # noqa: PLC0415 - `up` itself must not pay for it

    for name in _ADDRESSES:
        import_module(name)
    app.loader.import_default_modules()
    app.finalize()
    count, *ports = map(int, sys.argv[1:])
    for port in ports:
        wait_for(port)
    Workers(app, count).run()


if __name__ == "__main__":
    main()
