"""Attachments as producers give them: types with parameters, data: URIs, and how much they may weigh."""

import base64

import pytest

from messages.attachments import AttachmentLimits, encoded_size, parse
from messages.errors import InvalidMessage
from messages.fields import AttachmentFields
from messages.filenames import file_name
from messages.mime_types import parse as parse_type
from messages.outgoing import Attachment

LIMITS = AttachmentLimits(max_files=3, max_bytes=1000)


def kept(entry: str | dict) -> Attachment:
    fields = entry if isinstance(entry, str) else AttachmentFields.model_validate(entry)
    [attachment] = parse([fields], LIMITS)[1]
    return attachment


def sent_as(entry: str | dict) -> tuple[str, str | None, bytes | None]:
    found = kept(entry)
    return file_name(found.filename, mime_type=found.mime_type), found.mime_type, found.content


@pytest.mark.parametrize(
    ("uri", "name", "mime_type", "content"),
    [
        ("data:application/pdf;filename=offer.pdf;base64,JVBERi0xLjQK", "offer.pdf", "application/pdf",
         b"%PDF-1.4\n"),
        ("data:application/pdf;name=offer.pdf;base64,JVBERi0=", "offer.pdf", "application/pdf", b"%PDF-"),
        ("data:application/pdf;base64,JVBERi0=", "attachment.pdf", "application/pdf", b"%PDF-"),
        ("DATA:Application/PDF;FileName=a%20b%C3%BC.pdf;BASE64,JVBERi0=", "a bü.pdf", "application/pdf",
         b"%PDF-"),
        ('data:text/plain;filename="a,b;c.txt";base64,SGVsbG8=', "a,b;c.txt", "text/plain", b"Hello"),
        ('data:text/plain;filename="say \\"hi\\".txt",x', 'say "hi".txt', "text/plain", b"x"),
        ("data:text/plain;filename*=UTF-8''%C3%BC.txt,x", "ü.txt", "text/plain", b"x"),
        ("data:text/plain;name=it's.txt,x", "it's.txt", "text/plain", b"x"),
        ("data:image/svg+xml;utf8,<svg/>", "attachment.svg", "image/svg+xml", b"<svg/>"),
        ("data:,a%2Cb", "attachment.txt", "text/plain", b"a,b"),
        ("data:;charset=utf-8,x", "attachment.txt", 'text/plain; charset="utf-8"', b"x"),
        ("data:text/calendar;method=REQUEST;name=invite.ics;base64,QkVHSU4=", "invite.ics",
         "text/calendar; method=REQUEST", b"BEGIN"),
        ("data:text/plain;name=a%00%0D%0Ab.txt,x", "a   b.txt", "text/plain", b"x"),
        ("data:text/plain;x=%0D%0AX-Evil:1,x", "attachment.txt", "text/plain; x=\"  X-Evil:1\"", b"x"),
    ],
)  # fmt: skip
def test_data_uri_keeps_its_name_type_and_parameters(uri, name, mime_type, content):
    assert sent_as(uri) == (name, mime_type, content)


@pytest.mark.parametrize(
    ("entry", "name", "mime_type"),
    [
        ({"mimeType": "application/pdf"}, "attachment.pdf", "application/pdf"),
        ({"mimeType": "text/calendar; method=REQUEST; charset=UTF-8", "filename": "invite.ics"},
         "invite.ics", 'text/calendar; method=REQUEST; charset="UTF-8"'),
        ({"mimeType": 'application/pdf; name="offer 1.pdf"'}, "offer 1.pdf", "application/pdf"),
        ({"mimeType": "text/html; boundary=x; profile=\"a;b\""}, "attachment.html",
         'text/html; profile="a;b"'),
        ({"url": "data:application/pdf;name=offer.pdf;base64,QQ=="}, "offer.pdf", "application/pdf"),
        ({"url": "data:application/pdf;name=offer.pdf;base64,QQ==", "filename": "o.pdf"}, "o.pdf",
         "application/pdf"),
        ({"mimeType": "text/plain;format=flowed;"}, "attachment.txt", "text/plain; format=flowed"),
    ],
)  # fmt: skip
def test_object_keeps_its_type_with_parameters(entry, name, mime_type):
    given = entry if "url" in entry else entry | {"content": "QQ=="}
    assert sent_as(given)[:2] == (name, mime_type)


@pytest.mark.parametrize(
    "mime_type",
    [
        "text",
        "text/plain\r\nX-Evil: 1",
        "text/plain; a=b\r\nX: 1",
        'text/plain; a="x\r\ny"',
        "text/plain\0",
        "",
        "a/b; =x",
    ],
)
def test_type_that_is_not_one_is_refused_with_what_would_be_right(mime_type):
    with pytest.raises(InvalidMessage, match=r"is not a type; write it like application/pdf") as caught:
        kept({"mimeType": mime_type})
    assert list(caught.value.fields) == ["attachments[0].mimeType"]


def test_type_is_the_same_after_it_was_written():
    for text in ('a/b; c="d;\\"e\\""; charset=x', "text/calendar;method=REQUEST", "a/b"):
        once = parse_type(text)
        assert once is not None
        assert str(parse_type(str(once))) == str(once)


def test_email_that_is_too_large_once_encoded_is_refused_with_its_size_and_the_limit():
    limits = AttachmentLimits(max_files=3, max_bytes=30_000_000)
    size = 19_900_000
    with pytest.raises(
        InvalidMessage, match=r"at least 27,231,5\d\d bytes; at most 25,000,000 .*EMAIL_MAX_BYTES"
    ):
        limits.check_email([size], "x")
    limits.check_email([18_000_000], "x" * 200_000)
    limits.check_email([], "x" * 26_000_000)  # text has limits of its own


@pytest.mark.parametrize("size", [0, 1, 2, 3, 56, 57, 58, 1000, 100_000])
def test_encoded_size_is_what_base64_in_lines_takes(size):
    encoded = base64.b64encode(b"x" * size)
    lines = [encoded[at : at + 76] for at in range(0, len(encoded), 76)]
    assert encoded_size(size) == sum(len(line) + 2 for line in lines)
