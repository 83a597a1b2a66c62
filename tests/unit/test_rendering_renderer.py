import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.catalogue import Catalogue
from messages.errors import SettingsError, TemplateError
from tasks.rendering.context import context_of
from tasks.rendering.renderer import MAX_RENDERED, Renderer


class Folder:
    """A templates folder with one template, `t/x`, and what renders it."""

    def __init__(self, path):
        self.path = path

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
    return Folder(tmp_path)


# What a template sees


def test_a_template_sees_the_message_its_text_and_the_related_objects(folder):
    source = (
        "{{ message.id }} {{ text }} {{ lead.firstName }} {{ salesRep.a }}{{ sales_rep.a }} {{ agent.b }}"
    )
    message = {"id": "m1", "text": "hello"}
    body = folder.sms(source, message, lead={"firstName": "Maya"}, salesRep={"a": 1}, agent={"b": 2})
    assert body == "m1 hello Maya 11 2"


def test_extra_fields_are_seen_through_message_only(folder):
    assert folder.sms("{{ message.vehicle.year }}", {"vehicle": {"year": 2022}}) == "2022"
    assert folder.error("{{ vehicle.year }}", {"vehicle": {"year": 2022}}).variable == "vehicle.year"


def test_a_field_may_be_called_like_a_method_of_dict(folder):
    message = {"items": "six", "values": "seven", "get": {"keys": "eight"}}
    assert folder.sms("{{ message.items }} {{ message.values }} {{ message.get.keys }}", message) == (
        "six seven eight"
    )


def test_the_dealership_is_always_there(folder):
    assert folder.sms("{{ dealership }}") == "Rivertown Motors"


def test_text_is_data_and_never_a_template(folder):
    assert folder.sms("{{ text }}", {"text": "{{ 7*7 }} {% raw %}"}) == "{{ 7*7 }} {% raw %}"
    email = folder.email({"text": "{{ 7*7 }}"}, html="<p>{{ text }}</p>", subject="{{ text }}")
    assert (email.subject, email.text) == ("{{ 7*7 }}", "{{ 7*7 }}\n")
    assert "{{ 7*7 }}" in (email.html or "")


# Absent values


@pytest.mark.parametrize("lead", [None, {}, {"firstName": None}])
def test_a_default_is_used_when_the_lead_or_its_name_is_absent(folder, lead):
    assert folder.sms("Hi {{ lead.firstName | default('there') }}", lead=lead) == "Hi there"
    assert folder.sms("{{ lead.address.city.name | default('town') }}", lead=lead) == "town"
    assert folder.sms("{{ lead.owner.hint | default('none') }}", lead=lead) == "none"
    assert folder.sms("{% if lead.firstName is defined %}yes{% else %}no{% endif %}", lead=lead) == "no"


@pytest.mark.parametrize(
    ("expression", "message", "lead", "variable"),
    [
        ("lead", {}, None, "lead"),
        ("lead.firstName", {}, None, "lead.firstName"),
        ("lead.firstName", {}, {"lastName": "Chen"}, "lead.firstName"),
        ("lead.address.city", {}, {}, "lead.address.city"),
        ("message.vehicle.trim", {"vehicle": {"year": 2022}}, None, "message.vehicle.trim"),
        ("message.vehicle.trim", {}, None, "message.vehicle.trim"),
        ("message.a.b.c.d", {"a": {"b": {"c": {"x": 1}}}}, None, "message.a.b.c.d"),
        ("message.lines[0].price", {"lines": [{"name": "tax"}]}, None, "message.lines[0].price"),
        ("message.lines[3]", {"lines": []}, None, "message.lines[3]"),
        ("lead.firstName | money", {}, None, "lead.firstName"),
        ("lead.firstName | upper", {}, None, "lead.firstName"),
        ("lead.age + 1", {}, {}, "lead.age"),
        ("lead.greet()", {}, {}, "lead.greet"),
        ("'x' if lead.vip", {}, {}, "lead.vip"),
        ("lead.vip == 1 and 'x'", {}, {}, "lead.vip"),
        ("message[text]", {"text": "secret"}, None, "message[…]"),
    ],
)
def test_an_absent_variable_is_named_in_full_with_its_template_and_line(
    folder, expression, message, lead, variable
):
    error = folder.error("Hello\n\n{{ " + expression + " }}", message, lead=lead)
    assert (error.template, error.line, error.variable) == ("t/x/sms.txt", 3, variable)
    assert str(error).startswith(f"t/x/sms.txt, line 3: {variable} is undefined")


def test_a_loop_variable_is_named_by_its_place_in_the_message(folder):
    source = "{% for line in message.lines %}{{ line.price }}{% endfor %}"
    assert folder.error(source, {"lines": [{"price": 1}, {}]}).variable == "message.lines[1].price"


def test_looping_over_something_absent_is_an_error(folder):
    assert folder.error("{% for x in message.lines %}{{ x }}{% endfor %}").variable == "message.lines"


# Errors


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


# What comes out


def test_html_is_escaped_and_text_is_not(folder):
    message = {"text": "<b>&\"'"}
    email = folder.email(message, html='<p title="{{ text }}">{{ text }}</p>', text="{{ text }}")
    assert '<p title="<b>&amp;&quot;\'">&lt;b&gt;&amp;' in (email.html or "")
    assert email.text == "<b>&\"'\n"
    assert folder.sms("{{ text }}", message) == "<b>&\"'"


def test_a_subject_is_one_line_whatever_is_in_it(folder):
    message = {"text": "Hello\r\nBcc: x@example.com\u2028there\x0b\x00\x1f!"}
    assert folder.email(message, subject="{{ text }}", text="t").subject == "Hello Bcc: x@example.com there!"


def test_an_sms_is_stripped_and_keeps_its_inner_lines(folder):
    assert folder.sms("\n  {{ text }}\n\n", {"text": "a\n\nb"}) == "a\n\nb"


def test_carriage_returns_become_newlines_in_no_part(folder):
    assert folder.sms("{{ text }}", {"text": "a\r\nb"}) == "a\nb"


@given(text=st.text(st.characters(exclude_categories=[]), max_size=50))
def test_output_has_no_control_characters_and_can_be_encoded(tmp_path_factory, text):
    folder = Folder(tmp_path_factory.mktemp("templates"))
    body = folder.sms("a{{ text }}b", {"text": text})
    email = folder.email({"text": text}, html="<p>a{{ text }}b</p>", subject="a{{ text }}b")
    assert body[0] + body[-1] == "ab"
    for rendered in (body, email.subject, email.text, email.html or ""):
        rendered.encode("utf-8")
        assert not {chr(code) for code in (*range(32), 127)} - {"\t", "\n"} & set(rendered)


def test_text_is_derived_from_html_with_links_and_without_what_is_hidden(folder):
    html = """<html><head><title>T</title><style>p { color: red }</style></head><body>
      <div style="display: none">peek</div><p>Hello <b>Maya</b></p>
      <table><tr><td>a</td><td>b</td></tr></table>
      <a href="https://rivertown.example/x?a=1">See it</a> <a href="tel:+1">call</a></body></html>"""
    assert folder.email(html=html).text == (
        "Hello Maya\n\na  b\n\nSee it: https://rivertown.example/x?a=1 call\n"
    )


def test_css_is_inlined_and_only_what_depends_on_the_screen_stays_in_the_head(folder):
    html = (
        "<html><head><style>.a { color: #111111 } @media (max-width: 480px) { .a { color: #222222 } }</style>"
        '</head><body><p class="a">x</p></body></html>'
    )
    inlined = folder.email(html=html).html or ""
    head, _, body = inlined.partition("</head>")
    assert "@media" in head
    assert "#111111" not in head
    assert "#111111" in body


def test_remote_stylesheets_are_not_fetched(folder):
    # Were it fetched, a refused connection would fail the rendering.
    html = '<html><head><link rel="stylesheet" href="http://127.0.0.1:9/x.css"></head><body>x</body></html>'
    assert "x" in (folder.email(html=html).html or "")


def test_local_files_are_not_read_as_stylesheets(folder):
    css = folder.write("secret.css", "p { color: #abcdef }")
    html = f'<html><head><link rel="stylesheet" href="{css}"></head><body><p>x</p></body></html>'
    assert "#abcdef" not in (folder.email(html=html).html or "")


def test_an_email_may_have_text_only(folder):
    email = folder.email(text="just {{ dealership }}")
    assert (email.text, email.html) == ("just Rivertown Motors\n", None)


# Reading files


@pytest.mark.parametrize("changed", ["t/x/sms.txt", "_base/layout.txt"])
@pytest.mark.parametrize("reload", [True, False])
def test_changed_files_are_read_again_only_with_reload(folder, changed, reload):
    folder.write("_base/layout.txt", "layout {% block b %}{% endblock %}")
    folder.write("t/x/sms.txt", '{% extends "_base/layout.txt" %}{% block b %}body{% endblock %}')
    renderer = folder.renderer(reload=reload)
    template = renderer.catalogue.find("t", "x")
    before = renderer.render_sms(template, {}).body
    file = folder.write(
        changed, (folder.path / changed).read_text().replace("body", "new").replace("out ", "new ")
    )
    os.utime(file, (1, 1))
    after = renderer.render_sms(template, {}).body
    assert (before, after != before) == ("layout body", reload)


def test_threads_can_share_a_renderer(folder):
    folder.write("t/x/sms.txt", "{% for i in range(50) %}{{ text }}{% endfor %}")
    renderer = folder.renderer()
    template = renderer.catalogue.find("t", "x")
    barrier = threading.Barrier(8)

    def render(n):
        barrier.wait(timeout=10)
        return renderer.render_sms(template, folder.context({"text": str(n)})).body

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(render, range(8))) == [str(n) * 50 for n in range(8)]
