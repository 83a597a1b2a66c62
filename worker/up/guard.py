"""What is left when `roundsman up` itself is killed with `kill -9`: a process that stops its children.

It reads `+ STAGE PGID` and `- PGID` lines from a pipe whose other end `up` holds. When the pipe ends without
`done`, nobody is left to look after the process groups named so far, and they are stopped, stage by stage.
A pipe, and not PR_SET_PDEATHSIG, because it works on macOS too and still stops the broker last.

Run as a file with `python -I -S`, standard library only, so that it costs ten milliseconds to start.
"""

import contextlib
import os
import signal
import sys
import time

STAGE_SECONDS = 4.0  #: how long a stage may take to end by itself
_POLL_SECONDS = 0.05


def main() -> None:
    """Watch the pipe on standard input until it ends."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    groups: dict[int, int] = {}
    for line in sys.stdin:
        match line.split():
            case ["+", stage, group]:
                groups[int(group)] = int(stage)
            case ["-", group]:
                groups.pop(int(group), None)
            case ["done"]:
                return
    for stage_number in sorted(set(groups.values())):
        stop_groups([group for group, stage in groups.items() if stage == stage_number])


def stop_groups(groups: list[int]) -> None:
    """SIGTERM to each process group, SIGKILL to those that are still there after STAGE_SECONDS."""
    for group in groups:
        signal_group(group, signal.SIGTERM)
    deadline = time.monotonic() + STAGE_SECONDS
    while any(group_exists(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    for group in groups:
        signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: int) -> None:
    """Send a signal to a process group that may be gone."""
    # macOS answers EPERM, not ESRCH, for a group of which only zombies are left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def group_exists(group: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
