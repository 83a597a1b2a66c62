"""A Message's status, in lists: derived from its Deliveries, whatever of that is kept beside it."""

import pytest
from sqlalchemy import event

from messages.clock import to_iso
from messages.delivery import Channel
from messages.states import DeliveryState
from messages.store import Result
from tests.stored import BOTH, claim, shown, states

SENDING, QUEUED, SENT, FAILED = (
    DeliveryState.SENDING, DeliveryState.QUEUED, DeliveryState.SENT, DeliveryState.FAILED,
)  # fmt: skip


def listed(store, status: DeliveryState) -> list[str]:
    page = store.page(status, 10, 1)
    assert page.total == len(page.items)
    return sorted(stored.message.id for stored in page.items)


def test_what_is_claimed_is_listed_as_sending_and_no_longer_as_queued(store, accept, clock):
    accept(id="waits", **BOTH)
    claim(store, accept(id="claimed", **BOTH), Channel.SMS, clock)
    assert states(store, "claimed") == {"sms": "sending", "email": "queued"}
    assert shown(store, "claimed")["status"] == "sending"
    assert (listed(store, SENDING), listed(store, QUEUED)) == (["claimed"], ["waits"])


def test_what_one_of_its_deliveries_is_still_sent_by_is_not_listed_by_the_other(store, accept, clock):
    accepted = accept(id="both", **BOTH)
    [email] = claim(store, accepted, Channel.EMAIL, clock)
    [sms] = claim(store, accepted, Channel.SMS, clock)
    store.record([Result(sms.claim, FAILED, "permanent", error="No such number.")], clock())
    assert shown(store, "both")["status"] == "sending"
    assert [listed(store, one) for one in (SENDING, QUEUED, FAILED)] == [["both"], [], []]
    store.record([Result(email.claim, SENT, "sent")], clock())
    assert shown(store, "both")["status"] == "failed"
    assert [listed(store, one) for one in (SENDING, QUEUED, FAILED)] == [[], [], ["both"]]


def test_what_is_given_back_is_listed_as_queued_again(store, accept, clock):
    [claimed] = claim(store, accept(id="again", **BOTH), Channel.SMS, clock)
    store.record([Result(claimed.claim, QUEUED, "retryable", next_attempt_at=clock() + 1000)], clock())
    assert [listed(store, one) for one in (SENDING, QUEUED)] == [[], ["again"]]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("status", [SENDING, QUEUED])
def test_what_is_being_sent_is_looked_up_once_for_a_list_and_by_its_own_index(store, accept, clock, status):
    claim(store, accept(**BOTH), Channel.SMS, clock)
    asked: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement, parameters, *_):
        if "state = 'sending'" in statement:
            asked.append((statement, parameters))

    event.listen(store._db.engine, "before_cursor_execute", note)
    store.page(status, 10, 1)
    event.remove(store._db.engine, "before_cursor_execute", note)
    assert len(asked) == 2  # the list, and how many there are
    with store._db.read() as tx:
        for statement, parameters in asked:
            plan = str(tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all())
            assert "ix_deliveries_sending" in plan
            assert "CORRELATED" not in plan


def test_it_was_sent_when_the_last_of_its_deliveries_was(store, accept, clock):
    accepted = accept(id="both", **BOTH)
    for channel in (Channel.EMAIL, Channel.SMS):
        clock.pass_seconds(5)
        [claimed] = claim(store, accepted, channel, clock)
        store.record([Result(claimed.claim, SENT, "sent")], clock())
    assert shown(store, "both")["sentAt"] == to_iso(clock())
