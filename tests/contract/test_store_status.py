"""A Message's status, in lists: derived from its Deliveries, whatever of that is kept beside it."""

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
