"""Rendering a template to find what the Message lacks: missing variables, and values that a filter refuses.

Nothing is made of the text. An object that the store may complete (a lead given by its id) is left out of
it: the parts are rendered once as if the object had nothing more, and once as if it had everything; only
findings of both runs count.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any

from jinja2.environment import Environment
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.runtime import Undefined

from messages.rendering.context import context_of
from messages.rendering.environment import Absent, AbsentValueError
from messages.rendering.failures import path_of, paths_of
from messages.rendering.filters import FilterError
from messages.wording import shown

#: More than this is not rendered: the worker says so.
_MAX_CHARACTERS = 2_000_000

#: No more of them are reported: a loop over a long list would repeat itself.
_MAX_FOUND = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the Message lacks. `field` is the Message's, None where it cannot be told."""

    part: str  #: `sms.txt`
    field: str | None
    reason: str  #: a sentence about the value; '' where there is none

    @property
    def is_missing(self) -> bool:
        """Whether the Message has no value there."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class Given:
    """A Message as its producer gave it."""

    message: dict[str, Any]  #: its fields, with ids in place of objects
    related: dict[str, Any]  #: the objects given inline: `lead`, `salesRep`, `agent`
    open: Sequence[str]  #: the objects of which the store may know more

    def as_json(self) -> dict[str, Any]:
        """Give the arguments, for another process."""
        return asdict(self)


Found = AbsentValueError | FilterError


class _Run(threading.local):
    """What the thread's run has found so far."""

    found: list[Found]


_run = _Run()


class Missing(Absent):
    """An absent value that is noted where it is shown; rendering goes on without it."""

    __slots__ = ()

    def __new__(cls, _: str | None = None, obj: object = None, *args: object, **options: object) -> Any:  # noqa: ARG004
        """Give what stands for the rest of the object, where the store may know more of it."""
        return obj.rest if isinstance(obj, _OpenObject) else super().__new__(cls)

    def __str__(self) -> str:  # type: ignore[override]  # StrictUndefined's never returns
        try:
            return super().__str__()
        except AbsentValueError as error:
            _run.found.append(error)
            return ""


class _MaybeAbsent(Undefined):
    """Stands for a value that only the store knows: here as if it were absent, but nothing fails."""

    __slots__ = ()

    def _self(self, *_: object, **__: object) -> "_MaybeAbsent":
        return self

    def __getattr__(self, name: str) -> "_MaybeAbsent":
        if name[:2] == "__":
            raise AttributeError(name)
        return self

    __getitem__ = __call__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _self  # type: ignore[assignment]
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _self  # type: ignore[assignment]
    __neg__ = __pos__ = __pow__ = __rpow__ = _self  # type: ignore[assignment]

    def _never(self, _: object) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = _never  # type: ignore[assignment]


class _MaybePresent(str):
    """Likewise, as if it were there: true, defined, and with every field."""

    __slots__ = ()

    def __getattr__(self, name: str) -> "_MaybePresent":
        if name[:2] == "__":
            raise AttributeError(name)
        return self

    def __getitem__(self, _: object) -> "_MaybePresent":
        return self

    def __bool__(self) -> bool:
        return True


class _OpenObject(dict[str, Any]):
    """An object of which the store may know more than the producer gave."""

    rest: object


def dry_environment(environment: Environment) -> Environment:
    """Make the environment for `findings` out of the one that renders."""
    dry = environment.overlay(undefined=Missing)
    own = {name: f for name, f in environment.filters.items() if name not in JINJA_FILTERS}
    dry.filters = {**environment.filters, **{name: _noting(function) for name, function in own.items()}}
    return dry


def _noting(function: Callable[..., object]) -> Callable[..., object]:
    @wraps(function)
    def noting(value: object, *args: object, **options: object) -> object:
        if isinstance(value, _MaybePresent | _MaybeAbsent):
            return value
        try:
            return function(value, *args, **options)
        except FilterError as error:
            _run.found.append(error)
            return ""

    return noting


def findings(
    environment: Environment, template: str, parts: Mapping[str, Collection[str]], given: Given
) -> list[Finding]:
    """Render `parts` of `template` in an environment by `dry_environment`; the findings, in order.

    `parts` maps each part to the attribute names in its source. An error of any other kind ends a part's
    run: it is for the worker to report.
    """
    without = _found(environment, template, parts, _context(given, _MaybeAbsent()))
    if not without or not given.open:
        return without
    with_all = set(_found(environment, template, parts, _context(given, _MaybePresent("x"))))
    return [finding for finding in without if finding in with_all]


def _found(
    environment: Environment,
    template: str,
    parts: Mapping[str, Collection[str]],
    context: Mapping[str, Any],
) -> list[Finding]:
    found: list[Finding] = []
    for part, written in parts.items():
        errors = _errors(environment, f"{template}/{part}", context)
        found += list(dict.fromkeys(_finding(error, part, context, written) for error in errors))[:_MAX_FOUND]
    return found


def _context(given: Given, rest: object) -> dict[str, Any]:
    related: dict[str, Any] = dict(given.related)
    for name in given.open:
        if name in related:
            related[name] = whole = _OpenObject(related[name])
            whole.rest = rest
        else:
            related[name] = rest
    # The name of the dealership is a global of the environment.
    context = context_of(given.message, related, dealership="")
    del context["dealership"]
    return context


def _errors(environment: Environment, name: str, context: Mapping[str, Any]) -> list[Found]:
    _run.found, length = [], 0
    try:
        for chunk in environment.get_template(name).generate(context):
            length += len(chunk)
            if length > _MAX_CHARACTERS or len(_run.found) > 2 * _MAX_FOUND:
                break
    except (AbsentValueError, FilterError) as error:
        _run.found.append(error)
    except Exception:  # noqa: BLE001, S110 - the template's own mistake, or the limit of the worker: told there
        pass
    found, _run.found = _run.found, []
    return found


def _finding(error: Found, part: str, context: Mapping[str, Any], written: Collection[str]) -> Finding:
    if isinstance(error, FilterError):
        field = _field(next(iter(_likely(paths_of(error.value, context), written)), None))
        return Finding(
            part,
            field,
            f"{shown(error.value)} is wrong: the template's filter {error.filter} takes {error.takes}",
        )
    return Finding(part, _field(path_of(error, context)), "")


def _likely(paths: Sequence[str], written: Collection[str]) -> list[str]:
    """The paths whose last name is written in the template come first: small numbers are one object."""
    return sorted(paths, key=lambda path: path.rpartition(".")[2].partition("[")[0] not in written)


def _field(path: str | None) -> str | None:
    """`message.vehicle.price` → `vehicle.price`: as the producer spells it."""
    if path is None:
        return None
    root, dot, rest = path.partition(".")
    if root == "message" and dot:
        return rest
    return path.replace("sales_rep", "salesRep", 1) if root == "sales_rep" else path
