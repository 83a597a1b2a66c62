"""A worker as `celery -A worker worker` makes it, of wrapped parts. Forked from the launcher."""

from pathlib import Path

from tests.chaos.points import JumpingClock, Points, Role
from tests.chaos.wrapping import faulty_parts
from worker.bridge import LoopThread
from worker.celery import app
from worker.parts import build_parts
from worker.up.workers import work


def run_worker(name: str, orders: Path) -> int:
    """Be a worker until told to stop; its exit code."""
    points = Points(orders, Role.WORKER)
    clock = JumpingClock(points)
    parts = build_parts(app, app.settings, LoopThread(), clock, worker=lambda: app.held.process)
    app.parts = faulty_parts(parts, app, points)
    return work(app, f"{name}@chaos")
