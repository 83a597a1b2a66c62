"""Attachments fetched from real HTTP servers: content, name and type; and how the server is asked."""

import asyncio
import gzip

import pytest
from aiohttp import web

from messages.errors import AttachmentError
from messages.outgoing import Attachment
from tests.integration.attachment_servers import OK, answering, fetched, fetched_raw
from worker.channels.fetch import AttachmentFetcher
from worker.channels.mime import File


def test_a_file_is_fetched_with_its_name_and_type():
    assert fetched(OK) == File("report.pdf", "application/pdf", b"content")


def test_what_was_given_goes_before_what_the_server_says():
    found = fetched(OK, given={"filename": "Angebot März.pdf", "mime_type": "application/x-offer"})
    assert found == File("Angebot März.pdf", "application/x-offer", b"content")


@pytest.mark.parametrize(
    ("disposition", "path", "name"),
    [
        ('attachment; filename="a b.pdf"', "/x", "a b.pdf"),
        ("attachment; filename=plain.pdf; filename*=UTF-8''%E2%82%AC%20rates.pdf", "/x", "€ rates.pdf"),
        ('attachment; filename="../../etc/passwd"', "/x", "passwd"),
        ('attachment; filename="C:\\\\temp\\\\x.doc"', "/x", "x.doc"),
        ("attachment", "/a/price%20list.pdf?token=secret", "price list.pdf"),
        ("nonsense;;;=", "/a/b.txt", "b.txt"),
        ('attachment; filename=""', "/", "attachment"),
        (f'attachment; filename="{"x" * 300}.pdf"', "/x", "x" * 116 + ".pdf"),
    ],
)
def test_the_name_is_the_servers_else_the_urls_and_always_safe(disposition, path, name):
    found = fetched(answering(body=b"1", headers={"Content-Disposition": disposition}), path)
    assert found.filename == name


def test_a_type_that_the_server_does_not_say_is_guessed_from_the_name():
    empty = answering(body=b"1", headers={"Content-Type": ""})
    assert fetched(empty, "/photo.png").mime_type == "image/png"
    assert fetched(empty, "/photo.qqq").mime_type == "application/octet-stream"


def test_content_that_is_held_is_taken_as_it_is_within_the_limit():
    async def main() -> list[File]:
        fetcher = AttachmentFetcher(max_bytes=10)
        held = Attachment("a-1", "../x.txt", None, content=b"12345")
        bare = Attachment("a-2", None, None, content=b"12345")
        files = await fetcher.fetch_all([held, bare])
        with pytest.raises(AttachmentError, match="come to 15 bytes; at most 10") as caught:
            await fetcher.fetch_all([held, bare, bare])
        assert caught.value.temporary is False
        await fetcher.close()
        return files

    assert asyncio.run(main()) == [
        File("x.txt", "text/plain", b"12345"),
        File("attachment", "application/octet-stream", b"12345"),
    ]


def test_no_compression_is_asked_for_and_we_say_who_we_are():
    seen: dict[str, str] = {}

    async def handler(request: web.Request) -> web.Response:
        seen.update(request.headers)
        return web.Response(body=b"1")

    fetched(handler, user_agent="Roundsman/1")
    assert seen["Accept-Encoding"] == "identity"
    assert seen["User-Agent"] == "Roundsman/1"


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert fetched(OK).content == b"content"


@pytest.mark.parametrize(
    ("path", "content_type", "given", "name"),
    [
        ("/17", "application/pdf", {}, "17.pdf"),
        ("/download.php?file=report.pdf", "application/pdf", {}, "download.pdf"),
        ("/download.php", "application/octet-stream", {}, "download.php"),
        ("/17", "application/pdf", {"filename": "Offer 1/2"}, "Offer 1-2.pdf"),
        ("/17", "text/html", {"mime_type": "application/pdf"}, "17.pdf"),
        ("/17", 'application/pdf; name="offer.pdf"', {}, "offer.pdf"),
        ("/letter.docx", "application/zip", {}, "letter.docx"),
    ],
)
def test_name_gets_the_extension_of_the_type_that_the_server_says(path, content_type, given, name):
    server = answering(body=b"1", headers={"Content-Type": content_type})
    assert fetched(server, path, given=given).filename == name


def test_name_in_a_content_disposition_by_rfc_2047_is_decoded():
    disposition = 'attachment; filename="=?UTF-8?B?w5xiZXJibGljay5wZGY=?="'
    found = fetched(answering(body=b"1", headers={"Content-Disposition": disposition}), "/x")
    assert found.filename == "Überblick.pdf"


def test_parameters_of_the_answers_type_are_kept():
    server = answering(body=b"1", headers={"Content-Type": "text/calendar; method=REQUEST; charset=utf-8"})
    found = fetched(server, "/invite")
    assert (found.filename, found.mime_type) == (
        "invite.ics",
        'text/calendar; method=REQUEST; charset="utf-8"',
    )


@pytest.mark.parametrize(
    ("path", "content_type", "packed"),
    [
        ("/data.tar.gz", "application/x-gzip", True),
        ("/data.tar.gz", "application/x-tar", True),
        ("/data.tgz", "application/octet-stream", True),
        ("/17", "application/gzip", True),
        ("/data.csv", "text/csv", False),
        ("/data.tar", "application/x-tar", False),
    ],
)
def test_gzip_file_stays_packed_and_any_other_is_unpacked(path, content_type, packed):
    body = gzip.compress(b"hello") + gzip.compress(b" again")  # of two members, as `cat` makes it
    server = answering(body=body, headers={"Content-Type": content_type, "Content-Encoding": "gzip"})
    assert fetched(server, path).content == (body if packed else b"hello again")


# What servers do that is unusual, and right all the same


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 203 Non-Authoritative Information\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Encoding: utf-8\r\n\r\nhello",
    ],
    ids=["203", "no reason", "HTTP 1.0", "bare LF", "103 before", "long header", "encoding that is none"],
)
def test_unusual_answer_is_taken(answer):
    assert fetched_raw(answer).content == b"hello"
