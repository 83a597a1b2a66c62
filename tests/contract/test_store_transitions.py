"""Whatever comes, and whenever: nothing the store is asked for moves a Delivery against `messages.states`."""

from collections.abc import Callable

import pytest
from sqlalchemy import event, text, update

from messages.delivery import Beginning, Channel, Claim, Lane, Lease
from messages.reconciliation import Ended, Listed, Unsettled
from messages.retry import Expire, GiveUp, TryAgain
from messages.states import TRANSITIONS, DeliveryState, may_move
from messages.store import Result, Store
from messages.store.schema import deliveries
from messages.view import show

S = DeliveryState
SMS = {"externalPhoneNumber": "804-222-1111", "text": "Hello"}

#: What may be asked of the store, all of it late: the claim was made long ago.
Ask = Callable[[Store, Claim, int], object]
ASKED: dict[str, Ask] = {
    "claim": lambda store, claim, now: store.claim(
        [claim.delivery_id], Channel.SMS, Lease(now, now + 60_000)
    ),
    "postpone": lambda store, claim, now: store.postpone([claim.delivery_id], now),
    **{
        f"report {state}": lambda store, claim, now, state=state: store.report(
            claim.delivery_id, "SM1", state, detail="It says so.", now=now
        )
        for state in (S.SENT, S.DELIVERED, S.UNDELIVERED, S.FAILED)
    },
    **{
        f"settle as {name}": lambda store, claim, now, listed=listed, again=again: store.settle(
            Unsettled(claim.delivery_id, claim.route.recipient, claim.attempt, claim.tries, 1, "hash"),
            listed,
            again,
            now,
        )
        for name, listed, again in (
            ("found", [Listed("SM1", "hash", 1)], TryAgain(1)),
            ("failed there", [Listed("SM1", "hash", 1, Ended(S.FAILED, "No."))], TryAgain(1)),
            ("undelivered", [Listed("SM1", "hash", 1, Ended(S.UNDELIVERED, "No."))], TryAgain(1)),
            ("absent", [], TryAgain(1)),
            ("absent for good", [], GiveUp("Tried often enough.")),
            ("absent and too late", [], Expire("Too late.")),
        )
    },
    "begin": lambda store, claim, now: store.begin([Beginning(claim)], now),
    **{
        f"record {state}": lambda store, claim, now, state=state: store.record(
            [Result(claim, state, "whatever")], now
        )
        for state in sorted(TRANSITIONS[S.SENDING])
    },
    "sweep": lambda store, claim, now: store.sweep(now, dict.fromkeys(Channel, now), 0),
    "redrive": lambda store, claim, now: store.redrive([claim.message_id], "ada", now),
    "redrive what is unknown": lambda store, claim, now: store.redrive(
        [claim.message_id], "ada", now, even_unknown=True
    ),
    "redrive what failed": lambda store, claim, now: store.redrive_failed(0, now, "ada", now),
    "cancel": lambda store, claim, now: store.cancel([claim.message_id], "ada", now),
}


#: Those that may make several moves at once.
SEVERAL = {"sweep", "report undelivered"}


def put(store: Store, claim: Claim, state: DeliveryState, expires_at: int | None) -> None:
    """Set the state, with all that a sweep could take for a reason to move it."""
    with store._db.write() as tx:
        tx.execute(
            update(deliveries)
            .where(deliveries.c.id == claim.delivery_id)
            .values(state=state, lease_until=1, next_attempt_at=1, expires_at=expires_at)
        )


def state_of(store: Store, claim: Claim) -> DeliveryState:
    message = show(store.find([claim.message_id]), 0, store.objects)[0]
    return DeliveryState(message["deliveries"][0]["status"])


@pytest.mark.parametrize("asked", ASKED)
def test_whatever_is_asked_moves_no_delivery_backwards(store, accept, clock, asked):
    for before in DeliveryState:
        for expires_at in (None, 1):
            accepted = accept(**SMS)
            ids = [delivery_id for delivery_id, _ in accepted.waiting]
            claim = store.claim(ids, Channel.SMS, Lease(clock(), clock() + 1000))[0].claim
            put(store, claim, before, expires_at)
            ASKED[asked](store, claim, clock() + 100_000)
            after = state_of(store, claim)
            # A sweep makes several moves in one round, each of them allowed; what left its provider was sent.
            twice = any(may_move(before, mid) and may_move(mid, after) for mid in DeliveryState)
            assert after == before or may_move(before, after) or (asked in SEVERAL and twice)


@pytest.mark.parametrize("state", sorted(set(DeliveryState) - {S.SENDING, S.UNKNOWN, S.QUEUED}))
def test_a_result_that_comes_late_is_not_recorded_where_another_is_known(store, accept, clock, state):
    accepted = accept(**SMS)
    ids = [delivery_id for delivery_id, _ in accepted.waiting]
    claim = store.claim(ids, Channel.SMS, Lease(clock(), clock() + 1000))[0].claim
    put(store, claim, state, None)
    assert store.record([Result(claim, S.SENT, "sent", provider_id="SM1")], clock()) == [False]
    assert state_of(store, claim) == state


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_round_of_the_sweep_reads_no_delivery_that_does_not_wait(store, accept, clock):
    """Every statement of the sweep finds its Deliveries by an index, however many there are."""
    statements: list[tuple[str, object]] = []
    engine = store._db.engine
    accept(**SMS)
    clock.pass_seconds(1)

    def note(_connection, _cursor, statement, parameters, *_):
        if "deliveries" in statement:
            statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    assert store.sweep(clock(), dict.fromkeys(Lane, clock()), 0)
    event.remove(engine, "before_cursor_execute", note)
    assert len(statements) >= 5
    with store._db.read() as tx:
        for statement, parameters in statements:
            plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            assert "SCAN deliveries" not in str(plan).replace("SCAN deliveries USING INDEX ix_", ""), (
                statement
            )
        plan = tx.execute(text("EXPLAIN QUERY PLAN SELECT id FROM deliveries")).all()
        assert "SCAN deliveries" in str(plan)  # which is how SQLite says it
