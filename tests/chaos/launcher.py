"""`python -m tests.chaos.launcher ORDERS LOGS`: starts what the runner asks for, out of one import.

    in:   {"name": "w1", "kind": "worker"}   {"name": "i1", "kind": "intake", "port": 8001}
          {"name": "broker", "kind": "program", "argv": ["…"]}   {"guard": ["…/postmaster.pid"]}
    out:  {"event": "ready"}   {"event": "started", "name": …, "pid": …}   {"event": "ended", …, "code": …}

A worker's imports cost seconds of a core: paid once and then forked, one that was killed is back in a moment.
When the runner goes away, however, everything here is killed: nothing is left running.
"""

import contextlib
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

#: Seconds by which a provider's time-out is exceeded before a hand-over counts as lost. Shorter than in
#: earnest, for leases are at least twice as long, and most faults cost one.
MARGIN = 1


class Launcher:
    """Forks, reaps, and tells."""

    def __init__(self, orders: Path, logs: Path) -> None:
        self._orders, self._logs = orders, logs
        self._running: dict[int, str] = {}
        self._guarded: list[Path] = []
        self._rest = b""

    def run(self) -> None:
        """Serve until standard input ends; then kill all."""
        waked, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._tell(event="ready")
        try:
            while self._serve(waked):
                self._reap()
        finally:
            self._kill_all()

    def _serve(self, waked: int) -> bool:
        """Wait for something to do, and do it. False at the end of the input."""
        ready, _, _ = select.select([0, waked], [], [])
        if waked in ready:
            os.read(waked, 4096)
        if 0 not in ready:
            return True
        if not (read := os.read(0, 65536)):
            return False
        *lines, self._rest = (self._rest + read).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "guard" in request:
                self._guarded = [Path(path) for path in request["guard"]]
            else:
                self._start(request)
        return True

    def _start(self, request: dict[str, Any]) -> None:
        if pid := os.fork():
            self._running[pid] = request["name"]
            self._tell(event="started", name=request["name"], pid=pid)
            return
        code = 1
        try:
            code = self._be(request)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:  # noqa: BLE001 - the log is all that is left of it
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _be(self, request: dict[str, Any]) -> int:
        """In the child: become what was asked for."""
        signal.set_wakeup_fd(-1)
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(name, signal.SIG_DFL)
        log = os.open(self._logs / f"{request['name']}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if request["kind"] == "program":
            os.execv(request["argv"][0], request["argv"])
        if request["kind"] == "worker":
            from tests.chaos.worker import run_worker

            return run_worker(request["name"], self._orders)
        from tests.chaos.intake import run_intake

        return run_intake(request["port"], self._orders)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                name = self._running.pop(pid, "?")
                self._tell(event="ended", name=name, pid=pid, code=os.waitstatus_to_exitcode(status))

    def _kill_all(self) -> None:
        for pid in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for path in self._guarded:  # a PostgreSQL that the runner did not come to stop
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(path.read_text().split()[0]), signal.SIGQUIT)

    def _tell(self, **event: Any) -> None:
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(event), flush=True)


def main() -> None:
    """Import all, then serve."""
    import messages.settings

    messages.settings.HAND_OVER_MARGIN = MARGIN
    messages.settings.Settings.model_config["env_file"] = None
    from tests.chaos import intake, worker  # noqa: F401 - paid here, once

    worker.app.loader.import_default_modules()
    worker.app.finalize()
    for name in ("celery.apps.worker", "celery.concurrency.thread", "kombu.transport.redis", "uvicorn"):
        __import__(name)
    Launcher(Path(sys.argv[1]), Path(sys.argv[2])).run()


if __name__ == "__main__":
    main()
