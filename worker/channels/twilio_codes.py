"""TWILIO_ERRORS_FILE: what Twilio's codes are to mean where that is not what `twilio_errors.CODES` says.

    {"30003": {"kind": "retryable"},
     "21999": {"kind": "permanent", "sentence": "The number was ported away", "optedOut": false}}

Of a code in our own table, what is left out stays as it is there.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from messages.errors import SettingsError
from messages.outcomes import FailureKind
from messages.wording import kind_of, shown
from worker.channels.twilio_errors import CODES, Meaning

_MEMBERS = ("kind", "sentence", "optedOut")


def read_codes(path: Path | None) -> Mapping[int, Meaning]:
    """The meanings that the file at `path` gives; none without a file. Raises SettingsError, in one line."""
    if path is None:
        return {}
    try:
        given = _object(json.loads(path.read_text("utf-8")))
        return dict(_entry(code, entry) for code, entry in given.items())
    except OSError as error:
        raise SettingsError(f"TWILIO_ERRORS_FILE: {path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # not JSON, or not UTF-8, or ours
        raise SettingsError(f"TWILIO_ERRORS_FILE: {path}: {error}") from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"it is {kind_of(value)}, not an object")  # noqa: TRY004 - one kind for all
    return value


def _entry(code: str, entry: Any) -> tuple[int, Meaning]:
    if not (code.isascii() and code.isdigit() and len(code) == len("21211")):
        raise ValueError(f"{shown(code)} is no code of Twilio; they have five digits")
    try:
        return int(code), _meaning(entry, CODES.get(int(code)))
    except ValueError as error:
        raise ValueError(f"code {code}: {error}") from None


def _meaning(entry: Any, known: Meaning | None) -> Meaning:
    for name in _object(entry).keys() - set(_MEMBERS):
        raise ValueError(f"{shown(name)} is not known here; there are {', '.join(_MEMBERS)}")
    ours = {"kind": known.kind, "sentence": known.sentence, "optedOut": known.opted_out} if known else {}
    full = {"optedOut": False} | ours | entry
    for name in _MEMBERS:
        if name not in full:
            raise ValueError(f"{name} is missing, and this code is not in our own table")
    return Meaning(_kind(full["kind"]), _sentence(full["sentence"]), _truth(full["optedOut"]))


def _kind(value: Any) -> FailureKind:
    if not isinstance(value, str) or value not in set(FailureKind):
        raise ValueError(f"kind is {shown(value)}; it must be one of {', '.join(FailureKind)}")
    return FailureKind(value)


def _sentence(value: Any) -> str:
    if not isinstance(value, str) or not value.strip(" .") or not value.isprintable():
        raise ValueError(f"sentence is {shown(value)}; it must be a line of text for people")
    return value.strip(" .")


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"optedOut is {shown(value)}; it must be true or false")  # noqa: TRY004
    return value
