"""An intake that cannot start says why in one line, however it is started."""

import os
import subprocess
import sys

import pytest

from messages.settings import PROJECT_ROOT


@pytest.mark.parametrize(
    ("setting", "said"),
    [("TEMPLATES_DIR", "lead/type.json: expiresAfter is 5; write it like"), ("PORT", "PORT is wrong: ")],
)
def test_plain_uvicorn_prints_no_traceback_for_a_setting_that_is_wrong(tmp_path, setting, said):
    (tmp_path / "lead").mkdir()
    (tmp_path / "lead" / "type.json").write_text('{"expiresAfter": 5}')
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), setting: str(tmp_path)}
    command = [sys.executable, "-m", "uvicorn", "intake.app:app", "--port", "0"]
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    errors = [line for line in done.stderr.splitlines() if not line.startswith("INFO: ")]
    assert done.returncode != 0
    assert len(errors) == 2
    assert errors[0].startswith("ERROR:    roundsman intake: ")
    assert said in errors[0]
    assert errors[1] == "ERROR:    Application startup failed. Exiting."
