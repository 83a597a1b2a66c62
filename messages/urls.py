"""What a URL among the settings must look like. What is said of a wrong one shows no part of it.

A password that holds `/`, `@` or `#` unescaped ends up as a host or a port, and the libraries' own errors
would show it there.
"""

import re
from urllib.parse import SplitResult, parse_qs, urlsplit

from messages.broker_connection import broker_connection

_ESCAPES = "in a password, write / as %2F, @ as %40, # as %23"

_HOST = r"(?:\[[^]/?@]+\]|[^:,/?@]*)(?::[0-9]*)?"

#: As SQLAlchemy reads it, but with several hosts, a port that is a number, and no second `@`.
_POSTGRESQL = re.compile(
    r"(?P<head>postgresql\+psycopg://([^:/@]*(:[^@]*)?@)?)"
    rf"(?P<hosts>{_HOST}(,{_HOST})*)(?P<tail>(/[^?@]*)?(\?.*)?)"
)


def check_web_address(value: str) -> None:
    """Raise ValueError unless it is `http://…` or `https://…`."""
    parts = _split(value)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it is no URL; write it like https://messages.example.com")


def check_smtp(value: str) -> None:
    """Raise ValueError unless it is `smtp://…` or `smtps://…`."""
    parts = _split(value)
    if parts is None or parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError(f"must be smtp://[user:password@]host[:port] or smtps://…; {_ESCAPES}")


def check_database(value: str) -> None:
    """Raise ValueError unless it is the URL of a SQLite file, or of a PostgreSQL."""
    if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("must begin with sqlite:/// or postgresql+psycopg://")
    if not value.startswith("sqlite:") and not _POSTGRESQL.fullmatch(value):
        raise ValueError(f"must be postgresql+psycopg://user:password@host[:port]/name; {_ESCAPES}")


def hosts_in_query(url: str) -> str:
    """Return the URL of a PostgreSQL with several hosts as SQLAlchemy reads it: `?host=a,b&port=5432,5432`.

    They may also be given as in libpq's own URLs: `user:password@a:5432,b:5432/name`.
    """
    match = _POSTGRESQL.fullmatch(url)
    if match is None or "," not in match["hosts"]:
        return url
    parted = [_host_and_port(one) for one in match["hosts"].split(",")]
    hosts, ports = (",".join(each) for each in zip(*parted, strict=True))
    path, _, query = match["tail"].partition("?")
    return f"{match['head']}{path or '/'}?host={hosts}&port={ports}" + (f"&{query}" if query else "")


def hosts_of(url: str) -> list[tuple[str, int]]:
    """Return host and port of each server that the URL of a PostgreSQL names; sockets are left out."""
    parts = urlsplit(hosts_in_query(url))
    query = parse_qs(parts.query)
    if parts.hostname:
        hosts, ports = [parts.hostname], [str(parts.port or "")]
    else:
        hosts = ",".join(query.get("host", [])).split(",")
        ports = ",".join(query.get("port", [])).split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    pairs = [
        _host_and_port(f"{host}:{port}" if port else host) for host, port in zip(hosts, ports, strict=False)
    ]
    return [(host, int(port)) for host, port in pairs if host and not host.startswith("/")]


def _host_and_port(given: str) -> tuple[str, str]:
    host, colon, port = given.rpartition(":")
    if not colon or given.endswith("]"):
        host, port = given, ""
    return host.strip("[]"), port or "5432"


def check_broker(value: str) -> None:
    """Raise ValueError unless it is the URL of one Redis."""
    if not value.startswith(("redis://", "rediss://", "redis+socket://")):
        raise ValueError("must begin with redis://, rediss:// or redis+socket://")
    # Of several, separated by `;`, Celery would tell Flower the passwords.
    if ";" in value or _split(value) is None:
        raise ValueError(f"must be one URL, redis://[:password@]host[:port][/number]; {_ESCAPES}")
    broker_connection(value)


def _split(value: str) -> SplitResult | None:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return None
    return parts
