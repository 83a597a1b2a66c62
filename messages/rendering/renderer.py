"""Renders a template's parts into what a channel sends."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from css_inline import InlineError

from messages.catalogue import Catalogue, Part, Template
from messages.clean_text import clean, on_one_line
from messages.errors import TemplateError
from messages.outgoing import RenderedEmail, RenderedSms
from messages.rendering.environment import environment_for
from messages.rendering.failures import TooLongError, template_error
from messages.rendering.inlining import Inliner
from messages.rendering.plain_text import plain_text

#: The most that one part may render to, in characters: mail clients cut far earlier.
MAX_RENDERED = 2_000_000

#: The longest subject, in characters: no mail program shows so many, and encoding them takes long.
MAX_SUBJECT = 2_000


class Renderer:
    """Renders the templates in one folder. Safe to share between threads; make one per process.

    With `reload`, files that changed are read again; otherwise each is compiled once.
    """

    def __init__(
        self, catalogue: Catalogue, folder: Path, *, dealership: str, timezone: str, reload: bool = False
    ) -> None:
        """Look up nothing yet but `timezone`: raises SettingsError when there is no such zone."""
        self.catalogue = catalogue
        self.folder = folder.resolve()  # as tracebacks spell it: errors find the template's line by it
        self.environment = environment_for(self.folder, timezone=timezone, reload=reload)
        self.environment.globals["dealership"] = dealership
        self._inliner = Inliner()

    def render_sms(self, template: Template, context: Mapping[str, Any]) -> RenderedSms:
        """Render the SMS. Raises TemplateError."""
        return RenderedSms(self._part(template, Part.SMS, context).strip())

    def render_email(self, template: Template, context: Mapping[str, Any]) -> RenderedEmail:
        """Render the e-mail: CSS inlined, text derived from the HTML where there is no body.txt.

        Raises TemplateError.
        """
        # One line, whatever is in it: a newline would begin another header.
        subject = on_one_line(self._part(template, Part.SUBJECT, context))
        if len(subject) > MAX_SUBJECT:
            reason = f"it renders to {len(subject):,} characters; a subject may have {MAX_SUBJECT:,}"
            raise TemplateError(reason, template=f"{template.path}/{Part.SUBJECT}")
        if Part.HTML not in template.parts:
            return RenderedEmail(subject, self._part(template, Part.TEXT, context).strip() + "\n", html=None)
        html = self._part(template, Part.HTML, context)
        inlined = self._inlined(template, html)
        text = (
            self._part(template, Part.TEXT, context) if Part.TEXT in template.parts else plain_text(inlined)
        )
        return RenderedEmail(subject, text.strip() + "\n", inlined)

    def _part(self, template: Template, part: Part, context: Mapping[str, Any]) -> str:
        if part not in template.parts:
            raise TemplateError(f"there is no {part} in this template", template=template.path)
        name = f"{template.path}/{part}"
        try:
            return clean(self._limited(name, context))
        except Exception as error:  # noqa: BLE001 - a template can raise anything; it fails its own Message only
            # `from None`: the cause may quote a customer's data, and tracebacks are logged.
            raise template_error(error, name, context, self.folder) from None

    def _limited(self, name: str, context: Mapping[str, Any]) -> str:
        chunks, length = [], 0
        for chunk in self.environment.get_template(name).generate(context):
            length += len(chunk)
            if length > MAX_RENDERED:
                raise TooLongError(f"it renders to more than {MAX_RENDERED:,} characters")
            chunks.append(chunk)
        return "".join(chunks)

    def _inlined(self, template: Template, html: str) -> str:
        try:
            return self._inliner.inline(html)
        except (InlineError, ValueError):
            name = f"{template.path}/{Part.HTML}"
            raise TemplateError("its CSS cannot be inlined", template=name) from None
