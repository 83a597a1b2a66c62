"""The OpenAPI page is true: schemathesis asks the real door what the page allows, and what it does not."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.servers.http import is_error

pytestmark = pytest.mark.slow

#: No schema can say which template exists, or that there is somebody to send to.
BEYOND_A_SCHEMA = "positive_data_acceptance"


def test_every_answer_is_as_described_and_wrong_data_is_refused(client, tmp_path):
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "run", f"{client.base_url}/openapi.json",
        "--exclude-checks", BEYOND_A_SCHEMA, "--max-examples", "10", "--continue-on-failure",
        "--seed", "1", "--generation-deterministic",
        "--no-color", "--warnings", "off",
    ]  # fmt: skip
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert int(re.search(r"(\d+) generated", ran.stdout)[1]) > 200, ran.stdout
    assert "Tested: 9" in ran.stdout
    assert client.get("/api/messages").json()["totalCount"] > 0


def test_a_405_names_all_that_is_possible_there(client):
    for path, methods in {
        "/api/messages": "GET, HEAD, POST",
        "/api/messages/x": "GET, HEAD",
        "/healthz": "GET, HEAD",
    }.items():
        response = client.options(path)
        is_error(response, 405)
        assert response.headers["allow"] == methods


@pytest.mark.parametrize("key", ["", "é", "x" * 256, "a\tb"])
def test_an_idempotency_key_that_http_may_change_on_its_way_is_400(client, key):
    message = {"externalPhoneNumber": "804-222-1111", "text": "Hello"}
    headers = httpx.Headers({"Idempotency-Key": key}, encoding="utf-8")
    error = is_error(client.post("/api/messages", json=message, headers=headers), 400)
    assert "Idempotency-Key" in error["fields"]
