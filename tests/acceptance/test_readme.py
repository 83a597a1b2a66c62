"""The README's examples run as pasted, and what the documentation names is there."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from bench.report import brief
from bench.results import Row
from bench.stores import STORES
from bench.targets import TARGETS
from messages.queues import INTAKE_QUEUE
from messages.settings import PROJECT_ROOT, Settings
from messages.states import TRANSITIONS
from tests.chaos.report import table

from .conftest import PORTS, Up

README = PROJECT_ROOT / "README.md"
PAGES = [README, PROJECT_ROOT / "templates" / "README.md", *sorted((PROJECT_ROOT / "docs").rglob("*.md"))]
BIN = Path(sys.executable).parent

#: Named in the documentation, but no settings: of the tests, of Docker alone, or of other programs.
NOT_OURS = {
    "MALLOC_ARENA_MAX",
    "TEST_DATABASE_URL",
    "POSTGRES_PASSWORD",
    "FLOWER_BASIC_AUTH",
    "FORWARDED_ALLOW_IPS",
    "REDISCLI_AUTH",
}


class Example(NamedTuple):
    """A block that is marked for this test by an HTML comment: `<!-- test -->`."""

    mark: str  #: what follows `test`, such as `: LPUSH intake`
    language: str
    text: str


def examples() -> list[Example]:
    block = re.compile(r"^<!-- test(.*?) -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [Example(*found) for found in block.findall(README.read_text(encoding="utf-8"))]


def of_language(language: str) -> list[Example]:
    return [example for example in examples() if example.language == language]


@pytest.fixture
def localised(running: Up) -> Callable[[str], str]:
    """Puts the ports and the folder of the running Roundsman in place of the usual ones."""
    usual = {str(Settings.model_fields[name.lower()].default): name for name in PORTS}

    def localise(text: str) -> str:
        text = text.replace("var/broker.url", f"{running.env['VAR_DIR']}/broker.url")
        return re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda port: str(running.ports[usual[port[0]]]), text)

    return localise


@pytest.fixture
def shell(running: Up, localised: Callable[[str], str]) -> Callable[[str], str]:
    """Runs shell commands as pasted; gives what they print, and fails when one of them fails."""

    def run(commands: str) -> str:
        script = localised(commands).replace(".venv/bin/", f"{BIN}/")
        done = subprocess.run(
            ["sh", "-e", "-c", script],
            env=running.env,
            cwd=running.checkout,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def status_of(running: Up) -> Callable[[str], str]:
    """A Message's status once it is under way no more, or `missing`."""

    def wait(message_id: str) -> str:
        deadline = time.monotonic() + 20
        while True:
            answer = httpx.get(f"{running.api}/api/messages/{message_id}")
            status: str = answer.json()["data"]["status"] if answer.is_success else "missing"
            if status not in ("missing", "queued", "sending") or time.monotonic() > deadline:
                return status
            time.sleep(0.1)

    return wait


def json_answers(output: str) -> Iterator[dict[str, object]]:
    """The API's answers in what commands printed: curl ends none with a new line."""
    decoder = json.JSONDecoder()
    for start in re.finditer(r'\{"(?:data|error)":', output):
        yield decoder.raw_decode(output[start.start() :])[0]


def test_there_are_examples_of_every_kind():
    assert {example.language for example in examples()} == {"sh", "python", "json"}


def test_the_shell_examples_succeed_in_the_order_of_the_page(shell, status_of):
    answers = 0
    for example in of_language("sh"):
        found = list(json_answers(shell(example.text)))
        assert len(found) == example.text.count("curl ")
        assert all(answer["success"] for answer in found), found
        answers += len(found)
    assert answers
    assert status_of("first-message") == "sent"


def test_the_first_message_arrives_on_both_channels(running, shell, status_of):
    first = of_language("sh")[0].text
    shell(first)
    assert status_of("first-message") == "sent"
    shell(first)  # pasted again: nothing is sent again
    arrived = httpx.get(f"{running.sandbox}/sandbox/api/messages").json()
    of_maya = [a for a in arrived if "Honda Civic" in a.get("subject", "") + a.get("body", "")]
    assert sorted(a["channel"] for a in of_maya) == ["email", "sms"]


def test_the_python_producer_is_understood(running, localised, status_of):
    [example] = [example for example in of_language("python") if not example.mark]
    environment = {"PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", localised(example.text)], env=environment, timeout=60, check=True)
    assert status_of("from-celery") == "sent"


def test_the_task_for_any_other_language_is_understood(localised, status_of, tmp_path):
    [task] = [example for example in of_language("json") if example.mark == f": LPUSH {INTAKE_QUEUE}"]
    [push] = [example for example in of_language("python") if example.mark == ": redis-py"]
    (tmp_path / "task.json").write_text(task.text)
    subprocess.run([sys.executable, "-c", localised(push.text)], cwd=tmp_path, timeout=60, check=True)
    assert status_of("from-anywhere") == "sent"


def test_commands_find_the_brokers_password_by_themselves(running, shell):
    script = ".venv/bin/celery -A worker inspect ping --timeout 10"
    assert "BROKER_URL" not in running.env
    assert shell(script).count("pong") == 2
    url = (Path(running.env["VAR_DIR"]) / "broker.url").read_text()
    assert str(Path(running.env["VAR_DIR"]) / "broker.url") in running.said
    password = url.split(":")[2].partition("@")[0]
    assert password not in running.said
    logs = (Path(running.env["VAR_DIR"]) / "log").glob("*.log")
    assert not [log for log in logs if password in log.read_text()]
    assert not [one for one in running.processes() if password in " ".join(one.cmdline())]


def test_the_errors_form_is_the_one_on_the_page(running):
    shown = re.search(r'^\{"error": .*?^ "success": false\}$', README.read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    wrong = {"externalPhoneNumber": "12", "text": "x"}
    assert httpx.post(f"{running.api}/api/messages", json=wrong).json() == json.loads(shown[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_every_relative_link_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = chain(re.findall(r"\]\(([^)\s]+)\)", text), re.findall(r'(?:src|srcset)="([^"]+)"', text))
    missing = [link for link in links if "://" not in link and not _leads_somewhere(page, link)]
    assert not missing


def _leads_somewhere(page: Path, link: str) -> bool:
    name, _, heading = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if not target.exists():
        return False
    return not heading or heading in _anchors(target.read_text(encoding="utf-8"))


def _anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_every_setting_that_is_named_is_one(page):
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![A-Za-z])([A-Z]+(?:_[A-Z]+)+)(?![A-Za-z(])", text))
    assert named - {name.upper() for name in Settings.model_fields} - NOT_OURS == set()


def test_the_state_diagram_shows_every_transition_and_no_other():
    diagram = (PROJECT_ROOT / "docs" / "states.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^    (\w+) --> (\w+)$", diagram, re.MULTILINE))
    assert shown == {(before, after) for before, targets in TRANSITIONS.items() for after in targets}


def test_the_table_of_speed_is_what_the_last_full_run_measured():
    run = json.loads((PROJECT_ROOT / "bench" / "results.json").read_text(encoding="utf-8"))
    rows = [Row(**row) for row in run["targets"]]
    assert brief(rows) in README.read_text(encoding="utf-8")
    assert len(rows) == len(TARGETS) * len(STORES)
    assert [row.what for row in rows if not row.holds] == []
    assert run["violations"] == []
    assert (run["options"]["runs"], run["options"]["scale"]) == (5, 1)


def test_the_table_of_faults_is_what_the_last_full_run_found():
    runs = json.loads((PROJECT_ROOT / "bench" / "chaos.json").read_text(encoding="utf-8"))
    assert table(runs) in README.read_text(encoding="utf-8")
    assert sum(run["faults"] for run in runs) >= 1000
    assert sum(run["accepted"] for run in runs) >= 100_000
    assert {(run["lost"], run["doubledSms"], run["violations"] == []) for run in runs} == {(0, 0, True)}
    assert all(run["doubledEmail"] == run["doubledEmailMarked"] for run in runs)
