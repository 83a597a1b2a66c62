"""Attachments are fetched only from where it is allowed: public ones, or hosts that are listed."""

import pytest
from aiohttp import web
from yarl import URL

from tests.integration.attachment_servers import OK, at, failure, failure_of, fetched, redirecting
from worker.channels import fetch as fetch_module
from worker.channels.fetch import public_socket
from worker.channels.fetch_errors import NotPublicError


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://host/x", "gopher://x", "/relative", "", "http://", "http://[x", "data:,x"],
)
def test_only_web_addresses_are_fetched(url):
    error = failure_of(at(url))
    assert error.temporary is False
    assert "http" in error.reason


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


# Redirects


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


def test_the_limit_of_redirects_is_the_documented_one():
    assert fetch_module.MAX_REDIRECTS == 5


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


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[x"])
def test_a_redirect_to_what_is_no_web_address_is_refused(location):
    assert failure(redirecting(location)).temporary is False
