"""The migration is left out of a start only where the store is surely as the last one left it."""

import shutil
import sqlite3
import subprocess
import sys

import pytest

from messages.settings import PROJECT_ROOT, Settings
from worker.up.migrate import is_migrated
from worker.up.services import providers, services


@pytest.fixture
def settings(tmp_path):
    return Settings(var_dir=tmp_path)


def migrate(settings):
    return subprocess.run(
        [sys.executable, "-m", "worker.up.migrate"],
        env={"VAR_DIR": str(settings.var_dir), "DATABASE_URL": settings.database},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def names(settings):
    return [service.name for service in services(settings, providers(settings))]


def test_a_first_start_migrates_and_a_second_one_need_not(settings):
    assert "migrate" in names(settings)
    assert migrate(settings).returncode == 0
    assert is_migrated(settings)
    assert "migrate" not in names(settings)


def test_a_store_that_was_removed_is_migrated_again(settings):
    migrate(settings)
    (settings.var_dir / "roundsman.db").unlink()
    assert not is_migrated(settings)


def test_a_store_that_was_replaced_by_an_older_one_is_migrated_again(settings):
    migrate(settings)
    older = settings.var_dir / "older.db"
    with sqlite3.connect(older) as connection:
        connection.execute("CREATE TABLE messages (id TEXT)")
    connection.close()
    shutil.copyfile(older, settings.var_dir / "roundsman.db")
    assert not is_migrated(settings)


def test_another_store_is_migrated(settings):
    migrate(settings)
    other = Settings(var_dir=settings.var_dir, database_url=f"sqlite:///{settings.var_dir}/other.db")
    assert not is_migrated(other)


def test_postgresql_is_always_migrated(settings):
    url = "postgresql+psycopg://somewhere/else"
    assert not is_migrated(Settings(var_dir=settings.var_dir, database_url=url))


def test_what_is_wrong_is_one_line(settings):
    broken = settings.var_dir / "roundsman.db"
    broken.write_bytes(b"no database at all " * 100)
    done = migrate(settings)
    assert done.returncode == 1
    assert done.stdout.startswith("the store is unavailable: file is not a database")
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
