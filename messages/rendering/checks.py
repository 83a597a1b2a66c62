"""Everything that can be wrong with a folder of templates, before any Message meets it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from messages.catalogue import Catalogue, Part, Template, type_folders
from messages.delivery import Channel
from messages.errors import SettingsError, TemplateError
from messages.rendering.environment import environment_for
from messages.rendering.preview import EXAMPLE, example_file, preview, read_message
from messages.rendering.renderer import Renderer
from messages.rendering.sources import findings
from messages.segments import outside_gsm7, segments_of
from messages.type_rules import TYPE_FILE, read_rules

_PARTS = frozenset(part.value for part in Part)


class Severity(StrEnum):
    """An ERROR fails Messages; a WARNING costs money or hides a mistake."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong. `template` is `type/name`, or the folder of a layout; `part` a file in it."""

    template: str
    part: str | None
    line: int | None
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        where = f"{self.template}/{self.part}" if self.part else self.template
        return f"{where}, line {self.line}: {self.message}" if self.line else f"{where}: {self.message}"


def check(folder: Path, *, dealership: str = "Your dealership", timezone: str = "UTC") -> list[Problem]:
    """Check the templates in `folder`: their files, their source, and what each makes of its example.

    Raises SettingsError when there is no such `timezone`.
    """
    if wrong := list(_rules(folder)):
        return wrong  # with these, neither intake nor a worker starts
    catalogue = Catalogue.read(folder)
    if not catalogue.all():
        return [Problem(str(folder), None, None, "there are no templates in this folder")]
    environment = environment_for(folder, timezone=timezone)
    static = [_problem(f.file, f.line, f.message) for f in findings(environment, folder)]
    problems = [*_files(folder), *_defaults(catalogue), *static]
    renderer = Renderer(catalogue, folder, dealership=dealership, timezone=timezone)
    for template in catalogue.all():
        problems += _parts(template)
        problems += _rendered(renderer, template, folder, dealership)
    return _once(problems)


def _rules(folder: Path) -> Iterator[Problem]:
    for kind in type_folders(folder):
        path = kind / TYPE_FILE
        try:
            read_rules(path)
        except SettingsError as error:
            yield _problem(f"{kind.name}/{TYPE_FILE}", None, str(error).removeprefix(str(path)).lstrip(": "))


def _files(folder: Path) -> Iterator[Problem]:
    for kind in _visible(folder):
        if kind.is_file():
            if kind.name != "README.md":
                yield _problem(
                    kind.name, None, "a template belongs in templates/<type>/<name>/", Severity.WARNING
                )
            continue
        for entry in _visible(kind):
            yield from _entry(f"{kind.name}/{entry.name}", entry)


def _entry(name: str, entry: Path) -> Iterator[Problem]:
    if entry.is_file():
        if entry.name not in (EXAMPLE, TYPE_FILE):
            yield _problem(name, None, "this file is no part of a template", Severity.WARNING)
        return
    inside = _visible(entry)
    if not any(path.name in _PARTS for path in inside):
        yield Problem(name, None, None, f"there is none of its parts: {', '.join(Part)}")
    for path in inside:
        if path.name not in _PARTS | {EXAMPLE}:
            message = f"this is no part; the parts are {', '.join(Part)}"
            yield Problem(name, path.name, None, message, Severity.WARNING)


def _visible(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.name[0] not in "_."]


def _defaults(catalogue: Catalogue) -> Iterator[Problem]:
    paths = {template.path for template in catalogue.all()}
    for kind in sorted({template.type for template in catalogue.all()} | {"plain"}):
        if f"{kind}/default" not in paths:
            yield Problem(
                kind, None, None, f"there is no {kind}/default, which templateType {kind!r} alone means"
            )


def _parts(template: Template) -> Iterator[Problem]:
    has_body, has_subject = Channel.EMAIL in template.channels, Part.SUBJECT in template.parts
    if has_body and not has_subject:
        yield Problem(template.path, Part.SUBJECT, None, "there is a body but no subject.txt")
    if has_subject and not has_body:
        yield Problem(
            template.path, Part.SUBJECT, None, "there is a subject but neither body.html nor body.txt"
        )


def _rendered(renderer: Renderer, template: Template, folder: Path, dealership: str) -> Iterator[Problem]:
    if Channel.EMAIL in template.channels and Part.SUBJECT not in template.parts:
        return  # said above
    try:
        message = read_message(example_file(folder, template))
        made = preview(renderer, template, message, dealership=dealership)
    except TemplateError as error:
        where = f"{template.path}/{EXAMPLE}" if error.template == template.path else error.template
        yield _problem(where, error.line, error.reason)
    except ValueError as error:
        yield Problem(template.path, EXAMPLE, None, str(error))
    else:
        yield from _segments(template, made.sms.body if made.sms else "")


def _segments(template: Template, body: str) -> Iterator[Problem]:
    segments = segments_of(body)
    if segments.count == 1:
        return
    because = f" because of {outside_gsm7(body)!r}" if outside_gsm7(body) else ""
    size = f"{segments.count} segments ({segments.units} units of {segments.encoding}{because})"
    message = f"with its example it takes {size}"
    yield Problem(template.path, Part.SMS, None, message, Severity.WARNING)


def _problem(file: str, line: int | None, message: str, severity: Severity = Severity.ERROR) -> Problem:
    template, _, part = file.rpartition("/")
    return Problem(template or part, part if template else None, line, message, severity)


def _once(problems: list[Problem]) -> list[Problem]:
    """Keep the first problem of each line: rendering finds again what was found in the source."""
    kept: dict[object, Problem] = {}
    for problem in problems:
        key = (problem.template, problem.part, problem.line) if problem.line else problem
        kept.setdefault(key, problem)
    return list(kept.values())
