"""What a URL among the settings must look like. What is said of a wrong one shows no part of it.

A password that holds `/`, `@` or `#` unescaped ends up as a host or a port, and the libraries' own errors
would show it there.
"""

import re
from urllib.parse import SplitResult, urlsplit

from messages.broker_connection import broker_connection

_ESCAPES = "in a password, write / as %2F, @ as %40, # as %23"

#: As SQLAlchemy reads it, but with a port that is a number, and no second `@`.
_POSTGRESQL = re.compile(
    r"postgresql\+psycopg://([^:/@]*(:[^@]*)?@)?(\[[^]/?@]+\]|[^:/?@]*)(:[0-9]*)?(/[^?@]*)?(\?.*)?"
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
