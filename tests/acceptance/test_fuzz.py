"""`make fuzz`, a short cut of it."""

import asyncio

import pytest

from tests.fuzz.__main__ import told
from tests.fuzz.run import run

pytestmark = pytest.mark.slow


def test_malformed_requests_and_entries_get_errors_take_bounded_memory_and_stop_nothing(tmp_path):
    ran = asyncio.run(run(seed=23, count=300, folder=tmp_path))
    assert not ran.troubles, told(ran)
    assert ran.requests.total() + ran.entries.total() == 300
    assert {200, 400, 404, 405, 408, 415} <= ran.answers.keys(), told(ran)
    assert len(ran.good) > 30
    assert all(0 < base <= peak for base, peak, _ in ran.memory.values())
