"""What is looked at before anything is started. Each finding is a StartError: one line, no secret in it."""

import contextlib
import errno
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from messages.broker_connection import broker_connection, check_ca_file, redis_url
from messages.catalogue import Catalogue
from messages.errors import SettingsError
from messages.private_files import make_private_folder
from messages.settings import Settings
from messages.twilio_codes import read_codes
from messages.urls import hosts_of
from worker.up.holder import holder_of
from worker.up.service import Port, Service, StartError

_CONNECT_SECONDS = 5


def check_folder(folder: Path) -> None:
    """VAR_DIR can be made and written to, and is for this user alone."""
    probe = folder / ".writable"
    try:
        make_private_folder(folder)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StartError(
            f"VAR_DIR {folder} cannot be written to ({error.strerror}): make it writable, or set VAR_DIR"
        ) from None


def check_ports(services: Iterable[Service]) -> None:
    """No two services share a port, and nobody else has one of them."""
    wanted: dict[int, Port] = {}
    for service in services:
        for port in service.ports:
            if other := wanted.get(port.number):
                raise StartError(
                    f"{other.setting} and {port.setting} are both {port.number}: give each a port of its own"
                )
            wanted[port.number] = port
            _check_port(service.name, port)


def _check_port(service: str, port: Port) -> None:
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        # As the servers do themselves: a port on which old connections linger is free.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((port.host, port.number))
            trial.listen()
        except OSError as error:
            raise StartError(_unusable(service, port, error)) from None


def _unusable(service: str, port: Port, error: OSError) -> str:
    what = f"port {port.number} ({service})"
    if error.errno != errno.EADDRINUSE:
        also = ", or HOST to an address of this machine" if port.setting == "PORT" else ""
        return f"{what} on {port.host} cannot be used ({error.strerror}): set {port.setting} to another{also}"
    holder = holder_of(port.number)
    if holder and holder.is_roundsman:
        what += " is held by a Roundsman that is already running"
        return f"{what}, {holder}: stop that one, or set {port.setting} to another port"
    by = f"taken by {holder}" if holder else "taken by another program"
    return f"{what} is {by}: stop it, or set {port.setting} to another port"


def check_files(settings: Settings) -> None:
    """The files that settings name are there, and can be read. Raises StartError."""
    try:
        Catalogue.read(settings.templates)
        read_codes(settings.twilio_errors_file)
        if settings.broker_ca_file is not None:
            check_ca_file(settings.broker_ca_file)
    except SettingsError as error:
        raise StartError(str(error)) from None


def check_database(settings: Settings) -> None:
    """DATABASE_URL leads somewhere."""
    if settings.database.startswith("sqlite:"):
        _check_sqlite(settings)
    else:
        _check_postgresql(settings.database)


def _check_sqlite(settings: Settings) -> None:
    path = Path(settings.database.removeprefix("sqlite:///").partition("?")[0]).resolve()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError as error:
        raise StartError(f"DATABASE_URL: {path} cannot be written to ({error.strerror})") from None


def _check_postgresql(url: str) -> None:
    # Whether somebody listens there; user, password and name of the database are for the migration to try.
    try:
        hosts = hosts_of(url)
    except ValueError:  # its text may hold what was taken for a port: the password
        raise StartError(
            "DATABASE_URL is wrong: it should be postgresql+psycopg://user:password@host[:port]/name"
        ) from None
    reasons = [_unreachable(host, port) for host, port in hosts]
    if reasons and all(reasons):  # of several, one is enough
        where = ", ".join(f"{host}:{port}" for host, port in hosts)
        raise StartError(f"DATABASE_URL: PostgreSQL at {where} cannot be used: {reasons[0]}")


def _unreachable(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        return error.strerror or f"no answer within {_CONNECT_SECONDS} s"
    return None


def check_broker(url: str, seconds: float = _CONNECT_SECONDS, ca_file: Path | None = None) -> None:
    """BROKER_URL leads to a server that answers within `seconds`, with a certificate that can be trusted."""
    import redis  # noqa: PLC0415 - 0.2 s, and only needed for a broker that is not embedded
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    try:
        connection = broker_connection(url, ca_file)
        plain = redis_url(connection.url)
        where = _host_and_port(plain)
        patience: dict[str, Any] = {
            "socket_connect_timeout": seconds,
            "socket_timeout": seconds,
            "retry": Retry(NoBackoff(), 0),
            **connection.tls,
        }
        with contextlib.closing(redis.Redis.from_url(plain, **patience)) as client:
            client.ping()
    except ValueError:  # its text may hold what was taken for a port: the password
        raise StartError(
            "BROKER_URL is wrong: it should be redis://[:password@]host[:port][/number]"
        ) from None
    except redis.TimeoutError:
        reason = f"no answer within {seconds:g} s"
        raise StartError(f"BROKER_URL: the broker at {where} cannot be used: {reason}") from None
    except redis.RedisError as error:
        reason = str(error).rpartition(f"{where}. ")[2]
        raise StartError(f"BROKER_URL: the broker at {where} cannot be used: {reason}") from None


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
