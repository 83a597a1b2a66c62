"""How to connect to the broker: the one place that says so, for Celery, for Flower and for redis-py.

`rediss://` verifies the certificate and the name of the host. kombu by itself verifies neither unless the URL
says so, and Flower reads nothing of that from the URL.
"""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from messages.errors import SettingsError

#: What begins with this among a URL's parameters is about TLS, in redis-py's and kombu's names.
_TLS_PREFIX = "ssl_"

_VERIFICATIONS = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}

_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_PARAMETERS = ("ssl_cert_reqs", "ssl_check_hostname", *_FILES)


@dataclass(frozen=True, slots=True)
class BrokerConnection:
    """A URL without TLS parameters, and redis-py's arguments for TLS; none without TLS."""

    url: str = field(repr=False)
    tls: dict[str, Any] = field(default_factory=dict)

    @property
    def celery_config(self) -> dict[str, Any]:
        """Settings of a Celery app."""
        return {"broker_url": self.url, "broker_use_ssl": self.tls or None}


def broker_connection(url: str, ca_file: Path | None = None) -> BrokerConnection:
    """Read BROKER_URL and BROKER_CA_FILE. Raises ValueError, which shows nothing of the URL but a parameter.

    What the URL says (`?ssl_cert_reqs=none`) goes before the default.
    """
    parts = urlsplit(url)
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    given = {name: value for name, value in parameters if name.startswith(_TLS_PREFIX)}
    rest = urlencode([(name, value) for name, value in parameters if name not in given])
    if parts.scheme != "rediss":
        if given:
            raise ValueError(f"{next(iter(given))} needs rediss://")
        return BrokerConnection(url)
    tls: dict[str, Any] = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    if ca_file is not None:
        tls["ssl_ca_certs"] = str(ca_file)
    for name, value in given.items():
        tls[name] = _read(name, value)
    if tls["ssl_cert_reqs"] is ssl.CERT_NONE:
        tls["ssl_check_hostname"] = False
    return BrokerConnection(urlunsplit(parts._replace(query=rest)), tls)


def _read(name: str, value: str) -> Any:
    if name not in _PARAMETERS:
        raise ValueError(f"{name} is not known; possible are {', '.join(_PARAMETERS)}")
    if name in _FILES:
        return value
    if name == "ssl_check_hostname":
        if value.lower() not in {"true", "false"}:
            raise ValueError("ssl_check_hostname must be true or false")
        return value.lower() == "true"
    required = value.lower().removeprefix("cert_")
    if required not in _VERIFICATIONS:
        raise ValueError(f"ssl_cert_reqs must be one of {', '.join(_VERIFICATIONS)}")
    return _VERIFICATIONS[required]


def check_ca_file(path: Path) -> None:
    """Raise SettingsError unless the file holds certificates in PEM format."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise SettingsError(f"BROKER_CA_FILE is wrong: {path} holds no certificates in PEM format") from None
    except OSError as error:
        raise SettingsError(f"BROKER_CA_FILE {path} cannot be read: {error.strerror}") from None


def redis_url(broker_url: str) -> str:
    """The URL that kombu takes, as redis-py takes it."""
    url = broker_url.replace("redis+socket://", "unix://", 1).replace("?virtual_host=", "?db=", 1)
    for name in _VERIFICATIONS:
        url = url.replace(f"ssl_cert_reqs=CERT_{name.upper()}", f"ssl_cert_reqs={name}")
    return url
