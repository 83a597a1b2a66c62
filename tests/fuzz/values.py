"""What stands where it should not. Everything is drawn from a `random.Random`: a seed repeats it."""

import base64
import gzip
import zlib
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any


class Raw(str):
    """JSON as it stands, not a string: `NaN`, `1e999`, a number of a thousand digits."""

    __slots__ = ()


#: Would be 1337 if anybody evaluated it; a provider that gets 1337 shows that somebody did.
SUM = "{{ 7 * 191 }}"
EVALUATED = "1337"

#: Nobody may ever get an e-mail there, or with this header.
INJECTED = "injected@injected.example"
INJECTED_HEADER = "X-Injected"

WRONG_TYPES = (True, False, 0, -1, 1.5, [], {}, "", " ", [[]], [None], {"$ne": 1}, ["a"], {"id": []}, "null")

NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "-0", "9" * 400, "1" + "0" * 5000, "0x10", "01", "1e-400")

TEMPLATES = (
    SUM,
    "{% for i in range(999999999) %}x{% endfor %}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{% include '/etc/passwd' %}",
    "{{ config }}{{ self._TemplateReference__context }}",
    "{{ 'x' * 999999999 }}",
    "#{7*191}${7*191}<%= 7*191 %>",
    "{% raw %}",
    "{#",
)

PATHS = (
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "plain/../../worker/celery.py",
    "/etc/passwd",
    "\\\\server\\share",
    "file:///etc/passwd",
    "plain\0.txt",
    "_base",
    "_base/email",
    ".",
    "plain/default/../../../README.md",
    "C:\\windows\\win.ini",
)

INJECTIONS = (
    f"a@b.example\r\nBcc: {INJECTED}",
    f"a@b.example\nTo: {INJECTED}\n\nbody",
    f'"x\r\nBcc: {INJECTED}"@b.example',
    f"Dana <{INJECTED}>, {INJECTED}",
    f"804-222-1111\r\n{INJECTED_HEADER}: 1",
    f"Dana\r\n{INJECTED_HEADER}: 1\r\n\r\n<script>alert(1)</script>",
    f"=?utf-8?q?=0D=0ABcc:_{INJECTED}?=",
    f"x\u2028{INJECTED_HEADER}: 1\u0085{INJECTED_HEADER}: 2",
    "a@b.example>\r\nRCPT TO:<injected@injected.example",
)

ODD = (
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "\u202egnp.exe",
    "\ufeff",
    "é" * 300,
    "👩‍👩‍👧‍👦" * 50,
    "z" + "\u0300" * 5000,
    "'; DROP TABLE messages; --",
    "<script>alert(1)</script>",
    "\x1b[2J\x07",
    "\x7f\x80\x9f",
)


def nested(depth: int, chance: Random) -> Raw:
    """So many levels of lists or objects."""
    if chance.random() < 0.5:
        return Raw("[" * depth + "]" * depth)
    return Raw('{"a":' * depth + "1" + "}" * depth)


def bomb(chance: Random) -> bytes:
    """Some kilobytes that unpack to megabytes."""
    return _packed(chance.choice((1_000_000, 20_000_000)), chance.choice(("gzip", "zlib")))


@cache
def _packed(size: int, how: str) -> bytes:
    """Made once: packing twenty megabytes takes longer than the answer to them."""
    return gzip.compress(bytes(size), 6, mtime=0) if how == "gzip" else zlib.compress(bytes(size), 6)


def long_text(chance: Random) -> str:
    """A hundred kilobytes, or one megabyte, of one kind."""
    piece = chance.choice(
        ("1", "+1", "8", "@", "a.", "x@", "{{", "%41", "é", "\t", " a", "xn--", "(", "é@é.")
    )
    return piece * (chance.choice((100_000, 1_000_000)) // len(piece))


def attachments(chance: Random) -> Any:
    """What pretends to be a list of attachments."""
    packed = base64.b64encode(bomb(chance)).decode()
    choices: list[Callable[[], Any]] = [
        lambda: [{"content": packed, "filename": "bomb.zip", "size": 10**18, "mimeType": "application/zip"}],
        lambda: [f"data:application/gzip;base64,{packed}"],
        lambda: [f"data:text/plain;name=a.txt,{'%41' * 300_000}"],
        lambda: ["data:text/plain;base64," + "Q Q= =\n" * 20_000],
        lambda: ["data:;;;;;base64;base64,,,,", "data:", "data:,", "data:x/y;base64,%%%"],
        lambda: [{"content": "A" * 1_000_001}],
        lambda: ["https://127.0.0.1:1/x"] * chance.choice((11, 10_000)),
        lambda: [0] * 100_000,
        lambda: [{"url": chance.choice(PATHS)}],
        lambda: [{"url": "http://169.254.169.254/latest/meta-data/", "filename": chance.choice(PATHS)}],
        lambda: [{"url": "http://[::1/", "mimeType": f"text/html\r\n{INJECTED_HEADER}: 1"}],
        lambda: [{"content": "QQ==", "filename": chance.choice(INJECTIONS), "mimeType": "a/b"}],
        lambda: [{"content": "QQ==", "url": "https://x.example/"}],
        lambda: [{"id": "never-given"}, chance.choice(WRONG_TYPES)],
        lambda: [nested(chance.choice((60, 5000)), chance)],
    ]
    return chance.choice(choices)()


def value(chance: Random) -> Any:
    """Anything."""
    kinds: list[tuple[int, Callable[[], Any]]] = [
        (6, lambda: chance.choice(WRONG_TYPES)),
        (3, lambda: Raw(chance.choice(NUMBERS))),
        (4, lambda: chance.choice(TEMPLATES)),
        (4, lambda: chance.choice(PATHS)),
        (6, lambda: chance.choice(INJECTIONS)),
        (5, lambda: chance.choice(ODD)),
        (1, lambda: long_text(chance)),
        (2, lambda: nested(chance.choice((10, 60, 1100, 50_000)), chance)),
        (1, lambda: {f"key{n}": n for n in range(10_000)}),
        (2, lambda: {"id": chance.choice((*INJECTIONS, *ODD, *WRONG_TYPES)), "lead": {"id": 5}}),
        (1, lambda: {chance.choice((*ODD, *TEMPLATES)): chance.choice(ODD)}),
    ]
    [(_, make)] = chance.choices(kinds, [weight for weight, _ in kinds])
    return make()
