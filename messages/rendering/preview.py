"""A template rendered for somebody to look at, with its example or with a given Message."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messages.catalogue import Template
from messages.delivery import Channel
from messages.errors import TemplateError
from messages.outgoing import RenderedEmail, RenderedSms
from messages.rendering.context import context_of, inline_objects
from messages.rendering.renderer import Renderer

#: A Message with every field the template shows; beside the parts, or one folder up for a whole type.
EXAMPLE = "example.json"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a template makes: None for a channel that it has no part for."""

    sms: RenderedSms | None
    email: RenderedEmail | None


def preview(
    renderer: Renderer, template: Template, message: Mapping[str, Any], *, dealership: str
) -> Preview:
    """Render every channel of `template` with `message`, its objects inline. Raises TemplateError."""
    context = context_of(message, inline_objects(message), dealership=dealership)
    return Preview(
        sms=renderer.render_sms(template, context) if Channel.SMS in template.channels else None,
        email=renderer.render_email(template, context) if Channel.EMAIL in template.channels else None,
    )


def example_file(folder: Path, template: Template) -> Path:
    """Find the example for `template`. Raises TemplateError when there is none."""
    own, shared = folder / template.path / EXAMPLE, folder / template.type / EXAMPLE
    if found := next((path for path in (own, shared) if path.is_file()), None):
        return found
    raise TemplateError(
        f"there is no {EXAMPLE}, which preview and check render it with", template=template.path
    )


def read_message(path: Path) -> dict[str, Any]:
    """Read a Message from a JSON file. Raises ValueError, in one sentence."""
    try:
        message = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise ValueError(f"{path} is no Message: it holds {type(message).__name__}, not an object")  # noqa: TRY004 - one kind
    return message


def write_html(email: RenderedEmail, template: Template, folder: Path) -> Path | None:
    """Write the HTML to `folder` for a browser; gives its path, or None for an e-mail without HTML."""
    if email.html is None:
        return None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{template.type}-{template.name}.html"
    path.write_text(email.html, "utf-8")
    return path
