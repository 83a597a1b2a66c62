"""httptools' parser, without protocol upgrades, and the checks of a head that httptools leaves out."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import httptools

#: A header field: its name in lower case, and its value.
Field = tuple[bytes, bytes]

#: RFC 3986: a registered name, an IPv4 address, or an IPv6 address in brackets; no user, no blanks.
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]+)(?::[0-9]{0,5})?")

#: How many Hosts are remembered: they are the same few in every request.
_REMEMBERED = 64

_MAX_PORT = 65_535


class BadHead(Exception):
    """A head that is answered with `code` in place of being served."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class RequestParser:
    """Parses requests; an offer to change to another protocol (`Upgrade`) is ignored (RFC 9110, 7.8).

    httptools takes such a request to end with its head, and what follows, the body included, for the other
    protocol. So the head is parsed again without the offer. Java's HttpClient offers h2c by default.
    """

    # httptools' own functions: a method in between would be called several times per request.
    get_http_version: Callable[[], str]
    get_method: Callable[[], bytes]
    should_keep_alive: Callable[[], bool]

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._begin()

    def _begin(self) -> None:
        self._parser = parser = httptools.HttpRequestParser(self._protocol)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.get_http_version, self.get_method = parser.get_http_version, parser.get_method
        self.should_keep_alive = parser.should_keep_alive

    def feed_data(self, data: bytes) -> None:
        """Parse. Raises httptools.HttpParserError; for CONNECT httptools.HttpParserUpgrade."""
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if not self.is_offered_upgrade():
                    raise
                rest = data[upgrade.args[0] :]
                head = self._head_without_offer()
                self._begin()
                self._parser.feed_data(head)
                data = rest
            else:
                return

    def is_offered_upgrade(self) -> bool:
        """Whether the head that was just parsed has such an offer, and comes again without it."""
        return bool(self._parser.should_upgrade()) and self._parser.get_method() != b"CONNECT"

    def should_upgrade(self) -> bool:
        """Whether to change the protocol: never."""
        return False

    def _head_without_offer(self) -> bytes:
        line = b" ".join((self.get_method(), self._protocol.url, b"HTTP/" + self.get_http_version().encode()))
        fields = [b": ".join(field) for field in _without_offer(self._protocol.headers)]
        return b"\r\n".join((line, *fields, b"", b""))


def _without_offer(fields: Iterable[Field]) -> Iterable[Field]:
    for name, value in fields:
        if name == b"connection":
            options = [option.strip() for option in value.split(b",")]
            kept = [o for o in options if o.lower() not in {b"upgrade", b"http2-settings"}]
            if kept:
                yield name, b", ".join(kept)
        elif name not in {b"upgrade", b"http2-settings"}:
            yield name, value


def check_head(version: str, fields: Sequence[Field]) -> None:
    """Raise BadHead unless there is one valid Host and the transfer coding is `chunked` or none."""
    hosts: list[bytes] = []
    codings: list[bytes] = []
    for name, value in fields:
        if name == b"host":
            hosts.append(value)
        elif name == b"transfer-encoding":
            codings.append(value)
    if len(hosts) > 1:
        raise BadHead(400, "The request has more than one Host.")
    if not hosts and version not in {"1.0", "0.9"}:
        raise BadHead(400, "The request has no Host.")
    if hosts and not _is_host(hosts[0]):
        raise BadHead(400, "The Host is wrong; it must be a name or an address, and a port if need be.")
    if codings and codings != [b"chunked"]:
        _check_codings(b",".join(codings))


@lru_cache(_REMEMBERED)
def _is_host(value: bytes) -> bool:
    if not _HOST.fullmatch(value):
        return False
    port = value.rpartition(b":")[2]
    return not port.isdigit() or int(port) <= _MAX_PORT


def _check_codings(value: bytes) -> None:
    codings = [coding.strip().lower() for coding in value.split(b",")]
    if codings[-1] != b"chunked" and b"chunked" in codings:
        raise BadHead(400, "The transfer coding `chunked` must be the last one.")
    if codings.count(b"chunked") > 1:
        raise BadHead(400, "The transfer coding `chunked` may be given only once.")
    if not all(codings) or any(coding.startswith(b"chunked;") for coding in codings):
        raise BadHead(400, "The Transfer-Encoding is wrong; it must be `chunked`, without parameters.")
    if codings != [b"chunked"]:
        raise BadHead(501, "The only transfer coding that is implemented is `chunked`.")
