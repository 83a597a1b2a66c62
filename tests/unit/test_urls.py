"""URLs of a PostgreSQL with several servers, in each of the forms that people write."""

import pytest
from sqlalchemy import create_engine, make_url

from messages.settings import load_settings
from messages.urls import hosts_in_query, hosts_of

BASE = "postgresql+psycopg://user:pw"

URLS = {
    f"{BASE}@a:5432,b:5433/db": ("a,b", "5432,5433", [("a", 5432), ("b", 5433)]),
    f"{BASE}@a,b/db?target_session_attrs=read-write": ("a,b", "5432,5432", [("a", 5432), ("b", 5432)]),
    f"{BASE}@a,b:6000/db": ("a,b", "5432,6000", [("a", 5432), ("b", 6000)]),
    f"{BASE}@[::1]:5432,10.0.0.2/db": ("::1,10.0.0.2", "5432,5432", [("::1", 5432), ("10.0.0.2", 5432)]),
    f"{BASE}@/db?host=a,b&target_session_attrs=read-write": ("a,b", None, [("a", 5432), ("b", 5432)]),
    f"{BASE}@/db?host=a,b&port=1,2": ("a,b", "1,2", [("a", 1), ("b", 2)]),
    f"{BASE}@/db?host=a:1&host=b:2": ("a,b", "1,2", [("a", 1), ("b", 2)]),
    f"{BASE}@/db?host=/run/postgresql,a": ("/run/postgresql,a", None, [("a", 5432)]),
    f"{BASE}@a/db": ("a", None, [("a", 5432)]),
    f"{BASE}@a:6000/db": ("a", "6000", [("a", 6000)]),
    f"{BASE}@/db": (None, None, []),
}


@pytest.mark.parametrize(("url", "expected"), URLS.items())
def test_hosts_of_a_postgresql_are_read_alike_in_every_form(url, expected):
    hosts, ports, reachable = expected
    assert load_settings(database_url=url).database == url
    parsed = make_url(hosts_in_query(url))
    _, options = create_engine(parsed).dialect.create_connect_args(parsed)
    assert options.get("host") == hosts
    assert str(options.get("port", "")).strip(",") == (ports or "")
    assert (options["user"], options["password"], options["dbname"]) == ("user", "pw", "db")
    assert ("target_session_attrs" in options) == ("target_session_attrs" in url)
    assert hosts_of(url) == reachable


@pytest.mark.parametrize("url", [f"{BASE}@a:x,b/db", f"{BASE}@a,b@c/db"])
def test_wrong_hosts_are_refused_without_showing_the_password(url):
    with pytest.raises(Exception, match="DATABASE_URL is wrong") as raised:
        load_settings(database_url=url)
    assert "pw" not in str(raised.value)
