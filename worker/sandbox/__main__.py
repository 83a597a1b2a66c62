"""`python -m worker.sandbox`: run the sandbox until SIGTERM or Ctrl-C."""

import sys

from messages.errors import SettingsError
from messages.settings import load_settings
from worker.sandbox.server import run


def main() -> int:
    """Run it; the exit code. What is wrong is one line on stderr."""
    try:
        run(load_settings())
    except SettingsError as error:
        print(f"roundsman sandbox: {error}", file=sys.stderr)  # noqa: T201 (a command's own output)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
