"""Messages that take long to render hold up nobody else, and fail once, with the reason."""

import shutil
import time
from typing import Any

import pytest

from messages.acceptance import Acceptor
from messages.clock import system_clock
from messages.doorbell import Doorbell
from messages.settings import PROJECT_ROOT, load_settings
from messages.store import Accepted
from tests.servers import wait_until
from tests.stored import shown

pytestmark = pytest.mark.slow

SMS, EMAIL = {"externalPhoneNumber": "804-222-1111"}, {"externalEmail": "maya@example.com"}
HOSTILE = ("[", "[](a:", "<", "&", " ", "-", "\n", '"')


@pytest.fixture
def post(store, app, tmp_path):
    """Accept Messages without rendering them, and enqueue them; their ids."""
    shutil.copytree(PROJECT_ROOT / "templates", tmp_path / "templates")
    for name, source in {
        "loops": "{% for a in message.l %}{% for b in message.l %}{% if a < b %}{% endif %}{% endfor %}"
        "{% endfor %}",
        "power": "{{ 7 ** (7 ** message.n) }}",
        "memory": "{{ '-' * message.n }}",
    }.items():
        folder = tmp_path / "templates" / "hostile" / name
        folder.mkdir(parents=True)
        (folder / "sms.txt").write_text(source)
    settings = load_settings(templates_dir=tmp_path / "templates", render_at_acceptance=False)
    acceptor = Acceptor.from_settings(settings, store, system_clock)

    def post_all(*messages: dict[str, Any]) -> list[str]:
        accepted = acceptor.accept([acceptor.draft(message) for message in messages])
        assert all(isinstance(one, Accepted) for one in accepted), accepted
        waiting = [waiting for one in accepted for waiting in one.waiting]
        wait_until(lambda: Doorbell(app).ring(waiting), 10)
        return [one.message_id for one in accepted]

    return post_all


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_messages_behind_hostile_ones_are_sent_at_once(store, post, start, smtp, twilio, tmp_path):
    start(TEMPLATES_DIR=str(tmp_path / "templates"))
    [warm] = post(SMS | EMAIL | {"text": "Hello"})
    wait_until(lambda: shown(store, warm)["status"] == "sent", 20)

    hostile = [
        SMS | {"template": "hostile/loops", "l": list(range(20_000))},
        SMS | {"template": "hostile/power", "n": 9},
        SMS | {"template": "hostile/memory", "n": 10**10},
    ]
    long = [EMAIL | {"templateType": "vehicle-enquiry", "text": (one * 150_000)[:150_000]} for one in HOSTILE]
    bad = post(*hostile, *hostile)
    for _ in range(4):  # more than the worker has threads, each a task of its own
        for one in hostile:
            bad += post(one)
    slow = post(*long)
    began = time.monotonic()
    good = post(SMS | {"text": "Behind"}, EMAIL | {"text": "Behind"})
    wait_until(lambda: all(shown(store, one)["status"] == "sent" for one in good), 20)
    assert time.monotonic() - began < 2

    wait_until(lambda: all(shown(store, one)["status"] == "failed" for one in bad), 60)
    for number, message_id in enumerate(bad):
        [delivery] = shown(store, message_id)["deliveries"]
        [attempt] = delivery["attempts"]
        expected = "more memory" if number % 3 == 2 else "RENDER_TIMEOUT_SECONDS"
        assert expected in attempt["error"]
        assert attempt["outcome"] == "permanent"
    wait_until(lambda: all(shown(store, one)["status"] == "sent" for one in slow), 60)
