"""Attachments that cannot be had: too large, too many, too slow, or refused; and whether later may help."""

import asyncio
import gzip

import pytest
from aiohttp import web

from messages.errors import AttachmentError
from messages.outgoing import Attachment
from tests.integration.attachment_servers import answering, at, failure, failure_of, fetched, fetched_raw
from tests.servers.tls import untrusted
from tests.servers.twilio import RawServer
from worker.channels.fetch import AttachmentFetcher

# Size, number and time


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


def test_too_many_attachments_are_refused_with_their_number_and_the_limit():
    async def main() -> None:
        await AttachmentFetcher(max_files=2).fetch_all([Attachment("a", None, None, content=b"")] * 3)

    with pytest.raises(AttachmentError, match="There are 3 attachments; at most 2"):
        asyncio.run(main())


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


# Errors


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


_OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "sentence", "temporary"),
    [
        (_OK + b"X: " + b"x" * 200_000 + b"\r\n\r\n", "sent a header of more than 65,536 bytes", False),
        (_OK + b"X: 1\r\n" * 5000 + b"\r\n", "sent too many headers", False),
        (
            _OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello again",
            "more bytes than its Content-Length says",
            False,
        ),
        (_OK + b"Content-Length: 5\r\n\r\nhello again", "not valid HTTP, or longer than it said", True),
        (_OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello", "not valid HTTP", True),
        (b"garbage\r\n\r\n", "not valid HTTP", True),
        (_OK + b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx", "compressed it (br)", False),
        (_OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", "and it is not", False),
        (_OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"x" * 99)[:20], "ended too early", True),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx", "206 Partial Content", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "204 No Content", False),
        (b"HTTP/1.1 300 Multiple Choices\r\nContent-Length: 0\r\n\r\n", "300 Multiple Choices", False),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "302 Found", False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_answer_that_cannot_be_taken_ends_in_a_sentence_that_says_why(answer, sentence, temporary):
    with pytest.raises(AttachmentError) as caught:
        fetched_raw(answer)
    assert sentence in caught.value.reason
    assert caught.value.temporary is temporary


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
    async def main() -> None:
        async with untrusted() as url:
            fetcher = AttachmentFetcher(allowed_hosts=["localhost"], timeout=3)
            try:
                await fetcher.fetch(at(f"{url}/x"), 1000)
            finally:
                await fetcher.close()

    with pytest.raises(AttachmentError, match="certificate"):
        asyncio.run(main())


def test_no_error_tells_the_user_password_path_or_query_of_a_url():
    error = failure(answering(status=404), "/private-path?token=tokensecret", user="user:passw@")
    for secret in ("user", "passw", "private-path", "tokensecret"):
        assert secret not in error.reason
