"""Attachments fetched from real HTTP servers: content, name and type; and how the server is asked."""

import asyncio

import pytest
from aiohttp import web

from messages.errors import AttachmentError
from messages.outgoing import Attachment
from tests.integration.attachment_servers import OK, answering, fetched
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
