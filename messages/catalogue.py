"""Which templates there are: `templates/<templateType>/<template>/{sms.txt,subject.txt,body.txt,body.html}`.

Reads folder and file names, and each type's `type.json`; what is in the parts is the renderer's business.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path

from messages.delivery import Channel
from messages.type_rules import TYPE_FILE, read_rules
from messages.wording import shown


class Part(StrEnum):
    """The files that make a template."""

    SMS = "sms.txt"
    SUBJECT = "subject.txt"
    TEXT = "body.txt"
    HTML = "body.html"


@dataclass(frozen=True, slots=True)
class Template:
    """One template: its name (`type/name`) and the parts it has."""

    type: str
    name: str
    parts: frozenset[Part]
    expires_after: int | None = None  #: seconds; from then on a Message of this type is not worth sending

    @property
    def path(self) -> str:
        """`type/name`: how a template is named everywhere."""
        return f"{self.type}/{self.name}"

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels this template can be sent on."""
        sms = {Channel.SMS} if Part.SMS in self.parts else set()
        email = {Channel.EMAIL} if self.parts & {Part.TEXT, Part.HTML} else set()
        return frozenset(sms | email)


#: The template of a Message that names none: its `text` in a clean layout.
PLAIN = "plain/default"

#: So much of an unknown name is repeated in the error, in characters.
_SHOWN = 60


class UnknownTemplate(ValueError):
    """No such template. `field` is the API field that named it."""

    def __init__(self, field: str, reason: str) -> None:
        self.field, self.reason = field, reason
        super().__init__(reason)


class Catalogue:
    """The templates found under a folder, by name."""

    def __init__(self, templates: list[Template]) -> None:
        self._by_path = {template.path: template for template in templates}

    @classmethod
    def read(cls, folder: Path) -> "Catalogue":
        """Look through `folder`; names that begin with `_` or `.` are layouts and are passed over.

        Raises SettingsError for a `type.json` that is wrong.
        """
        found = [template for kind in type_folders(folder) for template in _templates(kind)]
        return cls([template for template in found if template.parts])

    def all(self) -> list[Template]:
        """Every template, by path."""
        return [self._by_path[path] for path in sorted(self._by_path)]

    def find(self, template_type: str | None, name: str | None) -> Template:
        """The template that a Message's `templateType` and `template` mean. Raises UnknownTemplate.

        Both: that one (the name may be given as `type/name`). The type alone: its `default`.
        The name alone: the one of that name, `type/name`, or a type with its `default`.
        Neither: the plain layout around `text`.
        """
        if name and not template_type:
            return self._by_name(name)
        if template_type and not any(t.type == template_type for t in self._by_path.values()):
            types = sorted({t.type for t in self._by_path.values()})
            raise UnknownTemplate("templateType", _unknown("template type", template_type, types))
        path = _path(template_type, name) if template_type else PLAIN
        if path not in self._by_path:
            raise UnknownTemplate("template", _unknown("template", path, sorted(self._by_path)))
        return self._by_path[path]

    def _by_name(self, name: str) -> Template:
        path = name if name in self._by_path else f"{name}/default"
        matches = [template for template in self.all() if template.name == name]
        if len(matches) == 1 and path not in self._by_path:
            return matches[0]
        if path in self._by_path:
            return self._by_path[path]
        if matches:
            paths = ", ".join(template.path for template in matches)
            raise UnknownTemplate("template", f"{name!r} is the name of several: say which of {paths}")
        raise UnknownTemplate("template", _unknown("template", name, sorted(self._by_path)))


def _path(template_type: str, name: str | None) -> str:
    if name and name.startswith(f"{template_type}/"):
        return name
    return f"{template_type}/{name or 'default'}"


def type_folders(folder: Path) -> list[Path]:
    """The folders of the template types."""
    return _folders(folder)


def _templates(kind: Path) -> list[Template]:
    rules = read_rules(kind / TYPE_FILE)
    return [
        Template(
            kind.name,
            entry.name,
            frozenset(p for p in Part if (entry / p).is_file()),
            expires_after=rules.expires_after,
        )
        for entry in _folders(kind)
    ]


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [f for f in sorted(folder.iterdir()) if f.is_dir() and f.name[0] not in "_."]


def _unknown(what: str, value: str, known: list[str]) -> str:
    close = get_close_matches(value[:100], known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(known) or 'none'}"
    return f"{shown(value)} is no {what} here; {hint}"
