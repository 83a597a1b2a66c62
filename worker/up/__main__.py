"""`python -m worker.up [--verbose]`."""

import sys

from messages.errors import SettingsError
from messages.settings import load_settings
from worker.up.run import up

if __name__ == "__main__":
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"roundsman: {error}")
    sys.exit(up(settings, verbose="--verbose" in sys.argv[1:]))
