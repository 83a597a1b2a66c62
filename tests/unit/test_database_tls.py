"""A remote PostgreSQL that is not verified gets one warning, which shows no secret."""

import logging

import pytest

from messages.database_tls import WARNED, warn_unless_verified, warning_of

AT = "postgresql+psycopg://ann:s3cret@"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        (AT + "db.example/roundsman", "db.example"),
        (AT + "db.example:5433/roundsman?sslmode=require", "db.example"),
        (AT + "db.example/roundsman?sslmode=verify-ca", "db.example"),
        (AT + "10.0.0.5", "10.0.0.5"),
        (AT + "[2001:db8::1]:5432/x", "2001:db8::1"),
        (AT + "a.example:1,b.example:2/x?target_session_attrs=read-write", "a.example, b.example"),
        (AT + "localhost,b.example/x", "b.example"),
        ("postgresql+psycopg://ann:s3cret@/x?host=a.example,b.example", "a.example, b.example"),
        ("postgresql+psycopg://ann:s3cret@/x?host=a.example:1&host=/run/postgresql", "a.example"),
        ("postgresql+psycopg://ann:a/s3cret#c@db.example/x", "db.example"),
    ],
)
def test_remote_server_that_is_not_verified_is_named(url, hosts):
    warning = warning_of(url, {})
    assert warning is not None
    assert f"PostgreSQL at {hosts} is not verified" in warning
    assert "sslmode=verify-full" in warning
    assert "s3cret" not in warning


@pytest.mark.parametrize(
    "url",
    [
        AT + "db.example/x?sslmode=verify-full",
        AT + "a.example,b.example/x?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        AT + "localhost/x",
        AT + "127.0.0.1:5432/x",
        AT + "[::1]/x",
        "postgresql+psycopg:///x",
        "postgresql+psycopg://ann@/x?host=/run/postgresql",
        "postgresql+psycopg://ann@%2Frun%2Fpostgresql/x",
        "sqlite:////srv/db.example.db",
    ],
)
def test_verified_or_local_server_needs_no_warning(url):
    assert warning_of(url, {}) is None


def test_environment_of_libpq_counts():
    assert warning_of("postgresql+psycopg:///x", {"PGHOST": "db.example"})
    assert warning_of(AT + "db.example/x", {"PGSSLMODE": "verify-full"}) is None


def test_warning_is_given_once_for_all_that_up_starts(caplog):
    with caplog.at_level(logging.WARNING):
        warn_unless_verified(AT + "db.example/x", {WARNED: "1"})
        assert caplog.text == ""
        warn_unless_verified(AT + "db.example/x", {})
    assert caplog.text.count("is not verified") == 1
