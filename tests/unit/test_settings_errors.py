"""A setting that is wrong is one line that names it, and never shows a secret."""

import shutil
import subprocess
import sys

import pytest

from messages.errors import SettingsError
from messages.settings import PROJECT_ROOT, Settings, load_settings

PROGRAM = """
import sys
from messages.errors import SettingsError
from messages.settings import load_settings
try:
    print(load_settings().port)
except SettingsError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "eight", "PORT is wrong: "),
        ("PORT", "70000", "PORT is wrong: "),
        ("DATABASE_URL", "mysql://root:s3cret@db/x", "DATABASE_URL is wrong: must begin with sqlite:///"),
        ("BROKER_URL", "amqp://:s3cret@queue", "BROKER_URL is wrong: must begin with redis://"),
        ("SMTP_URL", "mail.example?s3cret", "SMTP_URL is wrong: must be smtp://"),
        (
            "DATABASE_URL",
            "postgresql+psycopg://ann:s3cret@s3cret:x@db/x",
            "DATABASE_URL is wrong: must be postgr",
        ),
        ("DATABASE_URL", "postgresql+psycopg://db:s3cret/x", "DATABASE_URL is wrong: must be postgresql"),
        ("BROKER_URL", "redis://:s3cret/s3cret@queue/0", "BROKER_URL is wrong: must be one URL"),
        ("BROKER_URL", "redis://:s3cret@a/0;redis://:s3cret@b/0", "BROKER_URL is wrong: must be one URL"),
        ("SMTP_URL", "smtp://ann:s3cret/1@mail.example", "SMTP_URL is wrong: must be smtp://"),
        ("SMTP_URL", "smtp://ann:s3cret\N{CARE OF}@mail.example", "SMTP_URL is wrong: must be smtp://"),
        (
            "TWILIO_BASE_URL",
            "ann:s3cret@proxy.example",
            "TWILIO_BASE_URL is wrong: it is no URL; write it like",
        ),
        (
            "PUBLIC_URL",
            "https://ann:s3cret#@proxy.example",
            "PUBLIC_URL is wrong: it is no URL; write it like",
        ),
        ("SENDER_PHONE", "12345", "SENDER_PHONE is wrong: '12345' is not a North American phone number"),
        ("SMTP_TLS", "yes", "SMTP_TLS is wrong: Input should be 'required', 'opportunistic' or 'off'"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL is wrong: must be one of DEBUG, INFO"),
        ("LEASE_SECONDS", "0", "LEASE_SECONDS is wrong: "),
        ("TRUSTED_PROXIES", "10.0.0.5, proxy.example", "TRUSTED_PROXIES is wrong: must be IP addresses or"),
        ("API_KEYS", " ", "API_KEYS is wrong: key 1 of 1 is blank"),
        ("API_KEYS", " , ", "API_KEYS is wrong: key 1 of 2 is blank"),
        ("API_KEYS", "s3cret-s3cret-s3cret,", "API_KEYS is wrong: key 2 of 2 is blank"),
        ("API_KEYS", "s3cret-s3cret-s3cret,s3cret", "API_KEYS is wrong: key 2 of 2 has 6 characters; at"),
        ("API_KEYS", "s3cret-s3cret-s", "API_KEYS is wrong: key 1 of 1 has 15 characters; at least 16"),
        ("API_KEYS", "s3cret-s3cret-schlüssel", "API_KEYS is wrong: key 1 of 1 has a character that is not"),
        ("API_KEYS", "s3cret s3cret s3cret", "API_KEYS is wrong: key 1 of 1 has a character that is not"),
        ("API_KEYS", "s3cret-s3cret\ts3cret", "API_KEYS is wrong: key 1 of 1 has a character that is not"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line_without_a_secret(monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(_env_file=None)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql+psycopg:///db"),
        ("DATABASE_URL", "postgresql+psycopg://ann@/db?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql+psycopg://ann:a/b#c?d:e%40f@[::1]:5432/db?sslmode=require"),
        ("DATABASE_URL", "sqlite:////srv/a@b.db"),
        ("BROKER_URL", "rediss://ann:a%2Fb@queue.example:6379/1?ssl_cert_reqs=required"),
        ("BROKER_URL", "redis+socket:///run/redis.sock?virtual_host=1"),
        ("SMTP_URL", "smtps://ann@example.com:a%2Fb@mail.example:465"),
        ("TWILIO_BASE_URL", "http://[::1]:8025"),
    ],
)
def test_a_url_that_is_right_is_taken(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    taken = getattr(load_settings(_env_file=None), name.lower())
    assert value == (taken if isinstance(taken, str) else taken.get_secret_value())


def test_every_wrong_setting_is_named(monkeypatch):
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("FLOWER_PORT", "y")
    with pytest.raises(SettingsError, match=r"^PORT is wrong: .*; FLOWER_PORT is wrong: "):
        load_settings(_env_file=None)


def test_a_setting_that_is_empty_is_not_set(monkeypatch):
    monkeypatch.setenv("PORT", "")
    assert Settings(_env_file=None).port == 8000


@pytest.fixture
def with_env_file(tmp_path, monkeypatch):
    """Runs PROGRAM on a copy of the package, beside which lies a `.env`."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    shutil.copytree(PROJECT_ROOT / "messages", tmp_path / "messages", ignore=shutil.ignore_patterns("store"))

    def run(content: bytes):
        (tmp_path / ".env").write_bytes(content)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.stdout.strip(), done.stderr.strip()

    return run


def test_the_env_file_beside_the_packages_is_read(with_env_file):
    assert with_env_file(b"# mine\nPORT = 8123\n") == ("8123", "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PORT=8123\nthis is no setting\n", "/.env, line 2: write NAME=value"),
        (b"API_KEYS='s3cret\nPORT=8123\n", "/.env, line 1: write NAME=value"),
        (b"PORT=\xff\xfe\n", "/.env cannot be read"),
        (b"PORT=eight\n", "PORT is wrong"),
    ],
)
def test_a_broken_env_file_is_said_in_one_line(with_env_file, content, said):
    out, error = with_env_file(content)
    assert out == ""
    assert said in error
    assert len(error.splitlines()) == 1
    assert "s3cret" not in error


def test_broker_is_the_embedded_one_where_no_other_is_set(tmp_path):
    assert load_settings(var_dir=tmp_path).broker == "redis://127.0.0.1:6390/0"
    (tmp_path / "broker.url").write_text("redis://:secret@127.0.0.1:7000/0\n")
    assert load_settings(var_dir=tmp_path).broker == "redis://:secret@127.0.0.1:7000/0"
    other = "redis://other.example/1"
    assert load_settings(var_dir=tmp_path, broker_url=other).broker == other


@pytest.mark.parametrize("held", [b"\xff", b"http://:planted@x", b"planted", b"redis://:a;planted"])
def test_file_that_holds_no_url_of_a_broker_is_named_and_not_shown(tmp_path, held):
    (tmp_path / "broker.url").write_bytes(held)
    with pytest.raises(
        SettingsError, match=r"broker\.url does not hold .*URL: delete it and start"
    ) as raised:
        load_settings(var_dir=tmp_path).broker  # noqa: B018
    assert "planted" not in str(raised.value)


def test_file_of_another_user_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "broker.url").mkdir()  # as unreadable, also for root
    with pytest.raises(SettingsError, match=r"broker\.url cannot be read .* set BROKER_URL"):
        load_settings(var_dir=tmp_path).broker  # noqa: B018
