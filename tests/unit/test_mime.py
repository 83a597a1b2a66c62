"""What `mime.build` writes, read back by the standard library's parser."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from messages.filenames import clean
from messages.outgoing import OutgoingEmail, RenderedEmail
from worker.channels.mailbox import Mailbox, parse_mailbox
from worker.channels.mime import Addresses, File, build

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
SENDER = Mailbox("Auto Haus", "messages@dealer.example")
RECIPIENT = Mailbox("", "ann@customer.example")

texts = st.text(st.characters(exclude_categories=["Cs"]))
one_line = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])).map(str.strip)


def built(
    files: tuple[File, ...] = (), *, addresses: Addresses | None = None, **parts: Any
) -> tuple[bytes, EmailMessage]:
    content = RenderedEmail(**{"subject": "Hi", "text": "Hello", "html": "<p>Hello</p>", **parts})
    email = OutgoingEmail("d-1", RECIPIENT.address, None, None, content)
    data = build(email, files, addresses=addresses or Addresses(SENDER, RECIPIENT), now=NOW)
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return data, message


def assert_sound(data: bytes) -> None:
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert data.isascii()


def test_it_names_who_when_and_what():
    _, message = built(addresses=Addresses(SENDER, RECIPIENT, Mailbox("Bob", "bob@dealer.example")))
    assert message["From"] == "Auto Haus <messages@dealer.example>"
    assert message["To"] == "ann@customer.example"
    assert message["Reply-To"] == "Bob <bob@dealer.example>"
    assert message["Date"].datetime == NOW
    assert message["MIME-Version"] == "1.0"
    assert message["Auto-Submitted"] == "auto-generated"


def test_the_message_id_is_the_deliverys_and_stays_the_same():
    assert built()[1]["Message-ID"] == built(subject="Other")[1]["Message-ID"] == "<d-1@dealer.example>"


def test_the_same_e_mail_is_the_same_bytes():
    assert built()[0] == built()[0]


@pytest.mark.parametrize(
    ("html", "files", "expected"),
    [
        (None, (), ["text/plain"]),
        ("<p>", (), ["multipart/alternative", "text/plain", "text/html"]),
        (
            None,
            (File("a.pdf", "application/pdf", b"1"),),
            ["multipart/mixed", "text/plain", "application/pdf"],
        ),
        (
            "<p>",
            (File("a.pdf", "application/pdf", b"1"),),
            ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf"],
        ),
    ],
)
def test_it_has_the_parts_it_needs_and_no_more(html, files, expected):
    assert [part.get_content_type() for part in built(files, html=html)[1].walk()] == expected


@given(texts, texts)
@example("a\r\nb\rc\nd", ".\n..\n")
@example("--=_alternative_\n" * 3, "From me\n \n\t")
@example("é" * 3000, "x" * 3000)
def test_text_and_html_come_back_as_they_were_but_for_line_ends(text, html):
    data, message = built(text=text, html=html)
    assert_sound(data)
    for subtype, original in (("plain", text), ("html", html)):
        part = message.get_body((subtype,))
        assert part is not None
        found = part.get_payload(decode=True)
        assert isinstance(found, bytes)
        expected = original.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
        assert found.decode().replace("\r\n", "\n") == expected


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Hello,\n\n.dots, tabs\tand = signs \n", "7bit"),
        ("x" * 998, "7bit"),
        ("x" * 999, "quoted-printable"),
        ("Grüße", "quoted-printable"),
        ("a\x0bb", "quoted-printable"),
    ],
)
def test_what_is_ascii_in_short_lines_goes_as_it_is(text, encoding):
    data, message = built(text=text, html=None)
    assert_sound(data)
    assert message["Content-Transfer-Encoding"] == encoding


def test_a_text_that_quotes_its_own_boundary_ends_no_part():
    boundary = built()[1].get_boundary()
    text = f"--{boundary}\nContent-Type: text/plain\n\nnot a part\n--{boundary}--"
    _, message = built(text=text, html=text)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative", "text/plain", "text/html",
    ]  # fmt: skip
    assert [part.get_content().replace("\r\n", "\n") for part in message.iter_parts()] == [text, text]


@given(one_line)
@example("x" * 3000)
@example("=?utf-8?q?not_a_word?=")
@example("Ihr Angebot für den " + "sehr " * 60 + "schönen Wagen 🚗")
@example("two  spaces   and more " * 8)
def test_a_subject_comes_back_as_it_was(subject):
    data, message = built(subject=subject)
    assert_sound(data)
    assert str(message["Subject"]).split() == subject.split()


@given(st.text())
@example("Hi\r\nBcc: eve@evil.example")
@example("Hi\n\n<script>")
@example("Hi\x85Bcc: eve@evil.example")
def test_no_subject_adds_a_header(subject):
    data, message = built(subject=subject)
    assert_sound(data)
    assert message.keys() == built()[1].keys()


@given(one_line)
@example('Ann "Speedy" Lee, Jr.')
@example("back\\slash")
@example("Jürgen Groß")
@example("a@b <c@d>")
@example("x" * 2000)
@example("=?utf-8?q?x?=")
def test_a_persons_name_comes_back_as_it_was(name):
    data, message = built(addresses=Addresses(Mailbox(name, "rep@dealer.example"), RECIPIENT))
    assert_sound(data)
    [found] = message["From"].addresses
    assert found.addr_spec == "rep@dealer.example"
    # The standard library's parser puts a space between the encoded words of a long name.
    assert "".join(found.display_name.split()) == "".join(name.split())


@given(st.text())
@example("Bob\r\nBcc: eve@evil.example")
def test_no_name_adds_a_header_or_an_address(name):
    _, message = built(addresses=Addresses(Mailbox(name, "rep@dealer.example"), RECIPIENT))
    assert message.keys() == built()[1].keys()
    assert [each.addr_spec for each in message["From"].addresses] == ["rep@dealer.example"]


@settings(max_examples=300)
@given(st.text(min_size=1).map(clean).filter(bool), st.binary())
@example("Rechnung März 2026.pdf", b"")
@example('quo"te.pdf', b"\r\n.\r\n")
@example("车" * 120, b"\x00")
@example("a;b=c.txt", b"--=_mixed_")
@example("=?utf-8?q?x?=.pdf", b"x" * 1000)
@example("it's 100%.pdf", b"")
@example("a  b .pdf", b"")
def test_an_attachments_name_and_bytes_come_back_as_they_were(name, content):
    data, message = built((File(name, "application/pdf", content),))
    assert_sound(data)
    [part] = message.iter_attachments()
    assert part.get_filename() == name
    assert part.get_content() == content
    assert part.get_content_disposition() == "attachment"


@given(st.text())
@example('x"\r\nX-Evil: 1')
def test_no_attachment_name_adds_a_header(name):
    _, message = built((File(name, "text/plain", b"x"),))
    [part] = message.iter_attachments()
    assert part.keys() == ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"]


@pytest.mark.parametrize(
    ("given_type", "expected", "charset"),
    [
        ("application/pdf", "application/pdf", None),
        ("text/csv; charset=iso-8859-1", "text/csv", "iso-8859-1"),
        ('Text/HTML; x=1; charset="UTF-8"', "text/html", "utf-8"),
        ("image/svg+xml", "image/svg+xml", None),
        ("message/rfc822", "application/octet-stream", None),
        ("multipart/mixed; boundary=x", "application/octet-stream", None),
        ("nonsense", "application/octet-stream", None),
        ("text/plain\r\nX-Evil: 1", "application/octet-stream", None),
        ("", "application/octet-stream", None),
    ],
)
def test_an_attachments_type_is_kept_when_it_is_one(given_type, expected, charset):
    _, message = built((File("a", given_type, b"x"),))
    [part] = message.iter_attachments()
    assert part.get_content_type() == expected
    assert part.get_content_charset() == charset
    assert part.keys() == ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@dealer.example", Mailbox("", "ann@dealer.example")),
        ("Ann Lee <ann@dealer.example>", Mailbox("Ann Lee", "ann@dealer.example")),
        ('"Lee, \\"Ann\\"" <ann@dealer.example>', Mailbox('Lee, "Ann"', "ann@dealer.example")),
        ("ann@Bücher.example", Mailbox("", "ann@xn--bcher-kva.example")),
        ("jürgen@dealer.example", Mailbox("", "jürgen@dealer.example")),
    ],
)
def test_an_address_is_read_with_its_name_and_its_domain_becomes_ascii(text, expected):
    assert parse_mailbox(text, "sender") == expected


# Invitations


def invitation(mime_type: str) -> tuple[bytes, EmailMessage]:
    content = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
    data, message = built((File("invite.ics", mime_type, content),))
    assert_sound(data)
    return data, message


@pytest.mark.parametrize(
    "mime_type", ["text/calendar; method=REQUEST; charset=UTF-8", "Text/Calendar;method=REQUEST"]
)
def test_invitation_keeps_its_method_and_charset_where_mail_programs_look_for_it(mime_type):
    data, message = invitation(mime_type)
    assert data.count(b'\r\nContent-Type: text/calendar; method=REQUEST; charset="UTF-8"\r\n') == 2
    [attached] = message.iter_attachments()
    assert attached["Content-Type"].params == {"method": "REQUEST", "charset": "UTF-8"}
    assert (attached.get_filename(), attached.get_content_disposition()) == ("invite.ics", "attachment")
    first = next(message.iter_parts())
    assert [part.get_content_type() for part in first.iter_parts()] == [
        "text/plain", "text/html", "text/calendar",
    ]  # fmt: skip
    inline = list(first.iter_parts())[-1]
    assert inline["Content-Type"] == attached["Content-Type"]
    assert inline["Content-Disposition"] is None
    assert inline.get_payload(decode=True) == attached.get_payload(decode=True)


def test_calendar_file_without_a_method_is_an_attachment_only():
    _, message = invitation("text/calendar")
    assert [part.get_content_type() for part in message.walk()].count("text/calendar") == 1


@given(st.text())
@example('text/x; a="\r\nX-Evil: 1"')
@example("text/x; boundary=x; name=y.exe; filename=z")
@example("text/x; " + "; ".join(f"p{n}={'v' * 150}" for n in range(50)))
@example('text/x; a="' + '\\"' * 100 + '"')
def test_no_type_adds_a_header_a_name_or_a_boundary(mime_type):
    data, message = built((File("a.txt", mime_type, b"x"),))
    assert_sound(data)
    [part] = message.iter_attachments()
    assert part.keys() == ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"]
    assert not {"boundary", "name", "filename"} & set(part["Content-Type"].params)
    assert (part.get_filename(), part.get_payload(decode=True)) == ("a.txt", b"x")
