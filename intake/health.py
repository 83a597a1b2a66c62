"""`/healthz`, `/readyz`, `/metrics`: for those who run it."""

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, Response

from intake import openapi
from intake.answers import error, success
from intake.door import Door
from intake.metrics import exposition
from messages.errors import StoreUnavailable

router = APIRouter(tags=["Operation"])


@router.get("/healthz", summary="Alive")
async def healthz() -> Response:
    """200 as long as the process answers."""
    return success({"status": "ok"})


@router.get("/readyz", summary="Store can be written to, broker answers", responses=openapi.errors(503))
async def readyz(request: Request) -> Response:
    """200 when the store can be written to and the broker answers, else 503 with the cause."""
    door: Door = request.app.state.door
    wrong = await run_in_threadpool(_unreachable, door)
    if wrong:
        return error(503, "Not ready: " + " and ".join(wrong), wrong)
    return success({"store": "ok", "broker": "ok"})


@router.get(
    "/metrics",
    summary="Counters for Prometheus",
    response_class=PlainTextResponse,
    responses=openapi.errors(401),
)
async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    door: Door = request.app.state.door
    door.gate.check(request)
    text = await run_in_threadpool(
        exposition,
        door.store.waiting_by_state,
        lambda: door.store.open_circuits(door.clock()),
        door.store.waiting_for_rates,
    )
    return Response(text, media_type="text/plain; version=0.0.4")


def _unreachable(door: Door) -> dict[str, str]:
    wrong = {}
    try:
        door.store.check_writable()
    except StoreUnavailable as error:
        wrong["store"] = str(error)
    try:
        door.doorbell.ping()
    except Exception:  # noqa: BLE001 - kombu and redis raise many; all mean the same here
        wrong["broker"] = "the broker does not answer; Messages are accepted and sent once it is back"
    return wrong
