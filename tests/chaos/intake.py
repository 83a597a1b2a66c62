"""Intake as `uvicorn intake.app:app` runs it, of wrapped parts. Forked from the launcher."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn

from intake.app import create_app
from intake.door import Door
from intake.wire import Wire
from tests.chaos.points import Points, Role
from tests.chaos.wrapping import FaultyDoorbell, FaultyStore


def run_intake(port: int, orders: Path) -> int:
    """Serve until told to stop; the exit code."""
    app = create_app()
    real_lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with real_lifespan(app):
            _wrap(app.state.door, Points(orders, Role.INTAKE))
            yield

    app.router.lifespan_context = lifespan
    uvicorn.run(app, host="127.0.0.1", port=port, http=Wire, log_level="warning", access_log=False, ws="none")
    return 0


def _wrap(door: Door, points: Points) -> None:
    store: Any = FaultyStore(door.store, points)
    door.acceptor = replace(door.acceptor, store=store)
    door._ringer._doorbell = FaultyDoorbell(door.doorbell._app, points, in_haste=True)
