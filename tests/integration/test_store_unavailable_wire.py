"""What producers, operators and customers see of a store that is unavailable for a while."""

import logging

import pytest
from celery import Celery
from celery.exceptions import Reject

from messages.delivery import Channel
from messages.errors import StoreUnavailable
from messages.settings import load_settings
from messages.store.migrating import migrate
from tasks.celery_tasks import StoreAway, TaskFailed, names_no_cause_again
from tasks.send import send
from tasks.sweep import sweep
from tests.conftest import own_database
from tests.integration.task_steps import accept_one, send_all, shown
from tests.servers import wait_until
from tests.servers.http import is_error
from tests.servers.stores import PostgresqlFaults, as_user
from worker.bridge import LoopThread
from worker.parts import build_parts

HELLO = {"externalEmail": "dana@example.com", "text": "Hello"}


@pytest.fixture(scope="module")
def admin_url(postgres_url):
    with own_database(postgres_url) as url:
        migrate(url)
        yield url


@pytest.fixture
def faults(admin_url, postgres_user):
    return PostgresqlFaults(admin_url, postgres_user)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("privilege revoked", "InsufficientPrivilege (42501)"),
        ("table renamed", "UndefinedTable (42P01): run roundsman migrate"),
        ("read only", "ReadOnlySqlTransaction (25006)"),
        ("login refused", "is not permitted to log in"),
        ("database missing", "does not exist"),
    ],
)
def test_producers_are_answered_503_and_operators_read_the_cause_once(
    serving, faults, admin_url, postgres_user, name, cause, caplog
):
    url = as_user(admin_url, postgres_user)
    with serving(database_url=url) as client:
        assert client.post("/api/messages", json={"id": f"a-{name[:4]}", **HELLO}).status_code == 200
        assert client.get("/readyz").status_code == 200
        with faults.faults[name]():
            caplog.clear()
            for _ in range(3):
                answer = client.post("/api/messages", json={"id": f"b-{name[:4]}", **HELLO})
                assert is_error(answer, 503)["type"] == "unavailable"
                assert answer.headers["retry-after"] == "5"
            assert client.post("/api/messages/batch", json=[HELLO, HELLO]).status_code == 503
            error = is_error(client.get("/readyz"), 503)
            assert cause in error["fields"]["store"]
            assert client.get("/metrics").status_code == 200
            assert [record for record in caplog.records if record.exc_info] == []
            assert caplog.text.count(cause) == 1
        wait_until(lambda: client.get("/readyz").status_code == 200)
        answer = client.post("/api/messages", json={"id": f"b-{name[:4]}", **HELLO})
        assert answer.status_code == 200


@pytest.fixture
def impatient_parts(admin_url, postgres_user, broker_url, smtp, clock, faults):
    """Parts that give a Message one attempt."""
    settings = load_settings(
        database_url=as_user(admin_url, postgres_user),
        broker_url=broker_url,
        smtp_url=smtp.url,
        retry_max_attempts=1,
    )
    app = Celery("test", broker=broker_url, set_as_current=False)
    parts = build_parts(app, settings, LoopThread(), clock, broker_clock=clock)
    yield parts
    parts.close()
    app.close()


@pytest.mark.parametrize("name", ["privilege revoked", "table renamed", "SQLSTATE 53100", "SQLSTATE 26000"])
@pytest.mark.parametrize("count", [1, 2], ids=["alone", "together"])
def test_store_that_cannot_be_written_to_sends_nothing_and_fails_nothing(
    impatient_parts, faults, smtp, name, count
):
    parts = impatient_parts
    accepted = [accept_one(parts, **HELLO) for _ in range(count)]
    ids = [delivery_id for one in accepted for delivery_id, _ in one.waiting]
    with faults.faults[name]():
        if count > 1:
            with pytest.raises(StoreUnavailable):
                send(parts, Channel.EMAIL, ids)
    assert smtp.mails == []
    send_all(parts, *accepted)
    wait_until(lambda: len(smtp.mails) == count)
    assert {shown(parts, one.message_id)["status"] for one in accepted} == {"sent"}


def test_content_that_cannot_be_read_for_a_while_fails_no_message(
    impatient_parts, faults, postgres_user, smtp, clock
):
    parts = impatient_parts
    content = {"id": f"att-{clock()}", "filename": "offer.txt", "content": "T2ZmZXI="}
    accepted = accept_one(parts, **HELLO, attachments=[content])
    but_content = "id, filename, mime_type, url, digest"
    faults.execute(
        f"REVOKE SELECT ON attachments FROM {postgres_user}",
        f"GRANT SELECT ({but_content}) ON attachments TO {postgres_user}",
    )
    try:
        for _ in range(3):  # more often than a Message may be tried
            send_all(parts, accepted)
            [delivery] = shown(parts, accepted.message_id)["deliveries"]
            assert (delivery["status"], delivery["attempts"][-1]["code"]) == ("queued", "store")
            clock.pass_seconds(120)  # the longest wait after three attempts
    finally:
        faults.execute(f"GRANT SELECT ON attachments TO {postgres_user}")
    assert smtp.mails == []
    sweep(parts)
    send_all(parts, accepted)
    assert shown(parts, accepted.message_id)["status"] == "sent"


@pytest.mark.parametrize(
    ("exc", "is_logged"),
    [
        (StoreAway("the store is unavailable: x"), False),
        (Reject(StoreAway("the store is unavailable: x"), requeue=True), False),
        (TaskFailed("KeyError at send.py:1"), True),
    ],
)
def test_line_of_a_task_that_met_an_unavailable_store_is_left_out(exc, is_logged):
    record = logging.makeLogRecord({"msg": "Task failed", "data": {"exc": repr(exc)}})
    assert names_no_cause_again(record) == is_logged
    assert names_no_cause_again(logging.makeLogRecord({"msg": "anything else"}))
