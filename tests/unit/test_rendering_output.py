"""What comes out of a template: escaped or not, on one line, sendable, and nothing fetched for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.templates_folder import Folder


def test_html_is_escaped_and_text_is_not(folder):
    message = {"text": "<b>&\"'"}
    email = folder.email(message, html='<p title="{{ text }}">{{ text }}</p>', text="{{ text }}")
    assert '<p title="<b>&amp;&quot;\'">&lt;b&gt;&amp;' in (email.html or "")
    assert email.text == "<b>&\"'\n"
    assert folder.sms("{{ text }}", message) == "<b>&\"'"


def test_a_subject_is_one_line_whatever_is_in_it(folder):
    message = {"text": "Hello\r\nBcc: x@example.com\u2028there\x0b\x00\u00a0!\x1f"}
    subject = folder.email(message, subject="{{ text }}", text="t").subject
    assert subject == "Hello Bcc: x@example.com there \u00a0!"


def test_an_sms_is_stripped_and_keeps_its_inner_lines(folder):
    assert folder.sms("\n  {{ text }}\n\n", {"text": "a\n\nb"}) == "a\n\nb"


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e"])
def test_a_line_break_is_one_in_each_part(folder, line_break):
    message = {"text": f"Mon 9{line_break}10 am"}
    html = "<p>{{ text }}</p>{{ text | paragraphs }}"
    email = folder.email(message, subject="{{ text }}", text="{{ text }}", html=html)
    assert (email.subject, email.text) == ("Mon 9 10 am", "Mon 9\n10 am\n")
    assert "<p>Mon 9\n10 am</p><p>Mon 9<br>\n10 am</p>" in (email.html or "")
    assert folder.sms("{{ text }}", message) == "Mon 9\n10 am"


@pytest.mark.parametrize("line_break", ["\x85", "\u2028", "\u2029"])
def test_a_line_break_beyond_ascii_stays_in_texts_and_is_shown_in_html(folder, line_break):
    text = f"Mon 9{line_break}10 am"
    email = folder.email(
        {"text": text}, subject="{{ text }}", text="{{ text }}", html="{{ text | paragraphs }}"
    )
    assert (email.subject, email.text) == ("Mon 9 10 am", f"{text}\n")
    assert "<p>Mon 9<br>\n10 am</p>" in (email.html or "")


def test_control_characters_are_removed_and_separators_become_spaces(folder):
    assert folder.sms("{{ text }}", {"text": "a\x1fb \x00c\x08 \x7fd\ud800"}) == "a b c d"


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
