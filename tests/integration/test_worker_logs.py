"""What a worker says of each task, and what is looked through for garbage."""

import logging
import subprocess
import sys

import pytest

from messages.settings import PROJECT_ROOT

LOGGED = """
import logging
import worker.celery
print([logging.getLogger(name).level for name in ("celery.worker.strategy", "celery.app.trace")])
"""

SET_ASIDE = """
import gc
from fastapi.testclient import TestClient
from intake.app import create_app
with TestClient(create_app()):
    print(gc.get_freeze_count() > 10_000, gc.get_threshold()[0] > 10_000)
"""


def printed(program, tmp_path, **environment):
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT_ROOT), "VAR_DIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("level", "from_level"),
    [("INFO", logging.WARNING), ("debug", logging.NOTSET), ("ERROR", logging.NOTSET)],
)
def test_a_line_for_each_task_is_for_debug_only(level, from_level, tmp_path):
    assert printed(LOGGED, tmp_path, LOG_LEVEL=level) == str([from_level, from_level])


def test_intake_looks_for_no_garbage_in_what_was_imported(tmp_path):
    assert printed(SET_ASIDE, tmp_path) == "True True"
