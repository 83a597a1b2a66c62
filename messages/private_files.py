"""VAR_DIR is for the user that runs Roundsman alone: it holds addresses, texts and passwords."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: What Roundsman and its embedded broker keep in VAR_DIR. Anything else there is somebody else's.
_FILES = ("roundsman.db*", "*.lock", "migrated", "broker.url")
_FOLDERS = ("log", "valkey", "previews")


def make_private_folder(folder: Path) -> None:
    """Make VAR_DIR, or take away what it and its files allow to others. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not folder.stat().st_mode & stat.S_ISVTX:  # one that all users share, such as /tmp, is not ours
        _restrict(folder)
    for path in _contents(folder):
        _restrict(path)


def _contents(folder: Path) -> Iterator[Path]:
    for pattern in _FILES:
        yield from folder.glob(pattern)
    for name in _FOLDERS:
        yield folder / name
        yield from (folder / name).rglob("*")


def _restrict(path: Path) -> None:
    with suppress(FileNotFoundError):  # it ended meanwhile
        status = path.lstat()
        is_ours = status.st_uid == os.geteuid() and not stat.S_ISLNK(status.st_mode)
        if is_ours and status.st_mode & 0o077:
            path.chmod(stat.S_IMODE(status.st_mode) & 0o700)
