"""What holds for all templates of a type: `templates/<templateType>/type.json`, if it is there."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messages.durations import to_seconds
from messages.errors import SettingsError
from messages.wording import kind_of, shown

TYPE_FILE = "type.json"

_EXPIRES_AFTER = "expiresAfter"


@dataclass(frozen=True, slots=True)
class TypeRules:
    """`{"expiresAfter": "2h"}`: how long after it was due a Message is not worth sending."""

    expires_after: int | None = None  #: seconds


def read_rules(path: Path) -> TypeRules:
    """The rules in the file at `path`; without it, none. Raises SettingsError, which names both."""
    try:
        rules = json.loads(path.read_text("utf-8"))
        return _rules(rules)
    except FileNotFoundError:
        return TypeRules()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # not JSON, or not UTF-8, or ours
        raise SettingsError(f"{path}: {error}") from None


def _rules(given: Any) -> TypeRules:
    if not isinstance(given, dict):
        raise ValueError(f"it holds {kind_of(given)}, not an object")  # noqa: TRY004 - one kind for all
    for name in given.keys() - {_EXPIRES_AFTER}:
        raise ValueError(f"{shown(name)} is not known here; there is {_EXPIRES_AFTER}")
    value = given.get(_EXPIRES_AFTER)
    if value is None:
        return TypeRules()
    if not isinstance(value, str):
        raise ValueError(f'{_EXPIRES_AFTER} is {shown(value)}; write it like "90s", "30m", "2h" or "7d"')  # noqa: TRY004
    try:
        return TypeRules(expires_after=to_seconds(value))
    except ValueError as error:
        raise ValueError(f"{_EXPIRES_AFTER}: {error}") from None
