"""Nothing of a Message, and no secret, is where people and machines look on: a whole Roundsman is searched.

Real parts throughout, all at debug level, with values planted in every place that somebody can write to. The
one place besides the store that holds a Message is the queue entrance, until a worker has it in the store.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from celery import Celery

from messages.store import Stored
from tests.acceptance.planted import (
    ENTRIES,
    HEADERS,
    MARK,
    MESSAGES,
    NOT_MESSAGES,
    PUSHED,
    SECRETS,
    every_field,
    found_in,
)
from tests.acceptance.secrets_scene import Scene, running
from tests.servers import wait_until

pytestmark = pytest.mark.slow

KEY = {"Authorization": f"Bearer {SECRETS['API_KEYS']}"}


@pytest.fixture(scope="module")
def scene(checkout: Path, tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Scene]:
    """A Roundsman to which much has happened."""
    with running(tmp_path_factory.mktemp("secrets"), checkout, postgres_url) as scene:
        try_a_login_that_is_refused(scene)
        yield scene


@pytest.fixture(scope="module")
def answers(scene: Scene) -> list[httpx.Response]:
    """What producers were answered."""
    return [*post_messages(scene), *ask_for_what_is_not_there(scene)]


@pytest.fixture(scope="module")
def flower(scene: Scene, answers: list[httpx.Response]) -> dict[str, str]:
    """What Flower and the worker told, after all that was pushed, while a worker held a Message."""
    push_entries(scene)
    wait_until(lambda: scene.broker.llen("intake") == 0, 20)
    found = look_while_one_is_held(scene)
    wait_until(scene.is_done, 20)
    return found


def try_a_login_that_is_refused(scene: Scene) -> None:
    scene.smtp.login_reply = f"535 5.7.8 {SECRETS['smtp user']} {SECRETS['smtp password']} {MARK}"
    only_email = {"externalEmail": f"dana@{MARK}.example", "text": MARK, "id": f"{MARK}-login"}
    httpx.post(f"{scene.up.api}/api/messages", json=only_email, headers=KEY).raise_for_status()
    wait_until(lambda: any(a.code == "535 5.7.8" for a in attempts_of(scene.store.find([f"{MARK}-login"]))))
    scene.smtp.login_reply = None


def post_messages(scene: Scene) -> Iterator[httpx.Response]:
    with httpx.Client(timeout=20, headers=HEADERS | KEY) as client:
        for number, message in enumerate(MESSAGES + NOT_MESSAGES):
            base = (scene.plain, scene.up.api)[number % 2]
            own = {"Idempotency-Key": f"{MARK}-key-{number}"}
            yield client.post(f"{base}/api/messages?{MARK}={MARK}", json=message, headers=own)
        for kind in ("application/json", f"text/{MARK}"):
            no_json = {"content": f"{MARK} no JSON", "headers": {"Content-Type": kind}}
            yield client.post(f"{scene.plain}/api/messages", **no_json)


def ask_for_what_is_not_there(scene: Scene) -> Iterator[httpx.Response]:
    with httpx.Client(base_url=scene.plain, timeout=20, headers=HEADERS | KEY) as client:
        yield client.get("/api/messages", params={"where[externalEmail][equals]": f"{MARK}@{MARK}.example"})
        yield client.get("/api/messages", params={"limit": MARK})
        yield client.get(f"/api/messages/{MARK}@{MARK}.example")
        yield client.post(f"/api/messages/{MARK}-dana/cancel")
        yield client.post(f"/api/receipts/twilio/{MARK}", data={MARK: MARK})
        for path in (f"/{MARK}", f"/media/{MARK}/1/{MARK}/{MARK}"):
            yield client.get(path)


def push_entries(scene: Scene) -> None:
    with Celery("producer", broker=scene.settings["BROKER_URL"], set_as_current=False) as app:
        for argument in PUSHED:
            app.send_task("tasks.accept", args=[argument], queue="intake")
    for queue in ("intake", "email"):
        scene.broker.lpush(queue, *ENTRIES)


def look_while_one_is_held(scene: Scene) -> dict[str, str]:
    """It cannot be stored, for somebody else has locked the table."""
    wait_until(lambda: "TaskFailed" in str(scene.logs()), 20)  # of those before it, one fails
    url = scene.settings["DATABASE_URL"].replace("+psycopg", "")
    seen: dict[str, str] = {}
    with (
        psycopg.connect(url) as other,
        Celery(broker=scene.settings["BROKER_URL"], set_as_current=False) as app,
    ):
        other.execute("LOCK TABLE messages IN EXCLUSIVE MODE")
        app.send_task("tasks.accept", args=[every_field(id=f"{MARK}-held")], queue="intake")
        ask = app.control.inspect(timeout=2, limit=1)

        def is_held() -> bool:
            seen["active"] = json.dumps(ask.active())
            return "tasks.accept" in seen["active"]

        wait_until(is_held)
        told = {name: json.dumps(getattr(ask, name)()) for name in ("conf", "stats", "reserved")}
        return seen | told | pages_of_flower(scene.up.flower)


def pages_of_flower(url: str) -> dict[str, str]:
    table = {"draw": 1, "start": 0, "length": 1000, "order[0][column]": 0, "columns[0][data]": "name"}
    with httpx.Client(base_url=url, timeout=20) as client:
        seen = {"/api/workers": client.get("/api/workers", params={"refresh": "true"}).text}
        seen["/tasks/datatable"] = client.get("/tasks/datatable", params=table).text
        seen |= {page: client.get(page).text for page in ("/api/tasks", "/", "/tasks", "/broker", "/metrics")}
        pages = [f"/worker/{worker}" for worker in json.loads(seen["/api/workers"])]
        for task in json.loads(seen["/api/tasks"]):
            pages += [f"/task/{task}", f"/api/task/info/{task}"]
        return seen | {page: client.get(page).raise_for_status().text for page in pages}


def attempts_of(found: list[Stored]) -> list:
    return [attempt for stored in found for own in stored.attempts.values() for attempt in own]


def search(found: dict[str, str]) -> list[str]:
    assert all(found.values())
    return [f"{where}: {each}" for where, text in found.items() for each in found_in(text)]


def test_all_of_it_happened(scene, answers, flower):
    assert {answer.status_code for answer in answers} >= {200, 400, 403, 404, 409, 415, 500, 503}
    stored = scene.store.page(None, 1000, 1).items
    codes = {attempt.code for attempt in attempts_of(stored)}
    assert codes >= {"21211", "21610", "20500", "550 5.1.1", "554 5.7.1", "template", "535 5.7.8"}
    assert {d.state for s in stored for d in s.deliveries} >= {"sent", "failed", "suppressed"}
    assert len(scene.store.refused(1000)) > 20
    logs = str(scene.logs())
    assert all(
        line in logs for line in ("TaskFailed", "Unforeseen", "The store is unavailable", "Nobody classified")
    )
    assert "null" not in (flower[name] for name in ("active", "conf", "stats", "reserved"))
    assert "TaskFailed" in flower["/api/tasks"]


def test_what_was_planted_would_be_found():
    assert len(found_in(json.dumps(every_field()))) == 4
    assert found_in(json.dumps(ENTRIES))
    assert found_in("cGxhbnRlZA==")
    assert found_in("x" + SECRETS["API_KEYS"])


def test_nothing_planted_is_in_a_log_or_on_the_terminal(scene, flower):
    assert search(scene.logs()) == []


def test_nothing_planted_is_left_in_the_broker(scene, flower):
    assert search(scene.keys()) == []


def test_nothing_planted_is_on_flowers_pages_or_told_by_a_worker(flower):
    assert search(flower) == []


def test_nothing_planted_is_in_metrics_and_health_and_answers_to_others(scene, flower):
    pages = [
        httpx.get(f"{scene.plain}/{page}", headers=KEY) for page in ("metrics", "healthz", "readyz", "docs")
    ]
    others = [httpx.get(f"{scene.plain}/api/messages/{MARK}-dana"), httpx.get(f"{scene.plain}/metrics")]
    assert [answer.status_code for answer in pages + others] == [200] * 4 + [401] * 2
    assert search({str(answer.url): answer.text for answer in pages}) == []
    assert [found for answer in others for found in found_in(answer.text)] == []


def test_no_answer_shows_a_secret(answers):
    for answer in answers:
        assert [name for name, secret in SECRETS.items() if secret in answer.text] == []


def test_nothing_planted_is_in_a_command_line(scene, flower):
    commands = {str(process.pid): " ".join(process.cmdline()) for process in scene.up.processes()}
    assert len(commands) > 4
    assert search(commands) == []
