"""What is wrong with a template is said with its file and line, and without the Message's values."""

import pytest

from messages.errors import SettingsError, TemplateError
from messages.rendering.renderer import MAX_RENDERED


def test_an_error_in_a_layout_names_the_layout_its_line_and_the_template(folder):
    folder.write("_base/layout.txt", "top\n{{ lead.city }}\n{% block b %}{% endblock %}")
    error = folder.error('{% extends "_base/layout.txt" %}{% block b %}x{% endblock %}')
    assert (error.template, error.line, error.variable) == ("_base/layout.txt", 2, "lead.city")
    assert "t/x/sms.txt" in str(error)


def test_an_error_in_a_block_names_the_template_that_wrote_the_block(folder):
    folder.write("_base/layout.txt", "top\n\n\n{% block b %}{% endblock %}")
    error = folder.error('{% extends "_base/layout.txt" %}\n{% block b %}{{ lead.city }}{% endblock %}')
    assert (error.template, error.line) == ("t/x/sms.txt", 2)


@pytest.mark.parametrize(
    ("source", "line"),
    [("a\n{% if %}", 2), ("{{ x", 1), ("a\n\n{{ 1 | nonsense }}", 3), ("{% endfor %}", 1)],
)
def test_a_syntax_error_names_its_line(folder, source, line):
    error = folder.error(source)
    assert (error.template, error.line) == ("t/x/sms.txt", line)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("text.__class__.__mro__", "sandbox"),
        ("text.__class__", "sandbox"),
        ("''.__class__.__base__.__subclasses__()", "sandbox"),
        ("text.format.__globals__", "sandbox"),
        ("message.list.append(1)", "sandbox"),
        ("'{0.__class__}'.format(text)", "sandbox"),
        ("range(1000000000)", "range"),
        ("1 / 0", "divides by zero"),
        ("1 + text", "TypeError"),
        ("message.n()", "TypeError"),
        ("[3, 'a'] | sort", "TypeError"),
        ("message.n | money", "'money'"),
        ("10.0 ** 1000", "too large"),
        ("text | round", "TypeError"),
        ("text | filesizeformat", "ValueError"),
    ],
)
def test_whatever_a_template_raises_is_a_template_error_without_the_value(folder, expression, reason):
    message = {"text": "secret", "list": [], "n": "secret"}
    error = folder.error("\n{{ " + expression + " }}", message)
    assert (error.template, error.line) == ("t/x/sms.txt", 2)
    assert reason in error.reason
    assert "secret" not in str(error)
    assert error.__suppress_context__


def test_a_template_that_includes_itself_is_an_error(folder):
    assert "without end" in folder.error('{% include "t/x/sms.txt" %}').reason


def test_a_template_that_makes_too_much_is_stopped(folder):
    source = "{% for a in range(99999) %}{% for b in range(99999) %}xxxxxxxxxx{% endfor %}{% endfor %}"
    assert f"{MAX_RENDERED:,}" in folder.error(source).reason


def test_a_missing_layout_is_named_but_not_when_its_name_is_data(folder):
    assert "'_base/gone.txt'" in folder.error('{% extends "_base/gone.txt" %}').reason
    error = folder.error("{% include message.secret %}", {"secret": "secret-name"})
    assert "secret-name" not in str(error)


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/passwd"])
def test_a_template_cannot_include_a_file_outside_its_folder(folder, name):
    folder.path = folder.path / "templates"
    (folder.path.parent / "outside.txt").write_text("outside")
    assert "does not exist" in folder.error("{% include message.name %}", {"name": name}).reason


def test_a_file_that_is_not_utf8_is_an_error(folder):
    folder.write("_base/x.txt", "").write_bytes(b"\xff\xfe")
    assert "UTF-8" in folder.error('{% include "_base/x.txt" %}').reason


def test_a_part_that_is_not_there_is_an_error_that_names_it(folder):
    folder.write("t/x/body.html", "<p>hi</p>")
    renderer = folder.renderer()
    template = renderer.catalogue.find("t", "x")
    with pytest.raises(TemplateError, match=r"t/x: there is no sms\.txt"):
        renderer.render_sms(template, {})
    with pytest.raises(TemplateError, match=r"t/x: there is no subject\.txt"):
        renderer.render_email(template, {})


def test_an_unknown_time_zone_is_refused_at_once(folder):
    with pytest.raises(SettingsError, match="Mars"):
        folder.renderer(timezone="Mars/Olympus")


def test_a_line_is_found_however_the_folder_is_written(folder):
    (folder.path / "sub").mkdir()
    folder.path = folder.path / "sub" / ".." / "templates"
    assert folder.error("\n{{ nobody }}").line == 2
