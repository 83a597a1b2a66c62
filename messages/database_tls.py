"""Whether the way to PostgreSQL is verified: libpq by itself gives its password to whoever answers."""

import ipaddress
import logging
import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, unquote

log = logging.getLogger(__name__)

#: The one mode of libpq that verifies both the certificate and the name of the host.
VERIFIED = "verify-full"

#: Set in the environment of what `roundsman up` starts: it has given the warning already.
WARNED = "ROUNDSMAN_DATABASE_TLS_WARNED"

_URL = re.compile(r"postgresql(?:\+\w+)?://(?:.*@)?([^/?]*)[^?]*(?:\?(.*))?", re.DOTALL)
_PORT = re.compile(r":[0-9]*$")


def warn_unless_verified(url: str, environment: Mapping[str, str] = os.environ) -> None:
    """Log a warning for a remote PostgreSQL whose certificate is not verified, unless `up` has done so."""
    if WARNED not in environment and (warning := warning_of(url, environment)):
        log.warning("%s", warning)


def warning_of(url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The warning, which shows of the URL nothing but hosts; None if there is no need for one."""
    found = _URL.fullmatch(url)
    if found is None:
        return None
    parameters = parse_qsl(found[2] or "")
    mode = dict(parameters).get("sslmode") or environment.get("PGSSLMODE", "")
    named = [value for name, value in parameters if name in {"host", "hostaddr"}]
    given = named or [unquote(found[1])]
    hosts = list(_hosts(",".join(given) or environment.get("PGHOST", "")))
    remote = [host for host in hosts if not _is_here(host)]
    if mode == VERIFIED or not remote:
        return None
    where = ", ".join(remote)
    return (
        f"DATABASE_URL: the certificate of PostgreSQL at {where} is not verified, so whoever answers there "
        f"gets the password; add sslmode={VERIFIED} (and sslrootcert=… for a private authority)."
    )


def _hosts(given: str) -> Iterator[str]:
    for entry in given.split(","):
        host = entry.strip()
        if host.startswith("[") or host.count(":") <= 1:
            host = _PORT.sub("", host).strip("[]")
        yield host


def _is_here(host: str) -> bool:
    """Whether it is a socket's folder, an abstract socket, or this machine's loopback."""
    if not host or host.startswith(("/", "@")) or host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
