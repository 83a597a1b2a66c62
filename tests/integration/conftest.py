"""Intake, served for tests that speak HTTP to it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest

from intake.app import create_app
from messages.settings import load_settings
from tests.servers.http import serve

Serve = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def serving(broker_url: str, sqlite_url: str) -> Serve:
    """Start intake with these settings; gives a client."""

    @contextmanager
    def start(**settings: Any) -> Iterator[httpx.Client]:
        chosen = load_settings(**({"broker_url": broker_url, "database_url": sqlite_url} | settings))
        with serve(create_app(chosen)) as url, httpx.Client(base_url=url, timeout=20) as client:
            yield client

    return start


@pytest.fixture
def client(serving: Serve) -> Iterator[httpx.Client]:
    with serving() as client:
        yield client
