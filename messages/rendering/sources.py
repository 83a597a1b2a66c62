"""What can be said of template files without rendering them: whether they compile, the names they use."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import TemplateSyntaxError, meta, nodes
from jinja2.environment import Environment

from messages.rendering.context import NAMES

_SUFFIXES = frozenset({".txt", ".html", ".css"})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in one file, which is named from the templates folder on."""

    file: str
    line: int | None
    message: str


@dataclass(frozen=True, slots=True)
class _Source:
    tree: nodes.Template
    undeclared: frozenset[str]
    assigned: frozenset[str]
    references: frozenset[str]


def findings(environment: Environment, folder: Path) -> list[Finding]:
    """Look through every template and layout under `folder`."""
    sources, found = {}, []
    for name in _files(folder):
        try:
            sources[name] = _read(environment, folder, name)
        except TemplateSyntaxError as error:
            found.append(Finding(name, error.lineno, error.message or "syntax error"))
        except UnicodeDecodeError:
            found.append(Finding(name, None, "the file is not UTF-8"))
    for name, source in sources.items():
        found += _unknown_names(name, source, sources, frozenset(environment.globals))
        found += _unescaped(name, source)
        found += _unknown_filters(name, source, environment)
    return found


def _files(folder: Path) -> list[str]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in _SUFFIXES)
    return [path.relative_to(folder).as_posix() for path in paths]


def _read(environment: Environment, folder: Path, name: str) -> _Source:
    text = (folder / name).read_text("utf-8")
    environment.compile(text, name)  # finds more than parsing does
    tree = environment.parse(text, name)
    return _Source(
        tree=tree,
        undeclared=frozenset(meta.find_undeclared_variables(tree)),
        assigned=frozenset(_assigned(tree)),
        references=frozenset(ref for ref in meta.find_referenced_templates(tree) if ref),
    )


def _assigned(tree: nodes.Template) -> Iterator[str]:
    """Yield the names that a file sets at its top, for its blocks and for the layouts it uses."""
    yield from (name.name for name in tree.find_all(nodes.Name) if name.ctx != "load")
    yield from (imported.target for imported in tree.find_all(nodes.Import))
    for statement in tree.find_all(nodes.FromImport):
        yield from (name if isinstance(name, str) else name[1] for name in statement.names)


def _unknown_names(
    name: str, source: _Source, sources: dict[str, _Source], builtin: frozenset[str]
) -> Iterator[Finding]:
    """Find names that are no part of the context, nor set in a file whose names this one sees."""
    visible = {name} | _below(name, sources)
    if name.startswith("_"):
        visible |= {other for other in sources if name in _below(other, sources)}
    known = NAMES | builtin | {n for file in visible if file in sources for n in sources[file].assigned}
    for variable in sorted(source.undeclared - known):
        names = ", ".join(sorted(NAMES))
        yield Finding(name, _line(source, variable), f"{variable} is undefined; a template knows {names}")


def _below(name: str, sources: dict[str, _Source]) -> set[str]:
    """The files that `name` extends, includes or imports, and those they do."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        source = sources.get(waiting.pop())
        new = set(source.references) - found if source else set()
        found |= new
        waiting += new
    return found


def _unescaped(name: str, source: _Source) -> Iterator[Finding]:
    for other in sorted(source.references):
        if name.endswith(".html") and other.endswith(".txt"):
            yield Finding(name, None, f"it uses {other}, whose values are not escaped for HTML")


def _unknown_filters(name: str, source: _Source, environment: Environment) -> Iterator[Finding]:
    """Find what Jinja leaves to fail when rendered, because it stands inside an `if`."""
    for used in source.tree.find_all(nodes.Filter):
        if used.name not in environment.filters:
            yield Finding(name, used.lineno, f"No filter named {used.name!r}.")
    for test in source.tree.find_all(nodes.Test):
        if test.name not in environment.tests:
            yield Finding(name, test.lineno, f"No test named {test.name!r}.")


def _line(source: _Source, variable: str) -> int | None:
    return next((n.lineno for n in source.tree.find_all(nodes.Name) if n.name == variable), None)
