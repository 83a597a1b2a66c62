"""`python -m worker.up.migrate`: bring the store to the present schema; what is wrong is one line.

Costs two seconds of a core even when there is nothing to do. So for a SQLite store it leaves a note of what
it saw afterwards, and while a look at the file and at the steps gives the same again, `up` leaves it out.
"""

import contextlib
import hashlib
import sqlite3
import sys
from pathlib import Path

from messages.broker_file import write_private
from messages.errors import RoundsmanError
from messages.settings import PROJECT_ROOT, Settings, load_settings

_STEPS = PROJECT_ROOT / "messages" / "store" / "migrations" / "versions"


def is_migrated(settings: Settings) -> bool:
    """Whether the store is surely as the last migration left it. In doubt it is not."""
    seen = _fingerprint(settings)
    try:
        return seen is not None and _note(settings).read_text(encoding="utf-8") == seen
    except OSError:
        return False


def _note(settings: Settings) -> Path:
    return settings.var_dir / "migrated"


def _fingerprint(settings: Settings) -> str | None:
    """The steps there are, the file, and SQLite's own count of the changes to its schema."""
    path = Path(settings.database.removeprefix("sqlite:///").partition("?")[0]).resolve()
    if not settings.database.startswith("sqlite:") or not path.is_file():
        return None
    steps = hashlib.sha256()
    for step in sorted(_STEPS.glob("*.py")):
        steps.update(step.name.encode() + b"\0" + step.read_bytes() + b"\0")
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=2)) as connection:
            (changes,) = connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error:
        return None
    return f"{path} {changes} {steps.hexdigest()}\n"


def _what(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), "")
    return first if isinstance(error, RoundsmanError) else f"the store cannot be migrated: {first}"


def main() -> int:
    """Migrate; the exit code."""
    from messages.store.migrating import migrate  # noqa: PLC0415 - `up` asks `is_migrated` without its cost

    settings = load_settings()
    try:
        migrate(settings.database)
    except Exception as error:  # noqa: BLE001 - whatever it is, `up` shows one line; `roundsman migrate` shows all
        print(f"{_what(error)} (`roundsman migrate` says more)")  # noqa: T201 - a command's own output
        return 1
    if seen := _fingerprint(settings):
        write_private(_note(settings), seen)
    return 0


if __name__ == "__main__":
    sys.exit(main())
