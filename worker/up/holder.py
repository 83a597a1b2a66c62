"""Who holds a port: asked of Linux's /proc, elsewhere of `lsof`. Best effort, for a message only."""

import contextlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

#: What only the command lines of our own services have in them.
_OURS = (
    "intake.app:app",
    "worker.sandbox",
    "celery -A worker ",
    "worker.up.",
    "celery flower ",
    "var/valkey",
)
_LISTENING = "0A"
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens on a port."""

    pid: int
    command: str

    @property
    def is_roundsman(self) -> bool:
        """Whether it looks like one of our services."""
        return any(mark in self.command for mark in _OURS)

    def __str__(self) -> str:
        command = self.command if len(self.command) <= _SHOWN else f"{self.command[:_SHOWN]}…"
        return f"process {self.pid} ({command})"


def holder_of(port: int) -> Holder | None:
    """The process that listens on TCP `port` of this machine, if that can be told."""
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        pid = _from_proc(port) if Path("/proc/net/tcp").exists() else _from_lsof(port)
        return Holder(pid, _command(pid)) if pid else None
    return None


def _from_proc(port: int) -> int | None:
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in Path("/proc").glob("[0-9]*") if sockets else ():
        with contextlib.suppress(OSError):  # it is none, it ended meanwhile, or is somebody else's
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(descriptor.readlink()) in sockets:
                        return int(process.name)
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            # sl, local address:port, remote, state, queues, timers, retransmits, uid, timeout, inode
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes


def _from_lsof(port: int) -> int | None:
    if lsof := shutil.which("lsof"):
        found = _run(lsof, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-t").split()
        return int(found[0]) if found else None
    return None


def _command(pid: int) -> str:
    proc = Path(f"/proc/{pid}/cmdline")
    if proc.exists():
        return proc.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return _run("ps", "-o", "command=", "-p", str(pid)).strip()


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=2, check=False).stdout  # noqa: S603
