"""An e-mail read for people, however it was written."""

from email.message import EmailMessage

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.sandbox.isolation import isolated
from worker.sandbox.mail_view import read_header, read_mail


def built(**attachments: bytes) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = "Übergabe — 納車"
    mail["From"] = "Sam Ortiz <sam@example.com>"
    mail.set_content("Plain text\n")
    mail.add_alternative("<p>HTML</p>", subtype="html")
    return mail


def test_text_html_and_subject_are_decoded():
    view = read_mail(built().as_bytes())
    assert (view.text, view.html) == ("Plain text\n", "<p>HTML</p>\n")
    assert dict(view.headers)["Subject"] == "Übergabe — 納車"
    assert read_header(built().as_bytes())["subject"] == "Übergabe — 納車"


@pytest.mark.parametrize("name", ["invoice.pdf", "Rechnung № 7 — Übergabe.pdf", "納車.png", 'a"b;c.txt'])
def test_an_attachment_keeps_its_name_and_content(name):
    mail = built()
    mail.add_attachment(b"\x00\xff content", maintype="application", subtype="pdf", filename=name)
    (part,) = read_mail(mail.as_bytes()).parts
    assert (part.filename, part.mime_type, part.content) == (name, "application/pdf", b"\x00\xff content")


def test_an_attached_text_file_is_no_body():
    mail = built()
    mail.add_attachment("notes", filename="notes.txt")
    view = read_mail(mail.as_bytes())
    assert view.text == "Plain text\n"
    assert [part.filename for part in view.parts] == ["notes.txt"]


def test_an_attached_e_mail_is_one_attachment():
    mail = built()
    mail.add_attachment(built())
    (part,) = read_mail(mail.as_bytes()).parts
    assert part.mime_type == "message/rfc822"
    assert b"Plain text" in part.content


def test_an_image_in_the_html_is_put_in_place():
    mail = EmailMessage()
    mail.set_content('<img src="cid:logo@x"> <img src="cid:logo@xy">', subtype="html")
    mail.add_related(b"PNG", "image", "png", cid="<logo@x>")
    html = read_mail(mail.as_bytes()).html
    assert html == '<img src="data:image/png;base64,UE5H"> <img src="cid:logo@xy">\n'


def test_raw_utf8_in_a_header_is_read_as_such():
    raw = "Subject: Grüße\r\nTo: żaneta@example.pl\r\n\r\nHi".encode()
    assert read_header(raw) == {"subject": "Grüße", "to": "żaneta@example.pl"}


def test_a_folded_header_is_one_line():
    assert read_header(b"Subject: one\r\n two\r\n\r\n") == {"subject": "one two"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no header at all",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b'Content-Type: text/plain; charset="no-such-charset"\r\n\r\n\xff',
        b'Content-Type: text/plain; charset="idna"\r\n\r\n\xff',
        b'Content-Type: text/plain; charset="utf-7"\r\n\r\n+2AA-',
        b"Subject: =?no-such?b?AAAA?=\r\n\r\n",
        b"Subject: =?idna?q?=FF?=\r\n\r\n",
        b"\xff\xfe: raw bytes as a name\r\nTo: \xff\r\n\r\n",
        b"Content-Type: \xff/\xfe\r\nContent-ID: \xff\r\n\r\n",
        b"Content-Disposition: attachment; filename*=no-such''%FF\r\n\r\n",
        b"Content-Disposition: attachment; filename*=idna''%FF\r\n\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!",
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx",
    ],
)
def test_a_malformed_e_mail_can_still_be_looked_at(raw):
    view = read_mail(raw)
    orjson.dumps([view.headers, view.text, view.html, [[p.filename, p.mime_type] for p in view.parts]])
    orjson.dumps(read_header(raw))
    assert all(part.mime_type.isascii() for part in view.parts)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fail(noise):
    for raw in (
        noise,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + noise,
        b"Subject: =?" + noise,
    ):
        assert read_mail(raw).headers is not None
        assert read_header(raw) is not None


@pytest.mark.parametrize("doctype", ["<!DOCTYPE html>", "", "\n<!doctype html PUBLIC 'x'>"])
def test_links_are_made_to_open_a_new_tab_without_changing_the_document_type(doctype):
    html = isolated(f"{doctype}<html><body>x</body></html>")
    assert html.startswith(f'{doctype}<meta charset="utf-8"><base target="_blank"><html>')
