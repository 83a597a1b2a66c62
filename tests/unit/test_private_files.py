"""VAR_DIR is its owner's alone, whatever it was before; what is somebody else's is left alone."""

import os
import stat

import pytest

from messages.private_files import make_private_folder
from messages.settings import load_settings
from worker.cli import migrate_command

OURS = (
    "roundsman.db",
    "roundsman.db-wal",
    "up.lock",
    "broker.url",
    "log/intake.log",
    "valkey/valkey.conf",
    "valkey/appendonlydir/appendonly.aof.1.base.rdb",
)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_new_folder_is_private(tmp_path):
    make_private_folder(tmp_path / "some" / "var")
    assert mode(tmp_path / "some" / "var") == 0o700


def test_folder_and_files_that_others_could_read_are_made_private(tmp_path):
    for name in (*OURS, "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    tmp_path.chmod(0o777)
    make_private_folder(tmp_path)
    assert mode(tmp_path) == 0o700
    assert {mode(tmp_path / name) for name in OURS} == {0o600}
    assert {mode(tmp_path / name) for name in ("log", "valkey", "valkey/appendonlydir")} == {0o700}
    assert mode(tmp_path / "notes.txt") == 0o666


def test_folder_that_all_users_share_and_what_links_lead_to_are_left_alone(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("x")
    var = tmp_path / "var"
    var.mkdir()
    (var / "roundsman.db").symlink_to(outside)
    var.chmod(0o1777)
    make_private_folder(var)
    assert mode(var) == 0o1777
    assert mode(outside) == 0o666


def test_migrate_makes_the_folder_and_the_store_private(tmp_path, monkeypatch):
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    migrate_command()
    assert mode(tmp_path / "var") == 0o700
    assert {mode(path) for path in (tmp_path / "var").iterdir()} == {0o600}
    assert load_settings().var_dir == tmp_path / "var"
