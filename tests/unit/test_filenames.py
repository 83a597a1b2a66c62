"""Names of attachments: sent as given, safe, and with an extension by which they can be opened."""

import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from messages.filenames import MAX_LENGTH, clean, file_name, file_type

OFFICE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest.mark.parametrize(
    ("given_name", "mime_type", "sent"),
    [
        ("17", "application/pdf", "17.pdf"),
        (None, "application/pdf", "attachment.pdf"),
        (None, "text/plain", "attachment.txt"),
        (None, "text/calendar; method=REQUEST", "attachment.ics"),
        ("letter", OFFICE, "letter.docx"),
        ("Version 1.2", "application/pdf", "Version 1.2.pdf"),
        ("Offer for Dr.Smith", "application/pdf", "Offer for Dr.Smith.pdf"),
        ("x" * 200, "application/pdf", "x" * 116 + ".pdf"),
        ("photo", "image/jpeg", "photo.jpg"),
    ],
)
def test_name_without_an_extension_gets_that_of_its_type(given_name, mime_type, sent):
    assert file_name(given_name, mime_type=mime_type) == sent


@pytest.mark.parametrize(
    ("given_name", "mime_type", "sent"),
    [
        ("download.php", "application/pdf", "download.pdf"),
        ("Report.ASPX", "text/csv; charset=utf-8", "Report.csv"),
        ("show.do", "image/png", "show.png"),
        ("get.jsp", OFFICE, "get.docx"),
        ("x.cgi", "text/html", "x.html"),
        ("download.php", "application/octet-stream", "download.php"),
        ("index.php", "application/x-httpd-php", "index.php"),
    ],
)
def test_extension_of_a_server_script_becomes_that_of_the_type(given_name, mime_type, sent):
    assert file_name(given_name, mime_type=mime_type) == sent


@pytest.mark.parametrize(
    ("given_name", "mime_type"),
    [
        ("photo.jpeg", "image/jpeg"),
        ("prices.csv", "text/plain"),
        ("letter.docx", "application/zip"),
        ("letter.docx", "application/octet-stream"),
        ("letter", "application/octet-stream"),
        ("archive.tar.gz", "application/gzip"),
        ("archive.tgz", "application/x-gzip"),
        ("page.htm", "text/html"),
        ("NOTES.TXT", "text/plain"),
        ("drawing.dwg", "application/pdf"),
        ("letter", None),
        ("letter", "example/unknown"),
    ],
)
def test_name_with_an_extension_or_without_a_known_type_stays(given_name, mime_type):
    assert file_name(given_name, mime_type=mime_type) == given_name


@pytest.mark.parametrize(
    ("given_name", "sent"),
    [
        ("/etc/passwd", "passwd"),
        ("./a/b.pdf", "b.pdf"),
        ("../../b.pdf", "b.pdf"),
        ("C:/Users/ann/b.pdf", "b.pdf"),
        ("C:\\Users\\ann\\b.pdf", "b.pdf"),
        ("Offer 12\\b.pdf", "b.pdf"),
        ("Offer 12/2026.pdf", "Offer 12-2026.pdf"),
        ("1/2 price.pdf", "1-2 price.pdf"),
        ("a/../b.pdf", "a-..-b.pdf"),
        ("Offer 12/", "Offer 12"),
        ("..", "attachment"),
        ("\u200b\u200d", "attachment"),
    ],
)
def test_path_loses_its_folders_and_any_other_slash_becomes_a_hyphen(given_name, sent):
    assert file_name(given_name) == sent


@pytest.mark.parametrize(
    "name",
    [
        "👨\u200d👩\u200d👧 family.pdf",
        "می\u200cخواهم.pdf",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f.png",
        "\U0001fae9.png",  # Unicode 16
        "\U0001fac8.png",  # Unicode 17
        "❤️.png",
        "車" * 50 + ".pdf",
    ],
)
def test_emoji_and_joiners_survive(name):
    assert file_name(name) == name


@pytest.mark.parametrize(
    "control", list("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
)
def test_bidirectional_controls_are_removed(control):
    assert file_name(f"invoice{control}fdp.exe") == "invoicefdp.exe"


@pytest.mark.parametrize(
    ("given_name", "sent"),
    [
        ("=?UTF-8?B?w5xiZXJibGljay5wZGY=?=", "Überblick.pdf"),
        ("=?utf-8?q?=C3=9Cber?= =?utf-8?q?blick.pdf?=", "Überblick.pdf"),
        ("=?iso-8859-1?Q?=DCberblick.pdf?=", "Überblick.pdf"),
        ("=?UTF-8?B?QS9CLnBkZg==?=", "A-B.pdf"),
        ("=?UTF-8?B?Li4vLi4veC5wZGY=?=", "x.pdf"),
        ("UTF-8''%C3%9Cberblick.pdf", "Überblick.pdf"),
        ("iso-8859-1'de'%DCberblick.pdf", "Überblick.pdf"),
        ("=?no-such-charset?B?QUJD?=.pdf", "=?no-such-charset?B?QUJD?=.pdf"),
        ("100%25 off.pdf", "100%25 off.pdf"),
        ("what=?.pdf", "what=?.pdf"),
    ],
)
def test_name_as_headers_write_it_is_decoded_and_any_other_stays(given_name, sent):
    assert file_name(given_name) == sent


@pytest.mark.parametrize(
    ("disposition", "sent"),
    [
        ('attachment; filename="=?UTF-8?B?w5xiZXJibGljay5wZGY=?="', "Überblick.pdf"),
        ("attachment; filename*=UTF-8''%C3%9Cberblick.pdf; filename=old.pdf", "Überblick.pdf"),
        ("attachment; filename*0*=UTF-8''%C3%9Cber; filename*1=blick.pdf", "Überblick.pdf"),
        ('attachment; filename="Überblick.pdf"', "Überblick.pdf"),
        ('attachment; filename="\udcdcberblick.pdf"', "Überblick.pdf"),  # Latin-1 on the wire
        ("attachment; filename=my file.pdf", "my file.pdf"),
        ('attachment; filename="a;b.pdf"', "a;b.pdf"),
        ("attachment; filename*=no-such-charset''x.pdf", "x.pdf"),
    ],
)
def test_name_in_a_content_disposition_is_decoded(disposition, sent):
    assert file_name(None, disposition, "/files/last.pdf") == sent


def test_content_disposition_of_any_length_takes_no_time():
    began = time.perf_counter()
    assert len(file_name(None, 'attachment; filename="' + '\\";' * 20_000)) <= MAX_LENGTH
    assert time.perf_counter() - began < 0.5


def test_name_comes_from_the_first_source_that_has_one():
    disposition, typed, path = 'attachment; filename="d.pdf"', "application/pdf; name=t.pdf", "/p.pdf"
    assert file_name("g.pdf", disposition, path, mime_type=typed) == "g.pdf"
    assert file_name("", disposition, path, mime_type=typed) == "d.pdf"
    assert file_name(None, "attachment", path, mime_type=typed) == "t.pdf"
    assert file_name(None, None, path, mime_type="application/pdf") == "p.pdf"


@given(st.text(), st.sampled_from([None, "application/pdf", "text/plain", "text/html; charset=utf-8"]))
@example("=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3F=3D?=", "application/pdf")
@example("x.php.php", "application/pdf")
def test_name_is_one_safe_file_name(name, mime_type):
    found = file_name(name, mime_type=mime_type)
    assert 0 < len(found) <= MAX_LENGTH
    assert not {"/", "\\", "\r", "\n", "\0"} & set(found)
    assert all(unicodedata.bidirectional(each) not in {"RLO", "LRO", "RLE", "LRE", "PDF"} for each in found)
    assert clean(found) == found


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("a.pdf", "application/pdf"),
        ("a.docx", OFFICE),
        ("a.tar.gz", "application/gzip"),
        ("a.ics", "text/calendar"),
        ("a.jpeg", "image/jpeg"),
        ("a.qqq", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_type_that_nobody_says_is_that_of_the_extension(name, mime_type):
    assert file_type(None, name=name) == mime_type
