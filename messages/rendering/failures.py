"""Whatever a template raises, as one TemplateError: where, what and which variable, and never a value.

The text of an arbitrary exception may quote a customer's data, so only texts that cannot are used.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from traceback import walk_tb
from typing import Any

from jinja2 import TemplateNotFound, TemplateSyntaxError
from jinja2.exceptions import SecurityError

from messages.errors import TemplateError
from messages.rendering.environment import AbsentValueError
from messages.rendering.filters import FilterError

#: How deep in the Message an object is looked for, to say what it is called.
_MAX_DEPTH = 6

_SENTENCES: dict[type[BaseException], str] = {
    SecurityError: "the sandbox forbids this: a template may not reach into Python",
    RecursionError: "it includes, extends or calls itself without end",
    ZeroDivisionError: "it divides by zero",
    OverflowError: "a number or a range is too large (a range has at most 100,000 steps)",
    MemoryError: "it needs more memory than one Message may take",
    TypeError: "an expression uses a value of the wrong type (TypeError)",
    UnicodeDecodeError: "the file is not UTF-8",
}


class TooLongError(Exception):
    """A template makes more than any message may hold. The text is a sentence with the limit."""


def template_error(
    error: Exception, rendered: str, context: Mapping[str, Any], folder: Path
) -> TemplateError:
    """Say what `error` means for the file `rendered` (`type/name/part`), or for a layout it uses."""
    if isinstance(error, TemplateSyntaxError):
        return TemplateError(
            error.message or "syntax error", template=error.name or rendered, line=error.lineno
        )
    where, line = _place(error, folder) or (rendered, None)
    reason, variable = _reason(error, folder / where, context)
    if where != rendered:
        reason += f" (while rendering {rendered})"
    return TemplateError(reason, template=where, line=line, variable=variable)


def _place(error: Exception, folder: Path) -> tuple[str, int] | None:
    """Find the innermost template file and line that the exception came through."""
    found = None
    for frame, line in walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(folder):
            found = path.relative_to(folder).as_posix(), line
    return found


def _reason(error: Exception, source: Path, context: Mapping[str, Any]) -> tuple[str, str | None]:
    if isinstance(error, AbsentValueError):
        variable = path_of(error, context)
        return f"{variable} is undefined: the Message does not have it, and there is no default", variable
    if isinstance(error, FilterError):
        named = _only(paths_of(error.value, context))
        return f"{error} ({named})" if named else str(error), named
    if isinstance(error, TooLongError):
        return str(error), None
    if isinstance(error, TemplateNotFound):
        return _not_found(error, source), None
    known = (sentence for kind, sentence in _SENTENCES.items() if isinstance(error, kind))
    return next(known, f"an expression fails with {type(error).__name__}"), None


def _not_found(error: TemplateNotFound, source: Path) -> str:
    name = str(error.name)
    # A name that is not in the file itself was put together from data.
    literal = source.is_file() and name in source.read_text("utf-8", "replace")
    return f"it extends or includes {name if literal else 'a file'!r}, which does not exist"


def path_of(absent: AbsentValueError, context: Mapping[str, Any]) -> str:
    """Give the variable's whole name, by looking for the object that lacks it, which knows no name."""
    if absent.owner is None:
        return absent.name
    owner = next((path for path, value in _walk(context) if value is absent.owner), None)
    if owner is None:
        return absent.name
    return owner + (absent.name if absent.name.startswith("[") else f".{absent.name}")


def paths_of(value: object, context: Mapping[str, Any]) -> list[str]:
    """Give the paths at which `value` itself stands in the context; none where an expression made it."""
    return [
        path
        for path, owner in [("", context), *_walk(context)]
        for path, inner in _inside(path, owner)
        if inner is value
    ]


def _only(paths: list[str]) -> str | None:
    """Give the nearest path, unless the value has several names: small numbers are one object in Python."""
    names = {path.rpartition(".")[2] for path in paths}
    return paths[0] if len(names) == 1 else None


def _walk(context: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the objects and lists in the context with their paths, the nearest first."""
    level: list[tuple[str, Any]] = list(context.items())
    for _ in range(_MAX_DEPTH):
        level = [(path, value) for path, value in level if isinstance(value, dict | list)]
        yield from level
        level = [item for path, value in level for item in _inside(path, value)]


def _inside(path: str, value: Mapping[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return ((f"{path}.{key}" if path else key, inner) for key, inner in value.items())
    return ((f"{path}[{index}]", inner) for index, inner in enumerate(value))
