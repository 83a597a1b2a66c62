"""The Celery tasks when something can be neither accepted nor kept: it stays on a queue."""

import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest
from celery import Celery
from celery.exceptions import Reject

from messages.errors import StoreUnavailable
from messages.queue_entries import BadEntry
from tasks import celery_tasks
from tasks.celery_tasks import TaskFailed
from worker import malformed

SECRET = "planted"


class Away:
    """A store that is away for what is refused."""

    def __init__(self, store: Any, error: Exception) -> None:
        self._store, self._error = store, error

    def refuse(self, *_: Any) -> None:
        raise self._error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture
def app() -> Iterator[Any]:
    """A Celery app with the tasks, and without what the worker's does to the whole process."""
    app = Celery("test", set_as_current=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the attribute `queue`, which Celery 6 is to drop
        app.finalize()
    yield app
    app.close()


@pytest.fixture
def use(app, parts, monkeypatch):
    """Have the app's tasks use these parts, of which one fails."""
    monkeypatch.setattr(celery_tasks, "STORE_PAUSE", 0)

    def run_with(error: Exception | None = None, **changed: Any) -> None:
        store = Away(parts.store, error) if error else parts.store
        app.parts = replace(parts, store=store, **changed)

    return run_with


def test_message_that_cannot_be_accepted_for_a_bug_is_kept(app, use, parts):
    use(acceptor=Mock(check=Mock(side_effect=RuntimeError(SECRET))))
    with pytest.raises(TaskFailed):
        app.tasks["tasks.accept"]({"id": "order-1"})
    [refused] = parts.store.refused(10)
    assert json.loads(refused.body) == [{"id": "order-1"}]
    assert SECRET not in refused.reason


def test_message_that_can_be_neither_accepted_nor_kept_goes_back_to_the_queue(app, use):
    use(StoreUnavailable("away"), acceptor=Mock(check=Mock(side_effect=RuntimeError(SECRET))))
    with pytest.raises(Reject) as raised:
        app.tasks["tasks.accept"]({})
    assert raised.value.requeue


def test_second_bug_is_logged_without_its_text(app, use, caplog):
    use(RuntimeError(SECRET), acceptor=Mock(check=Mock(side_effect=RuntimeError(SECRET))))
    with pytest.raises(TaskFailed) as raised:
        app.tasks["tasks.accept"]({})
    assert "could not be kept: RuntimeError" in caplog.text
    assert SECRET not in caplog.text + str(raised.value)


def test_ids_that_are_none_are_put_back_as_a_task_while_the_store_is_away(app, use, parts, monkeypatch):
    use(StoreUnavailable("away"))
    sent: list[Any] = []
    monkeypatch.setattr(app, "send_task", lambda name, args, **_: sent.append((name, args)))
    app.tasks["tasks.send_sms"]([5])
    [(name, (body, why))] = sent
    assert (name, json.loads(body)) == ("tasks.refuse", [[5]])
    use()
    app.tasks["tasks.refuse"](body, why)
    assert [(json.loads(r.body), r.reason) for r in parts.store.refused(10)] == [([[5]], why)]


@pytest.mark.parametrize("kept", [True, False])
def test_entry_is_acknowledged_only_once_it_is_kept(kept, monkeypatch):
    monkeypatch.setattr(malformed, "reject", lambda *_: kept)
    message, consumer = Mock(), Mock(connection_errors=())
    malformed.TolerantConsumer.on_invalid_task(consumer, None, message, BadEntry("it is wrong"))
    assert message.ack_log_error.called is kept
