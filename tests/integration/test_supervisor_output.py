"""What of a service's output reaches the terminal, and how it reads there."""

import logging

import pytest

from worker.up.output import Line, Lines, LogFile, Reader


@pytest.mark.parametrize(
    ("line", "level", "text"),
    [
        ("[2026-01-31 12:00:00,123: ERROR/MainProcess] it broke", logging.ERROR, "it broke"),
        ("[2026-01-31 12:00:00,123: INFO/MainProcess] w1@host ready.", logging.INFO, "w1@host ready."),
        ("ERROR:    [Errno 98] address already in use", logging.ERROR, "[Errno 98] address already in use"),
        ("WARNING: w1 was killed", logging.WARNING, "w1 was killed"),
        ("2026-01-31 12:00:00 WARNING slow", logging.WARNING, "slow"),
        ("[W 260131 12:00:00 app:1] no workers", logging.WARNING, "no workers"),
        ('{"level": "error", "message": "it broke", "delivery": "d1"}', logging.ERROR, "it broke"),
        ('{"level": "warning", "event": "slow", "error": "a\\nb"}', logging.WARNING, "slow: b"),
        ("{not json", logging.INFO, "{not json"),
        ("[1, 2]", logging.INFO, "[1, 2]"),
        ("an ERROR in the middle is a word", logging.INFO, "an ERROR in the middle is a word"),
    ],
)
def test_a_line_has_a_level_and_a_text(line, level, text):
    assert Reader().read(line) == Line(level, text)


def test_of_a_traceback_only_the_error_is_loud():
    reader = Reader()
    lines = [
        "Traceback (most recent call last):",
        '  File "x.py", line 1, in <module>',
        "    1 / 0",
        "ZeroDivisionError: division by zero",
        "afterwards",
    ]
    loud = [line for line in lines if reader.read(line).level >= logging.WARNING]
    assert loud == ["ZeroDivisionError: division by zero"]


def test_lines_are_put_together_from_pieces():
    lines = Lines()
    assert list(lines.feed(b"on")) == []
    assert list(lines.feed(b"e\r\ntwo\nthr")) == ["one", "two"]
    assert list(lines.feed(b"")) == ["thr"]
    assert list(lines.feed(b"")) == []


def test_a_line_without_an_end_is_cut():
    assert [len(line) for line in Lines().feed(b"x" * 70_000)] == [70_000]


def test_bytes_that_are_no_text_are_replaced():
    assert list(Lines().feed(b"\xff\n")) == ["\N{REPLACEMENT CHARACTER}"]


def test_a_log_does_not_grow_without_bound(tmp_path):
    log = LogFile(tmp_path, "talker")
    for _ in range(11):
        log.write("x" * 1_000_000)
    log.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 11_000_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["talker.log", "talker.log.1"]
