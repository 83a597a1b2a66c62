"""A folder's templates as one process uses them: the renderer, and what the templates' sources say."""

from collections.abc import Collection
from functools import reduce
from pathlib import Path

from messages.catalogue import Part, Template
from messages.rendering.dry_run import Finding, Given, dry_environment, findings
from messages.rendering.renderer import Renderer
from messages.rendering.source_facts import SourceFacts, facts_of


class Templates:
    """Safe to share between threads. With `reload`, what is known of a part lasts until a file changes."""

    def __init__(self, renderer: Renderer, *, reload: bool = False) -> None:
        self.renderer = renderer
        self._reload = reload
        self._facts: dict[tuple[str, Collection[Part]], tuple[SourceFacts, object]] = {}
        self._dry = dry_environment(renderer.environment)

    def known_facts(self, template: Template, parts: frozenset[Part]) -> SourceFacts | None:
        """The facts of these parts together, unless files must be read for them."""
        facts, version = self._facts.get((template.path, parts), (None, None))
        return facts if facts is not None and version == self._version(facts) else None

    def facts(self, template: Template, parts: frozenset[Part]) -> SourceFacts:
        """The facts of these parts together."""
        if known := self.known_facts(template, parts):
            return known
        each = [facts_of(self.renderer.environment, f"{template.path}/{part}") for part in sorted(parts)]
        facts = reduce(SourceFacts.__or__, each, SourceFacts())
        self._facts[template.path, parts] = facts, self._version(facts)
        return facts

    def findings(self, template: Template, given: Given) -> list[Finding]:
        """Find what `given` lacks for each part of the template."""
        parts = {
            part.value: self.facts(template, frozenset({part})).attributes for part in sorted(template.parts)
        }
        return findings(self._dry, template.path, parts, given)

    def _version(self, facts: SourceFacts) -> object:
        """Something that differs once one of the files was changed."""
        if not self._reload:
            return None
        return [_changed_at(self.renderer.folder / file) for file in sorted(facts.files)]


def _changed_at(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
