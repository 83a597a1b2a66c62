"""A folder of templates for one test."""

import pytest

from messages.catalogue import Catalogue
from messages.errors import TemplateError
from messages.rendering.bounded import BoundedRenderer
from messages.rendering.context import context_of
from messages.rendering.renderer import Renderer
from messages.settings import load_settings


class Folder:
    """A templates folder with one template, `t/x`, and what renders it."""

    def __init__(self, path):
        self.path = path
        self._close = []

    def close(self):
        for close in self._close:
            close()

    def write(self, name, content):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        return file

    def renderer(self, **options):
        catalogue = Catalogue.read(self.path)
        return Renderer(
            catalogue, self.path, **{"dealership": "Rivertown Motors", "timezone": "UTC", **options}
        )

    def bounded(self, *, timeout=1.0, reload=False, source=None):
        """A BoundedRenderer; the test closes it, or has it closed by the fixture."""
        if source is not None:
            self.write("t/x/sms.txt", source)
        settings = load_settings(
            templates_dir=self.path, templates_reload=reload, render_timeout_seconds=timeout
        )
        renderer = BoundedRenderer.from_settings(settings, Catalogue.read(self.path))
        self._close.append(renderer.close)
        return renderer

    def sms(self, source, message=None, **related):
        self.write("t/x/sms.txt", source)
        renderer = self.renderer()
        return renderer.render_sms(renderer.catalogue.find("t", "x"), self.context(message, **related)).body

    def email(self, message=None, **parts):
        names = {"subject": "subject.txt", "html": "body.html", "text": "body.txt"}
        for part, source in {"subject": "s", **parts}.items():
            self.write(f"t/x/{names[part]}", source)
        renderer = self.renderer()
        return renderer.render_email(renderer.catalogue.find("t", "x"), self.context(message))

    def context(self, message=None, **related):
        return context_of(message or {}, related, dealership="Rivertown Motors")

    def error(self, source, message=None, **related):
        with pytest.raises(TemplateError) as caught:
            self.sms(source, message, **related)
        return caught.value


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path)
    yield made
    made.close()
