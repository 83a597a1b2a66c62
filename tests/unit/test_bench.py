"""The bench itself: a figure is only worth something if losses are found and ratios are what they say."""

import importlib.util
import os
import pkgutil
import subprocess
import sys
from argparse import Namespace
from typing import ClassVar

import pytest

from bench import audit, peers, profile, report, results
from bench.__main__ import is_full
from bench.figures import Sizes, Violation, rate
from bench.providers.arrivals import Arrivals, Report
from bench.providers.smtp import Smtp
from bench.rounds import Measured, Measurement, in_turn, measure
from bench.scenarios import measurements
from bench.targets import TARGETS, Target, chosen

AT_LEAST_TWICE = Target("drain", "Ours ÷ theirs", ("ours", "per_second"), 2.0, 3.0, ("theirs", "per_second"))
AT_MOST_100 = Target("backlog", "Bytes", ("ours", "bytes"), 100, 40, at_least=False)


def took(*recipients: str, doubled_ids: int = 0) -> Report:
    return Report([0.0] * len(recipients), list(recipients), doubled_ids)


def test_what_arrived_once_each_passes_the_audit():
    audit.check("ours", took("b", "a"), ["a", "b"])


@pytest.mark.parametrize(
    ("report", "complaint"),
    [
        (took("a"), "1 lost, such as b"),
        (took("a", "b", "a"), "1 sent twice, such as a"),
        (took("a", "b", "c"), "1 sent to nobody we know, such as c"),
        (took("a", "b", doubled_ids=1), "1 came with a Message-ID that was there before"),
    ],
)
def test_what_was_lost_or_doubled_fails_the_audit(report: Report, complaint: str):
    with pytest.raises(Violation, match=complaint):
        audit.check("ours", report, ["a", "b"])


def test_a_rate_leaves_out_the_warm_up_and_counts_until_all_is_recorded():
    starts_slowly = [0.0, *(10 + number / 10 for number in range(10))]

    assert rate(starts_slowly, end=19.0) == pytest.approx(9 / (19.0 - 10.0))


def test_latencies_are_measured_in_turn_with_the_peers():
    due = measurements(["intake", "latency", "peer_latency", "growth"], ["sqlite"])

    ours, peers_ = "latency/sqlite", "peer_latency"
    taken = [one.name for one in in_turn(due)]

    assert taken == ["intake/sqlite", ours, peers_, peers_, ours, ours, peers_, "growth/sqlite"]


class NoStage:
    """Nothing to clear, no store."""

    stores: ClassVar[dict[str, object]] = {}

    def clear(self) -> None:
        """Nothing waits."""


def test_of_what_takes_turns_the_median_counts_and_a_turn_that_fails_is_told():
    given = iter([{"p50": 3.0, "p99": 9.0}, {"p50": 1.0, "p99": 8.0}, {"p50": 2.0, "p99": 10.0}])
    told: list[str] = []

    def lose(_stage: object) -> dict[str, float]:
        raise Violation("1 lost")

    measured = measure(
        NoStage(),
        [Measurement("takes turns", lambda _: next(given), turns=3), Measurement("loses", lose)],
        runs=1,
        tell=told.append,
    )

    assert measured.rounds == [{"takes turns": {"p50": 2.0, "p99": 9.0}}]
    assert measured.violations == ["loses: Violation: 1 lost"]
    assert told[-1] == "1/1 loses: FAILED: loses: Violation: 1 lost"


def test_a_ratio_is_of_figures_of_one_round_and_its_median_is_quoted():
    rounds = [
        {"ours/sqlite": {"per_second": ours}, "theirs": {"per_second": theirs}}
        for ours, theirs in ((200, 100), (900, 300), (100, 400))
    ]

    row = results.rows(Measured(rounds=rounds, probes=[1.0], loads=[0.0]), [AT_LEAST_TWICE], ["sqlite"])[0]

    assert (row.value, row.low, row.high) == (2.0, 0.25, 3.0)
    assert (row.holds, row.holds_stretch) == (True, False)


def test_a_bound_from_above_holds_for_what_is_below_it():
    assert AT_MOST_100.holds(100)
    assert not AT_MOST_100.holds(101)
    assert AT_MOST_100.holds(40, stretch=True)


def test_a_target_that_was_missed_is_marked_as_missed():
    measured = Measured(rounds=[{"ours/sqlite": {"bytes": 120.0}}], probes=[1.0], loads=[0.0])

    assert report.table(results.rows(measured, [AT_MOST_100], ["sqlite"])).endswith("✗ |")


def test_the_front_door_has_a_line_for_each_target_and_a_column_for_each_store():
    rounds = [
        {"ours/sqlite": {"bytes": 46.0}, "ours/postgresql": {"bytes": theirs}} for theirs in (50.0, 48.0)
    ]
    rows = results.rows(
        Measured(rounds=rounds, probes=[1.0], loads=[0.0]), [AT_MOST_100], ["sqlite", "postgresql"]
    )

    shown = report.shown_in("before\n<!-- bench -->\nthe last run's\n<!-- /bench -->\nafter", rows)

    assert shown.splitlines() == [
        "before",
        "<!-- bench -->",
        "| | sqlite | postgresql | target |",
        "| --- | ---: | ---: | ---: |",
        "| Bytes | **46 ×** | **49 ×** (48 … 50) | ≤ 100 |",
        "<!-- /bench -->",
        "after",
    ]


def test_only_chooses_targets_by_their_group():
    assert {target.group for target in chosen("drain|sms")} == {"drain", "sms"}
    assert chosen("") == TARGETS


@pytest.mark.parametrize(
    "less", [{"only": "drain"}, {"store": "sqlite"}, {"scale": 0.5}, {"runs": 4}], ids=str
)
def test_only_a_run_of_everything_at_full_size_is_shown_at_the_front_door(less):
    full = {"only": "", "store": "both", "scale": 1.0, "runs": 5}
    assert is_full(Namespace(**full))
    assert not is_full(Namespace(**full | less))


def test_sizes_shrink_but_never_to_nothing():
    assert Sizes(0.1).of(20_000) == 2_000
    assert Sizes(0.0001).of(20_000) == 200


STACKS = """\
thread (1): channels;run (asyncio/x.py:1);transact (worker/channels/smtp_transaction.py:9) 3
thread (1): channels;build (worker/channels/mime.py:1);quote (email/quoprimime.py:2) 1
thread (2): pool-0_1;trace_task (celery/app/trace.py:5);send (tasks/send.py:1);root (jinja2/runtime.py:4) 30
thread (3): pool-0_2;trace_task (celery/app/trace.py:5);send (tasks/send.py:1);wait (threading.py:2) 20
thread (3): pool-0_2;trace_task (celery/app/trace.py:5);f (messages/store/claiming.py:1);g (m.py:2) 50
thread (4): MainThread;loop (kombu/hub.py:5) 900
"""


def test_a_sample_counts_for_the_innermost_part_and_as_much_as_its_threads_spend():
    found = profile.by_part(STACKS, {"channels": 40.0, "pool": 100.0, "MainThread": 5.0})

    assert {part.split(":")[0].split(",")[0]: cost for part, cost in found.items()} == {
        "claiming": 50, "the SMTP dialogue": 30, "rendering": 30, "waiting in line": 20, "writing MIME": 10,
        "Celery": 5,
    }  # fmt: skip


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


CONVERSATION = (
    b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n"
    b"Subject: one\r\nMessage-ID: <1@x>\r\n\r\ntext\r\n.\r\n"
    b"MAIL FROM:<a@x>\r\nRCPT TO:<c@x>\r\nDATA\r\n"
    b"message-id:\r\n <1@x>\r\n\r\nMessage-ID: <2@x>\r\n.\r\nQUIT\r\n"
)


@pytest.mark.parametrize("piece", [1, 7, len(CONVERSATION)])
def test_the_smtp_server_counts_each_e_mail_once_however_it_is_cut_into_packets(piece: int):
    arrivals, wire = Arrivals(), Wire()
    connection = Smtp(arrivals)
    connection.connection_made(wire)

    for at in range(0, len(CONVERSATION), piece):
        connection.data_received(CONVERSATION[at : at + piece])

    assert arrivals.recipients == ["b@x", "c@x"]
    assert arrivals.ids == {b"<1@x>"}
    assert wire.written.count(b"250 OK") == 6
    assert wire.closed


def test_every_peer_can_be_imported():
    names = [found.name for found in pkgutil.walk_packages(peers.__path__, "bench.peers.")]
    if importlib.util.find_spec("post_office") is None:  # it comes with what only `make bench` installs
        names = [name for name in names if "post_office" not in name]
    assert "bench.peers.validating_endpoint" in names

    told = {
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": "1",
        "PEER_DATABASE_URL": "sqlite:////nowhere",
        "DJANGO_SETTINGS_MODULE": "bench.peers.post_office.settings",
    }
    done = subprocess.run(  # elsewhere, for Celery remembers the last app it made
        [sys.executable, "-c", "\n".join(f"import {name}" for name in names)],
        env=os.environ | told, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-2000:]
