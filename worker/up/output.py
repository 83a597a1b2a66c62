"""What services print: every line into `var/log/<service>.log`, what matters onto the terminal."""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path

_LOG_BYTES = 5_000_000
#: What stands before the text of a log line: `[2026-01-31 12:00:00,123: ERROR/MainProcess] `, `ERROR:    `,
#: `[E 260131 12:00:00 web:1] `.
_PREFIX = re.compile(
    r"^\s*(?:\[[^\]]*\b(?P<a>DEBUG|INFO|WARNING|ERROR|CRITICAL)\b[^\]]*\]"
    r"|(?:[-\d:.,TZ+]+\s+)*(?P<b>DEBUG|INFO|WARNING|ERROR|CRITICAL)\b:?"
    r"|\[(?P<c>[DIWEC]) \d{6} [^\]]*\])\s*"
)
_LETTERS = {"D": "DEBUG", "I": "INFO", "W": "WARNING", "E": "ERROR", "C": "CRITICAL"}
_TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True)
class Line:
    """One line for the terminal."""

    level: int  #: as in `logging`
    text: str


class LogFile:
    """`var/log/<service>.log`. The one of the start before is kept as `.log.1`; neither grows beyond 5 MB."""

    def __init__(self, folder: Path, service: str) -> None:
        self.path = folder / f"{service}.log"
        self._handler = RotatingFileHandler(
            self.path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8", errors="replace"
        )
        if self.path.stat().st_size:
            self._handler.doRollover()

    def write(self, text: str) -> None:
        """Append a line."""
        self._handler.emit(logging.makeLogRecord({"msg": text}))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


class Lines:
    """Bytes as they come from a pipe, cut into lines; a line of more than 64 KB is cut too."""

    _LONGEST = 65_536

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` completes; with no data at all (the end), what is left."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (not data or len(self._rest) > self._LONGEST):
            whole, self._rest = [*whole, self._rest], b""
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")


class Reader:
    """Says of each line how serious it is. Of a traceback only the last line, the error itself, is."""

    def __init__(self) -> None:
        self._in_traceback = False

    def read(self, line: str) -> Line:
        """The line's level, and its text without time stamps and the like."""
        if line.lstrip().startswith(_TRACEBACK):
            self._in_traceback = True
            return Line(logging.DEBUG, line)
        if self._in_traceback:
            if not line.strip() or line.startswith((" ", "\t", "+", "|")):
                return Line(logging.DEBUG, line)
            self._in_traceback = False
            return Line(logging.ERROR, line)
        return _from_json(line) or _from_text(line)


def _from_json(line: str) -> Line | None:
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    level = str(record.get("level") or record.get("levelname") or "INFO").upper()
    text = str(record.get("message") or record.get("event") or record.get("msg") or line)
    if error := record.get("exception") or record.get("exc_info") or record.get("error"):
        text = f"{text}: {str(error).strip().splitlines()[-1]}"
    return Line(_number(level), text)


def _from_text(line: str) -> Line:
    match = _PREFIX.match(line)
    if match is None:
        return Line(logging.INFO, line)
    letter = match["c"]
    return Line(_number(match["a"] or match["b"] or _LETTERS[letter]), line[match.end() :])


def _number(level: str) -> int:
    return logging.getLevelNamesMapping().get(level, logging.INFO)
