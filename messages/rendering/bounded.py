"""Rendering that cannot hold up a process, whatever the Message and whatever the template.

A small Message is rendered by the thread that asks, if the template's source shows that its work is linear.
Everything else is rendered by a process of its own, which is ended at the limit: see decision 0020.
"""

import logging
from collections.abc import Mapping
from typing import Any

from messages.catalogue import Catalogue, Part, Template
from messages.errors import TemplateError
from messages.outgoing import RenderedEmail, RenderedSms
from messages.rendering.dry_run import Finding, Given
from messages.rendering.process import RenderCrash, RenderProcesses, RenderTimeout
from messages.rendering.renderer import Renderer
from messages.rendering.source_facts import SourceFacts
from messages.rendering.templates_in_use import Templates
from messages.settings import Settings

log = logging.getLogger(__name__)

#: A context of at most so many characters is small; each value in it counts as some more.
SMALL, PER_VALUE = 8000, 8

_EMAIL_PARTS = frozenset({Part.SUBJECT, Part.TEXT, Part.HTML})


class BoundedRenderer:
    """Renders within `timeout_seconds` of processor time. Safe to share between threads; one per process."""

    def __init__(
        self, renderer: Renderer, processes: RenderProcesses, timeout_seconds: float, *, reload: bool
    ) -> None:
        self.catalogue = renderer.catalogue
        self._renderer, self._processes, self._timeout = renderer, processes, timeout_seconds
        self._templates = Templates(renderer, reload=reload)

    @classmethod
    def from_settings(cls, settings: Settings, catalogue: Catalogue) -> "BoundedRenderer":
        """As the settings say; starts no process yet. Raises SettingsError."""
        options: dict[str, Any] = {
            "dealership": settings.dealership_name,
            "timezone": settings.default_timezone,
            "reload": settings.templates_reload,
        }
        timeout = settings.render_timeout_seconds
        processes = RenderProcesses(
            {"folder": str(settings.templates.resolve()), **options}, timeout_seconds=timeout
        )
        renderer = Renderer(catalogue, settings.templates, **options)
        return cls(renderer, processes, timeout, reload=settings.templates_reload)

    def render_sms(self, template: Template, context: Mapping[str, Any]) -> RenderedSms:
        """Render the SMS. Raises TemplateError, or RenderUnavailable."""
        if self._is_quick(template, frozenset({Part.SMS}), context):
            return self._renderer.render_sms(template, context)
        return RenderedSms(**self._ask(template, {"kind": "sms", "context": context}))

    def render_email(self, template: Template, context: Mapping[str, Any]) -> RenderedEmail:
        """Render the e-mail. Raises TemplateError, or RenderUnavailable."""
        if self._is_quick(template, _EMAIL_PARTS, context):
            return self._renderer.render_email(template, context)
        return RenderedEmail(**self._ask(template, {"kind": "email", "context": context}))

    def findings(self, template: Template, given: Given, *, wait_seconds: float) -> list[Finding]:
        """Find what `given` lacks for the template. Raises TemplateError at the limit, or RenderUnavailable.

        `wait_seconds`: how long to wait for a process at most.
        """
        if self._is_quick(template, template.parts, given.as_json()):
            return self._templates.findings(template, given)
        asked = {"kind": "findings", "given": given.as_json()}
        return [Finding(**found) for found in self._ask(template, asked, wait_seconds=wait_seconds)]

    def known_facts(self, template: Template) -> SourceFacts | None:
        """What the source of the template's parts says, unless a file must be read for that."""
        return self._templates.known_facts(template, template.parts)

    def facts(self, template: Template) -> SourceFacts:
        """What the source of the template's parts says."""
        return self._templates.facts(template, template.parts)

    def close(self) -> None:
        """End the processes."""
        self._processes.close()

    def _is_quick(self, template: Template, parts: frozenset[Part], context: Mapping[str, Any]) -> bool:
        used = parts & template.parts
        return self._templates.facts(template, used).is_linear and is_small(context)

    def _ask(self, template: Template, request: dict[str, Any], **options: float) -> Any:
        request["template"] = [template.type, template.name, sorted(template.parts)]
        try:
            answer = self._processes.request(request, **options)
        except RenderTimeout:
            reason = (
                f"it takes more than {self._timeout:g} s of processor time to render (RENDER_TIMEOUT_SECONDS)"
            )
            raise TemplateError(reason, template=template.path) from None
        except RenderCrash as crash:
            raise TemplateError(
                f"the process that rendered it crashed ({crash})", template=template.path
            ) from None
        if "error" in answer:
            reason, where, line, variable = answer["error"]
            raise TemplateError(reason, template=where, line=line, variable=variable)
        if "bug" in answer:
            log.error("A render process met %s", answer["bug"])
            raise RuntimeError(answer["bug"])
        return answer["made"]


def is_small(context: Mapping[str, Any]) -> bool:
    """Whether all texts and values together are below the limit; stops counting there."""
    left, waiting = SMALL, [context]
    while waiting and left >= 0:
        value: Any = waiting.pop()
        left -= PER_VALUE
        if isinstance(value, str):
            left -= len(value)
        elif isinstance(value, dict):
            left -= sum(map(len, value))
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
    return left >= 0
