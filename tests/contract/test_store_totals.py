"""How many there are: exact, whatever came since, and without counting all of them each time."""

import pytest
from sqlalchemy import Engine, event

from messages.store import totals
from tests.conftest import Ticking

EMAIL = {"externalEmail": "dana@customer.example", "text": "Hello"}


def total(store) -> int:
    return store.page(None, 1, 1).total


def test_what_came_since_is_counted_and_what_is_old_only_once(store, accept, clock: Ticking):
    assert total(store) == 0
    for number in range(1, 6):
        accept(**EMAIL)
        clock.pass_seconds(400)
        assert total(store) == number
    counts: list[object] = []

    def note(_connection, _cursor, statement, parameters, *_):
        if "count" in statement:
            counts.append(parameters)

    event.listen(Engine, "before_cursor_execute", note)
    assert total(store) == 5
    event.remove(Engine, "before_cursor_execute", note)
    assert len(counts) == 1
    assert str(clock() - 400_000 - totals.SETTLED_MS) in str(counts)


def test_what_a_late_clock_adds_to_the_old_is_counted_within_the_hour(
    store, accept, clock: Ticking, monkeypatch: pytest.MonkeyPatch
):
    accept(**EMAIL)
    clock.pass_seconds(7200)
    accept(**EMAIL)
    assert total(store) == 2
    clock.pass_seconds(-7000)
    accept(**EMAIL)
    assert total(store) == 2
    monkeypatch.setattr(totals.time, "monotonic", lambda: 1e12)
    assert total(store) == 3
