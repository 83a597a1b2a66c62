"""One that is alone: found, rendered, and claimed only as it begins."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from celery import Celery

from messages.errors import StoreUnavailable
from tasks.alone import Alone
from tasks.parts import Parts
from tasks.send import send
from tasks.stopping import Stopping
from tests.integration.task_steps import accept_one, shown

EMAIL = {"externalEmail": "dana@example.com", "text": "Hello"}


class Overheard:
    """Tells which of a part's functions were called; those of `lost` do their work, and nobody is told."""

    def __init__(self, part: Any, *lost: str) -> None:
        self._part, self._lost = part, lost
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._part, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self.called.append(name)
            answer = real(*arguments, **named)
            if name in self._lost and self.called.count(name) == 1:
                raise StoreUnavailable("the answer was lost")
            return answer

        return call


@pytest.fixture
def named(parts) -> Parts:
    """As in a worker, where each process has a name."""
    return replace(parts, worker=lambda: "w1")


def listening(parts: Parts, *lost: str) -> tuple[Parts, Overheard]:
    store: Any = Overheard(parts.store, *lost)
    progress = type(parts.progress)(store, parts.clock)
    return replace(parts, store=store, progress=progress), store


def send_one(parts: Parts, fields: dict[str, Any], **named: Any) -> dict[str, Any]:
    accepted = accept_one(parts, **fields)
    [(delivery_id, lane)] = accepted.waiting
    send(parts, lane.channel, [delivery_id], **named)
    [delivery] = shown(parts, accepted.message_id)["deliveries"]
    return delivery


def outcomes(delivery: dict[str, Any]) -> list[str]:
    return [attempt["outcome"] for attempt in delivery["attempts"]]


def test_it_is_claimed_by_what_marks_it_as_begun(named, smtp):
    overhearing, store = listening(named)
    delivery = send_one(overhearing, EMAIL)
    assert (delivery["status"], outcomes(delivery), len(smtp.mails)) == ("sent", ["sent"], 1)
    assert {"find_alone", "claim_and_begin"} <= set(store.called)
    assert not {"claim", "take", "begin"} & set(store.called)


def test_what_was_given_to_another_before_is_claimed_first(named, smtp):
    overhearing, store = listening(named)
    assert send_one(overhearing, EMAIL, again=True)["status"] == "sent"
    assert "claim" in store.called
    assert "find_alone" not in store.called


@pytest.mark.filterwarnings("ignore::celery.exceptions.CDeprecationWarning")
@pytest.mark.parametrize("redelivered", [True, False])
def test_a_task_knows_whether_it_was_given_to_another_before(parts, monkeypatch, redelivered):
    given: list[bool] = []
    monkeypatch.setattr("tasks.celery_tasks.send", lambda *_, again: given.append(again))
    app: Any = Celery(set_as_current=False)
    app.parts = parts
    app.finalize()
    task = app.tasks["tasks.send_email"]
    task.push_request(delivery_info={"redelivered": redelivered})
    task.run(["dlv_1"])
    assert given == [redelivered]


def test_in_a_worker_that_is_busy_it_is_claimed_together_with_others(named, smtp):
    overhearing, store = listening(replace(named, is_quiet=lambda: False))
    assert send_one(overhearing, EMAIL)["status"] == "sent"
    assert "claim" in store.called
    assert "find_alone" not in store.called


def test_each_is_alone_once_at_a_time():
    alone = Alone()
    with alone.enter("a") as first, alone.enter("a") as second, alone.enter("b") as other:
        assert (first, second, other) == (True, False, True)
    with alone.enter("a") as again:
        assert again


def test_what_comes_twice_at_a_time_is_left_to_the_first(named, smtp):
    overhearing, store = listening(replace(named, alone=Alone()))
    accepted = accept_one(overhearing, **EMAIL)
    [(delivery_id, lane)] = accepted.waiting
    with overhearing.alone.enter(delivery_id):
        send(overhearing, lane.channel, [delivery_id])
    assert not {"find_alone", "claim"} & set(store.called)
    send(overhearing, lane.channel, [delivery_id])
    assert shown(overhearing, accepted.message_id)["status"] == "sent"


@pytest.mark.parametrize("lost", ["claim_and_begin", "take"])
def test_what_is_not_known_to_be_claimed_is_queued_again_at_once(named, smtp, lost):
    overhearing, _ = listening(named, "claim_and_begin", lost)
    delivery = send_one(overhearing, EMAIL)
    assert (delivery["status"], outcomes(delivery)) == ("queued", ["retryable"])
    assert smtp.mails == []


def test_a_sms_whose_beginning_is_cut_off_by_a_stop_is_queued_and_not_in_doubt(named, twilio):
    stopping = Stopping(0.1)
    real = named.progress

    class CutOff:
        """The store has it, and the worker is told to stop before it is told so."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        async def claim_and_begin(self, beginning: Any) -> bool:
            assert await real.claim_and_begin(beginning)
            stopping.begin()
            await asyncio.sleep(10)
            return True

    stopped: Any = CutOff()
    fields = {"externalPhoneNumber": "804-222-1111", "text": "Hello"}
    delivery = send_one(replace(named, stopping=stopping, progress=stopped), fields)
    assert delivery["status"] == "queued"
    assert twilio.messages == []
