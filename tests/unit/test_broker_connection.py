"""How BROKER_URL and BROKER_CA_FILE are read."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from messages.broker_connection import broker_connection
from messages.errors import SettingsError
from messages.settings import Settings, load_settings

VERIFIED = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
NAMELESS = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": False}
UNVERIFIED = {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}
CA = Path("/etc/ca.pem")


@pytest.mark.parametrize(
    ("url", "ca_file", "plain", "tls"),
    [
        ("redis://:p%2Fw@host:6379/1", CA, "redis://:p%2Fw@host:6379/1", {}),
        ("redis+socket:///run/v.sock?virtual_host=1", None, "redis+socket:///run/v.sock?virtual_host=1", {}),
        ("rediss://:p%2Fw@host:6379/1", None, "rediss://:p%2Fw@host:6379/1", VERIFIED),
        ("rediss://host", CA, "rediss://host", VERIFIED | {"ssl_ca_certs": "/etc/ca.pem"}),
        ("rediss://host?ssl_ca_certs=/x.pem", CA, "rediss://host", VERIFIED | {"ssl_ca_certs": "/x.pem"}),
        ("rediss://host?ssl_cert_reqs=CERT_REQUIRED", None, "rediss://host", VERIFIED),
        ("rediss://host?ssl_cert_reqs=none", None, "rediss://host", UNVERIFIED),
        ("rediss://host/0?ssl_cert_reqs=CERT_NONE&a=b", None, "rediss://host/0?a=b", UNVERIFIED),
        (
            "rediss://host?ssl_check_hostname=False",
            None,
            "rediss://host",
            VERIFIED | {"ssl_check_hostname": False},
        ),
        (
            "rediss://host?ssl_certfile=/c.pem&ssl_keyfile=/k.pem",
            None,
            "rediss://host",
            VERIFIED | {"ssl_certfile": "/c.pem", "ssl_keyfile": "/k.pem"},
        ),
    ],
)
def test_tls_verifies_everything_unless_the_url_says_otherwise(url, ca_file, plain, tls: dict[str, Any]):
    connection = broker_connection(url, ca_file)
    assert (connection.url, connection.tls) == (plain, tls)
    assert connection.celery_config == {"broker_url": plain, "broker_use_ssl": tls or None}
    assert "p%2Fw" not in repr(connection)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rediss://:s3cret@host?ssl_cert_reqs=no", "ssl_cert_reqs must be one of none, optional, required"),
        ("rediss://:s3cret@host?ssl_check_hostname=0", "ssl_check_hostname must be true or false"),
        ("rediss://:s3cret@host?ssl_verify=s3cret", "ssl_verify is not known; possible are ssl_cert_reqs"),
        ("redis://:s3cret@host?ssl_cert_reqs=none", "ssl_cert_reqs needs rediss://"),
    ],
)
def test_wrong_tls_parameter_ends_the_start(monkeypatch, url, said):
    monkeypatch.setenv("BROKER_URL", url)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"BROKER_URL is wrong: {said}")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"no certificate", "holds no certificates in PEM format"), (None, "cannot be read")],
)
def test_ca_file_without_certificates_is_named(tmp_path, content, said):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=f"BROKER_CA_FILE .*ca.pem.* {said}"):
        Settings(broker_url="rediss://host", broker_ca_file=path).broker_connection  # noqa: B018
