"""HTTP requests that are wrong, each as its bytes and what may come of it."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from urllib.parse import quote

from tests.fuzz.messages import dumps, malformed, not_a_message
from tests.fuzz.values import INJECTED_HEADER, INJECTIONS, ODD, PATHS, TEMPLATES, bomb

JSON = "application/json"

#: An entry of a batch has fewer bytes, so that a thousand of them are a body that is read.
_SMALL = 5_000


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. Most have to be answered; who goes away, or says nothing, need not be."""

    kind: str
    sent: bytes
    half_close: bool = False  #: close our half after that
    leave: bool = False  #: cut the connection after that
    slow: bytes = b""  #: and then this, again and again, slowly


def head(method: str = "POST", path: str = "/api/messages", **headers: object) -> bytes:
    """A head. `_` in names stands for `-`; a header given as None is left out."""
    lines: dict[str, object] = {"Host": "127.0.0.1", "Content_Type": JSON} | headers
    given = [f"{name.replace('_', '-')}: {value}" for name, value in lines.items() if value is not None]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *given, "", ""]).encode("latin-1", "replace")


def post(body: bytes, path: str = "/api/messages", **headers: object) -> bytes:
    """A whole request."""
    return head(path=path, Content_Length=len(body), **headers) + body


def _json(chance: Random) -> Request:
    return Request("a wrong field", post(dumps(malformed(chance), chance)))


def _not_a_message(chance: Random) -> Request:
    return Request("no Message", post(not_a_message(chance)))


def _batch(chance: Random) -> Request:
    """A JSON list, mostly, of which some entries are wrong; those of a long one repeat."""
    made = [b"5", *(dumps(malformed(chance), chance) for _ in range(9))]
    small = [entry for entry in made if len(entry) < _SMALL]
    entries = chance.choices(small, k=chance.choice((0, 1, 3, 50, 1001)))
    return Request("a batch", post(b"[" + b",".join(entries) + b"]", path="/api/messages/batch"))


def _type(chance: Random) -> Request:
    kinds = (
        "text/plain",
        "multipart/form-data; boundary=x",
        "",
        "application/jsonx",
        "é",
        "application/xml",
        None,
    )
    return Request("another type", post(dumps(malformed(chance), chance), Content_Type=chance.choice(kinds)))


def _encoded(chance: Random) -> Request:
    body = bomb(chance) if chance.random() < 0.7 else zlib.compress(dumps(malformed(chance), chance))
    return Request(
        "compressed", post(body, Content_Encoding=chance.choice(("gzip", "deflate", "br", "x, gzip")))
    )


def _huge(chance: Random) -> Request:
    size = chance.choice((4_000_000, 12_000_000))
    shape = chance.randrange(4)
    if shape == 0:
        return Request("announced terabytes", head(Content_Length=10**12) + b"{", half_close=True)
    if shape == 1:
        return Request("too large", post(b'{"text": "' + b"x" * size + b'"}'))
    if shape == 2:
        chunk = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
        return Request("too large, chunked", head(Transfer_Encoding="chunked") + chunk * 12, half_close=True)
    return Request("large", post(b'{"externalPhoneNumber": "' + b"8" * 1_500_000 + b'", "text": "x"}'))


def _headers(chance: Random) -> Request:
    odd = chance.choice((*ODD, *TEMPLATES, "x" * 5000, "")).replace("\0", "\x01").replace("\n", " ")
    name = chance.choice(("Idempotency_Key", "Authorization", "Host", "Origin", "X_Forwarded_For", "Cookie",
                          "Content_Length", "Transfer_Encoding", "Expect", "Upgrade"))  # fmt: skip
    body = dumps(malformed(chance), chance)[:100_000]
    return Request(
        "an odd header", head(**({"Content_Length": len(body)} | {name: odd})) + body, half_close=True
    )


def _injected(chance: Random) -> Request:
    line = chance.choice(INJECTIONS).encode("utf-8").replace(b"\n", b"\r\n")
    sent = b"GET /api/messages/x HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: " + line + b"\r\n\r\n"
    return Request("an injected header", sent, half_close=True)


def _path(chance: Random) -> Request:
    odd = chance.choice((*ODD, *PATHS, *TEMPLATES, *INJECTIONS, "a" * 30_000))
    text = (
        quote(odd.encode("utf-8", "surrogatepass"))
        if chance.random() < 0.7
        else odd.split("\r")[0].split("\n")[0]
    )
    place = chance.choice((
        "/api/messages/{}", "/api/messages/{}/redrive", "/api/messages/{}/cancel", "/{}",
        "/media/{}/{}/{}/{}",
        "/api/messages?where[status][equals]={}", "/api/messages?depth={}", "/api/messages?limit={}&page={}",
        "/api/messages?where[{}]=1", "/api/messages?page=999999999999999999999", "/static-offline-docs/{}",
        "/api/receipts/twilio/{}", "//{}", "/docs/{}", "http://evil.example/{}", "*{}",
    ))  # fmt: skip
    method = chance.choice(("GET", "GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT"))
    return Request("an odd address", head(method, place.replace("{}", text), Content_Length=0))


def _not_http(chance: Random) -> Request:
    sent = chance.choice((
        chance.randbytes(chance.choice((1, 50, 5000))),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/3.0\r\n\r\n",
        b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n",
        b"*1\r\n$8\r\nFLUSHALL\r\n",
        head()[: chance.randrange(1, 60)],
        b"POST /api/messages HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
        b"GET /" + b"a" * 200_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ))  # fmt: skip
    return Request("no HTTP", sent, half_close=True)


def _chunked(chance: Random) -> Request:
    body = chance.choice((
        b"xyz\r\n", b"-1\r\n", b"5\r\n{", b"f" * 40 + b"\r\n", b"1\r\n{}\r\n0\r\n\r\n", b"1;" + b"x" * 90_000,
        b"0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", b"0\r\n\r\n", b"1\n{\n0\n\n", b"1\r\n{\r\n" * 5000,
    ))  # fmt: skip
    both = {"Content_Length": 5} if chance.random() < 0.2 else {}
    return Request("wrong chunks", head(Transfer_Encoding="chunked", **both) + body, half_close=True)


def _broken_off(chance: Random) -> Request:
    whole = post(dumps(malformed(chance), chance)[:200_000])
    sent = whole[: chance.randrange(1, len(whole))]
    if chance.random() < 0.5:
        return Request("went away", sent, leave=True)
    return Request("closed its half", sent, half_close=True)


def _pipelined(chance: Random) -> Request:
    first = post(dumps(malformed(chance), chance)[:10_000])
    return Request(
        "one after the other", first * chance.choice((2, 50)) + b"garbage\r\n\r\n", half_close=True
    )


def _slow(chance: Random) -> Request:
    sent, slow = chance.choice((
        (head()[:-2] + f"{INJECTED_HEADER}: ".encode(), b"x"),
        (head(Content_Length=1000), b" "),
        (head(Transfer_Encoding="chunked"), b"1\r\n \r\n"),
        (b"", b""),
        (b"P", b""),
    ))  # fmt: skip
    return Request("slow", sent, slow=slow)


#: How often each comes, in a hundred or so.
KINDS: tuple[tuple[int, Callable[[Random], Request]], ...] = (
    (42, _json), (15, _not_a_message), (3, _batch), (4, _type), (3, _encoded), (1, _huge), (6, _headers),
    (3, _injected), (10, _path), (5, _not_http), (4, _chunked), (4, _broken_off), (2, _pipelined), (1, _slow),
)  # fmt: skip


def request(chance: Random) -> Request:
    """Any of them."""
    [(_, make)] = chance.choices(KINDS, [weight for weight, _ in KINDS])
    return make(chance)
