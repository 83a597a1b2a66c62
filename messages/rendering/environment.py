"""Jinja2 as templates here know it: sandboxed, strict about what is absent, and only HTML escaped."""

from collections.abc import MutableMapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateRuntimeError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from messages.rendering.filters import BlankText, filters_for, is_blank_text, is_defined

#: Stands for a key in square brackets: it may be a customer's data, and errors never show that.
HIDDEN_KEY = "[…]"

#: What Jinja asks any value it may call; an absent value must not seem to have them.
_JINJA_MARKS = frozenset({"unsafe_callable", "alters_data", "jinja_pass_arg"})


class AbsentValueError(UndefinedError):
    """A template used something that the Message does not have."""

    def __init__(self, owner: object, name: str, message: str | None = None) -> None:
        super().__init__(message)
        self.owner = owner  #: the object that lacks it; None where the name itself is unknown
        self.name = name  #: as the template wrote it, from `owner` on: `firstName`, `vehicle.year`, `[3]`


class Absent(StrictUndefined):
    """What a template gets for a name or a field that is not there.

    Its fields are absent too, so `lead.firstName | default('there')` works without any lead; every
    other use raises AbsentValueError. It has no public attributes: they would pass for such fields.
    """

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: object = missing,
        name: str | int | None = None,
        exc: type[TemplateRuntimeError] = UndefinedError,
    ) -> None:
        step = _step(name)
        super().__init__(hint, obj, step, exc)
        if exc is UndefinedError:
            owner = None if obj is missing else obj
            self._undefined_exception = partial(AbsentValueError, owner, step)  # type: ignore[assignment]

    def __getattr__(self, name: str) -> "Absent":
        if name[:2] == "__" or name in _JINJA_MARKS:
            raise AttributeError(name)
        return self._inside(f".{name}")

    def __getitem__(self, key: object) -> "Absent":  # type: ignore[override]
        return self._inside(_step(key if isinstance(key, int) else None))

    def _inside(self, step: str) -> "Absent":
        # What the sandbox forbade stays forbidden, however far the template goes on from there.
        forbids = isinstance(self._undefined_exception, type)
        exc = self._undefined_exception if forbids else UndefinedError
        return type(self)(obj=self._undefined_obj, name=f"{self._undefined_name}{step}", exc=exc)


def _step(name: object) -> str:
    return name if isinstance(name, str) else f"[{name}]" if isinstance(name, int) else HIDDEN_KEY


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """A dict's attributes are its fields, and nothing else; a field that is null is absent.

    Its globals are there before its first template is.
    """

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """A dict instead of Jinja's ChainMap, which is copied key by key into each context of each render."""
        return {**self.globals, **(d or {})}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`lead.firstName`: so a field may be called `items` or `values` without meeting dict's methods."""
        if not isinstance(obj, dict):
            if isinstance(obj, Absent) and attribute[0] != "_":  # the sandbox would take longer to say so
                return getattr(obj, attribute)
            return super().getattr(obj, attribute)
        return self._field(obj, attribute, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`lead['firstName']`, `lines[0]`."""
        if not isinstance(obj, dict):
            return super().getitem(obj, argument)
        return self._field(obj, argument, HIDDEN_KEY)

    def _field(self, obj: dict[Any, Any], key: Any, name: str) -> Any:
        value = obj.get(key)
        if value is None:
            return self.undefined(obj=obj, name=name)
        return BlankText(value, self.undefined(obj=obj, name=name)) if is_blank_text(value) else value


def environment_for(folder: Path, *, timezone: str, reload: bool = False) -> TemplateEnvironment:
    """Make the environment for the templates in `folder`. Raises SettingsError for an unknown `timezone`."""
    environment = TemplateEnvironment(
        loader=FileSystemLoader(folder),
        undefined=Absent,
        autoescape=_is_html,
        auto_reload=reload,
        cache_size=-1,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters_for(timezone))
    environment.tests["defined"] = is_defined
    environment.tests["undefined"] = lambda value: not is_defined(value)
    return environment


def _is_html(name: str | None) -> bool:
    return name is not None and name.endswith(".html")
