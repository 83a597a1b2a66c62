"""`broker.url` in VAR_DIR: the URL of the embedded broker, with its password, for this user alone."""

import os
from pathlib import Path

from messages.errors import SettingsError

NAME = "broker.url"


def read_broker_url(folder: Path) -> str | None:
    """Return the URL that `roundsman up` wrote; None where it never ran. Raises SettingsError."""
    path = folder / NAME
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read ({error.strerror}): run this as the user that runs `roundsman up`, "
            "or set BROKER_URL"
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} does not hold a URL: delete it and start `roundsman up` again") from None


def write_private(path: Path, text: str) -> None:
    """Replace the file at once; only this user can read it, whatever it was before."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, not a path
        file.write(text)
    fresh.replace(path)
