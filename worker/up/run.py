"""`roundsman up` from its first check to its last stopped process."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from messages.database_tls import warning_of
from messages.settings import Settings
from worker.up import checks
from worker.up.lock import Lock
from worker.up.process import Guard
from worker.up.screen import Screen, failed, show_running
from worker.up.service import Service, StartError
from worker.up.services import Providers, providers, reachable, services
from worker.up.supervisor import Supervisor

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Whoever asks again so soon is no second person in a hurry: a SIGTERM to all of `make up` comes from its
#: sender and from make, which passes it on.
ONE_REQUEST_SECONDS = 0.5


def up(settings: Settings, *, verbose: bool = False) -> int:
    """Run everything until SIGINT, SIGTERM or SIGHUP. Returns the exit code: 1 when it could not start."""
    os.umask(0o077)  # for everything it starts, too: the embedded broker's files follow it
    try:
        return asyncio.run(run_up(settings, verbose=verbose))
    except KeyboardInterrupt:  # before we listened for it: nothing was started yet
        return 130


async def run_up(settings: Settings, *, verbose: bool = False) -> int:
    """What `up` does, in a running event loop."""
    began = time.monotonic()
    screen = Screen()
    try:
        checks.check_folder(settings.var_dir)
        with Lock(settings.var_dir, f"http://{reachable(settings.host)}:{settings.port}", screen) as lock:
            chosen = providers(settings)
            table = _checked_services(settings, chosen)
            screen.title("Starting Roundsman")
            if warning := warning_of(settings.database):
                screen.say(f"Warning: {warning}")
            guard = await Guard.start(lock.inheritable)
            try:
                supervisor = Supervisor(
                    table, logs=_log_folder(settings), screen=screen, guard=guard, verbose=verbose
                )
                await _run(supervisor, screen, lambda: show_running(screen, settings, chosen, began))
            finally:
                await guard.dismiss()
    except StartError as error:
        failed(str(error))
        return 1
    return 0


def _checked_services(settings: Settings, chosen: Providers) -> list[Service]:
    table = services(settings, chosen)
    checks.check_ports(table)
    checks.check_files(settings)
    checks.check_database(settings)
    if settings.broker_url:
        checks.check_broker(settings.broker_url, ca_file=settings.broker_ca_file)
    return table


def _log_folder(settings: Settings) -> Path:
    folder = settings.var_dir / "log"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


async def _run(supervisor: Supervisor, screen: Screen, announce: Callable[[], None]) -> None:
    asked = asyncio.Event()
    with _signals_handled(asked, supervisor, screen):
        stop = asyncio.create_task(asked.wait())
        start = asyncio.create_task(supervisor.start())
        try:
            await asyncio.wait({stop, start}, return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                start.result()
                announce()
                await stop
        finally:
            for task in (start, stop):
                task.cancel()
            await asyncio.gather(start, stop, return_exceptions=True)
            await supervisor.stop()
            if asked.is_set():
                screen.say("Roundsman has stopped.")


@contextlib.contextmanager
def _signals_handled(asked: asyncio.Event, supervisor: Supervisor, screen: Screen) -> Iterator[None]:
    first = 0.0

    def on_signal() -> None:
        nonlocal first
        if not asked.is_set():
            first = time.monotonic()
            asked.set()
            screen.say("\nStopping … (Ctrl-C again to hurry)")
        elif time.monotonic() - first > ONE_REQUEST_SECONDS:
            screen.say("Killing what is left …")
            supervisor.kill()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
