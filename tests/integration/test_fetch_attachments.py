"""Attachments fetched from real HTTP servers: only from where it is allowed, and never more than allowed."""

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trustme
from aiohttp import web
from yarl import URL

from messages.errors import AttachmentError
from messages.outgoing import Attachment
from tests.servers.twilio import RawServer
from worker.channels import fetch as fetch_module
from worker.channels.fetch import AttachmentFetcher, public_socket
from worker.channels.fetch_errors import NotPublicError
from worker.channels.mime import File

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def at(url: str, **given: Any) -> Attachment:
    return Attachment(**{"id": "a-1", "filename": None, "mime_type": None, "url": url, **given})


def fetched(
    handler: Handler,
    path: str = "/files/report.pdf",
    *,
    budget: int = 1000,
    given: dict[str, Any] | None = None,
    allowed: str | None = "127.0.0.1",
    user: str = "",
    **options: Any,
) -> File:
    """Fetch `path` from a server that answers with `handler`."""

    async def main() -> File:
        runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        fetcher = AttachmentFetcher(
            allowed_hosts=[allowed.format(port=port)] if allowed else [],
            **{"max_bytes": 1000, "timeout": 3, **options},
        )
        try:
            return await fetcher.fetch(at(f"http://{user}127.0.0.1:{port}{path}", **(given or {})), budget)
        finally:
            await fetcher.close()
            await runner.cleanup()

    return asyncio.run(main())


def failure(handler: Handler, path: str = "/f", **options: Any) -> AttachmentError:
    with pytest.raises(AttachmentError) as caught:
        fetched(handler, path, **options)
    return caught.value


def failure_of(attachment: Attachment, **options: Any) -> AttachmentError:
    async def main() -> None:
        fetcher = AttachmentFetcher(**{"timeout": 3, **options})
        try:
            await fetcher.fetch(attachment, 1000)
        finally:
            await fetcher.close()

    with pytest.raises(AttachmentError) as caught:
        asyncio.run(main())
    return caught.value


def answering(*args: Any, **kwargs: Any) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(*args, **kwargs)

    return handler


def redirecting(*locations: str, status: int = 302) -> Handler:
    """Redirect along `locations`, then answer with a file."""
    steps = iter(locations)

    async def handler(request: web.Request) -> web.Response:
        location = next(steps, None)
        if location is None:
            return web.Response(body=b"found")
        return web.Response(status=status, headers={"Location": location})

    return handler


OK = answering(body=b"content", content_type="application/pdf")


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


def test_a_private_address_is_refused_unless_its_host_is_allowed():
    error = failure(OK, allowed=None)
    assert error.temporary is False
    assert "127.0.0.1" in error.reason
    assert "ATTACHMENT_HOSTS" in error.reason
    assert fetched(OK, allowed="127.0.0.1:{port}").content == b"content"
    assert failure(OK, allowed="127.0.0.1:1").temporary is False
    assert failure(OK, allowed="other.example").temporary is False


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "[fd00::1]",
        "[64:ff9b::7f00:1]",
        "[fe80::1]",
    ],
)
def test_no_way_of_writing_a_private_address_gets_through(host):
    error = failure_of(at(f"http://{host}:9/latest/meta-data?secret=1"))
    assert error.temporary is False
    assert "not a public address" in error.reason or "not valid" in error.reason
    assert "secret" not in error.reason


def test_the_address_is_checked_on_the_socket_that_is_connected():
    with pytest.raises(NotPublicError):
        public_socket((2, 1, 6, "", ("127.0.0.1", 80)))
    public_socket((2, 1, 6, "", ("93.184.215.14", 80))).close()


@pytest.mark.parametrize(
    "location",
    ["http://localhost:{port}/x", "http://169.254.169.254/latest/meta-data", "http://[::1]:{port}/"],
)
def test_a_redirect_to_a_private_address_is_refused_even_from_an_allowed_host(location):
    async def handler(request: web.Request) -> web.Response:
        port = URL(str(request.url)).port
        return web.Response(status=302, headers={"Location": location.format(port=port)})

    error = failure(handler)
    assert error.temporary is False
    assert "not a public address" in error.reason


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status):
    assert fetched(redirecting("/a", "b", "?c", status=status)).content == b"found"


def test_the_name_comes_from_where_the_redirect_led():
    assert fetched(redirecting("/final/Brochure.pdf")).filename == "Brochure.pdf"


def test_no_more_than_five_redirects_are_followed():
    assert fetched(redirecting(*"abcde")).content == b"found"
    error = failure(redirecting(*"abcdef"))
    assert error.temporary is False
    assert "5 times" in error.reason


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[x"])
def test_a_redirect_to_what_is_no_web_address_is_refused(location):
    assert failure(redirecting(location)).temporary is False


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://host/x", "gopher://x", "/relative", "", "http://", "http://[x", "data:,x"],
)
def test_only_web_addresses_are_fetched(url):
    error = failure_of(at(url))
    assert error.temporary is False
    assert "http" in error.reason


@pytest.mark.parametrize(
    ("status", "temporary"),
    [
        *((status, False) for status in (204, 304, 400, 401, 403, 404, 410)),
        *((status, True) for status in (408, 425, 429, 500, 502, 503, 599)),
    ],
)
def test_an_http_error_names_the_status_and_says_whether_later_may_help(status, temporary):
    error = failure(answering(status=status))
    assert error.temporary is temporary
    assert str(status) in error.reason


def test_a_file_announced_too_large_is_refused_before_it_is_read_with_size_and_limit():
    async def never_ending(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "5000"})
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    error = failure(never_ending, budget=900, max_bytes=1000)
    assert error.temporary is False
    assert (
        error.reason
        == "The attachments come to 5,100 bytes; at most 1,000 are allowed (ATTACHMENT_MAX_BYTES)"
    )


def test_a_file_that_does_not_say_its_size_is_stopped_at_the_limit():
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 500)

    error = failure(endless)
    assert error.temporary is False
    assert "at least" in error.reason
    assert "1,000" in error.reason


def test_a_file_of_exactly_the_limit_is_taken():
    assert len(fetched(answering(body=b"x" * 1000)).content) == 1000


def test_the_size_that_counts_is_that_after_decompression():
    bomb = gzip.compress(b"\0" * 50_000_000)
    error = failure(
        answering(body=bomb, headers={"Content-Encoding": "gzip"}), max_bytes=100_000, budget=100_000
    )
    assert error.temporary is False
    assert "100,000" in error.reason
    small = answering(body=gzip.compress(b"hello"), headers={"Content-Encoding": "gzip"})
    assert fetched(small).content == b"hello"


def test_no_compression_is_asked_for_and_we_say_who_we_are():
    seen: dict[str, str] = {}

    async def handler(request: web.Request) -> web.Response:
        seen.update(request.headers)
        return web.Response(body=b"1")

    fetched(handler, user_agent="Roundsman/1")
    assert seen["Accept-Encoding"] == "identity"
    assert seen["User-Agent"] == "Roundsman/1"


def test_a_slow_file_is_given_up_at_the_time_out_and_may_be_tried_again():
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.02)

    error = failure(drip, timeout=0.3)
    assert error.temporary is True
    assert "0.3 seconds" in error.reason


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", b"garbage\r\n\r\n"]
)
def test_a_connection_that_is_lost_may_be_tried_again(answer):
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async def main() -> None:
        async with RawServer(script) as server:
            fetcher = AttachmentFetcher(allowed_hosts=["127.0.0.1"], timeout=3)
            try:
                await fetcher.fetch(at(server.url), 1000)
            finally:
                await fetcher.close()

    with pytest.raises(AttachmentError) as caught:
        asyncio.run(main())
    assert caught.value.temporary is True


def test_a_host_that_is_down_or_not_found_may_be_tried_again():
    assert failure_of(at("http://127.0.0.1:1/x"), allowed_hosts=["127.0.0.1"]).temporary is True
    error = failure_of(at("http://nowhere.invalid/x?secret=1"))
    assert error.temporary is True
    assert "nowhere.invalid" in error.reason
    assert "secret" not in error.reason


def test_a_certificate_nobody_vouches_for_is_refused():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    async def main() -> None:
        server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            fetcher = AttachmentFetcher(allowed_hosts=["localhost"], timeout=3)
            try:
                await fetcher.fetch(at(f"https://localhost:{port}/x"), 1000)
            finally:
                await fetcher.close()

    with pytest.raises(AttachmentError, match="certificate"):
        asyncio.run(main())


def test_no_error_tells_the_user_password_path_or_query_of_a_url():
    error = failure(answering(status=404), "/private-path?token=tokensecret", user="user:passw@")
    for secret in ("user", "passw", "private-path", "tokensecret"):
        assert secret not in error.reason


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert fetched(OK).content == b"content"


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


def test_too_many_attachments_are_refused_with_their_number_and_the_limit():
    async def main() -> None:
        await AttachmentFetcher(max_files=2).fetch_all([Attachment("a", None, None, content=b"")] * 3)

    with pytest.raises(AttachmentError, match="There are 3 attachments; at most 2"):
        asyncio.run(main())


def test_the_time_out_is_for_all_attachments_together():
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.2)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")

    async def main() -> None:
        async with RawServer(script) as server:
            fetcher = AttachmentFetcher(allowed_hosts=["127.0.0.1"], timeout=0.5)
            try:
                await fetcher.fetch_all([at(server.url)] * 5)
            finally:
                await fetcher.close()

    with pytest.raises(AttachmentError) as caught:
        asyncio.run(main())
    assert caught.value.temporary is True


def test_the_limit_of_redirects_is_the_documented_one():
    assert fetch_module.MAX_REDIRECTS == 5
