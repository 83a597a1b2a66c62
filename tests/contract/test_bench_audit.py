"""The bench's audit of a store: it counts what was recorded, and notices what was not."""

import pytest

from bench.audit import check_recorded
from bench.figures import Violation
from messages.delivery import Beginning
from messages.states import DeliveryState
from messages.store import Result


@pytest.fixture
def sent(store, claims, clock, database_url):
    """Four that were sent; the URL of their store."""
    store.begin([Beginning(claim) for claim in claims], clock())
    store.record([Result(claim, DeliveryState.SENT, "sent") for claim in claims], clock())
    return database_url


def test_what_was_recorded_is_counted(sent):
    check_recorded("Roundsman", sent, 4)


@pytest.mark.parametrize(
    "skipped",
    [
        "DELETE FROM events WHERE type = 'sending' AND message_id = 'm-2'",
        "DELETE FROM events WHERE type = 'queued' AND message_id = 'm-2'",
        "DELETE FROM attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE message_id = 'm-2')",
        "UPDATE attempts SET finished_at = NULL",
        "UPDATE deliveries SET state = 'queued' WHERE message_id = 'm-2'",
    ],
)
def test_what_was_skipped_is_noticed(sent, store, skipped):
    with store._db.write() as tx:
        tx.exec_driver_sql(skipped)
    with pytest.raises(Violation, match="4 were sent"):
        check_recorded("Roundsman", sent, 4)
