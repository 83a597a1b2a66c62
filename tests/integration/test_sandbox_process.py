"""`python -m worker.sandbox` as a process: it starts, says what is wrong, and stops."""

import os
import signal
import smtplib
import socket
import subprocess
import sys
import time

import httpx
import pytest

from tests.servers.ports import free_ports


def start(http_port: int, smtp_port: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "SANDBOX_PORT": str(http_port), "SANDBOX_SMTP_PORT": str(smtp_port)}
    return subprocess.Popen(
        [sys.executable, "-m", "worker.sandbox"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_until_up(port: int, deadline: float = 20) -> None:
    until = time.monotonic() + deadline
    while time.monotonic() < until:
        try:
            assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        except httpx.TransportError:
            continue
        return
    pytest.fail("the sandbox did not come up")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_within_two_seconds_whatever_is_connected(number):
    http_port, smtp_port = free_ports(2)
    process = start(http_port, smtp_port)
    try:
        wait_until_up(http_port)
        with smtplib.SMTP("127.0.0.1", smtp_port), httpx.Client() as kept_alive:
            kept_alive.get(f"http://127.0.0.1:{http_port}/sandbox")
            process.send_signal(number)
            out, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("taken", ["SANDBOX_PORT", "SANDBOX_SMTP_PORT"])
def test_a_taken_port_is_one_line_that_names_the_port_and_its_setting(taken):
    http_port, smtp_port = free_ports(2)
    port = http_port if taken == "SANDBOX_PORT" else smtp_port
    with socket.create_server(("127.0.0.1", port)):
        process = start(http_port, smtp_port)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err.count("\n")) == (1, "", 1)
    assert f"port {port} " in err
    assert f" {taken} " in err
