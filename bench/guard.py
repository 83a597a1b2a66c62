"""When the runner itself is killed, what it started is stopped all the same, by the guard of `up`."""

import subprocess
from types import TracebackType

from bench.processes import python
from worker.up import guard


class Guard:
    """A context manager. Everything that runs was started in a process group of its own."""

    def __enter__(self) -> "Guard":
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            python("-I", "-S", guard.__file__), stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tell("done")
        self._process.communicate()

    def watch(self, group: int) -> None:
        """Stop this one, too."""
        self._tell(f"+ 1 {group}")

    def forget(self, group: int) -> None:
        """It has ended; its number may soon be somebody else's."""
        self._tell(f"- {group}")

    def _tell(self, line: str) -> None:
        if self._process.stdin:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
