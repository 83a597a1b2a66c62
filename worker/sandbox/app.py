"""The HTTP side of the sandbox: the Twilio look-alike, the page and the JSON the page reads.

GET /           → /sandbox
GET /sandbox    the page; its files are under /sandbox/page/
GET /healthz    200 {"status": "ok"} when SMTP is up too, else 503
Everything else: see `twilio` and `api`.
"""

from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from worker.sandbox import api, twilio
from worker.sandbox.isolation import LoopbackOnly, page_headers
from worker.sandbox.sandbox import Sandbox

_PAGE = Path(__file__).parent / "page"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def build_app(sandbox: Sandbox, *, is_smtp_up: Callable[[], bool]) -> Starlette:
    """The app around `sandbox`; `is_smtp_up` is asked for /healthz."""

    async def healthz(_: Request) -> Response:
        is_up = is_smtp_up()
        return JSONResponse({"status": "ok" if is_up else "no SMTP"}, 200 if is_up else 503)

    return Starlette(
        routes=[
            *twilio.routes(sandbox),  # first: the routes that benchmarks use
            Route("/healthz", healthz),
            *api.routes(sandbox),
            *_page_routes(sandbox),
        ],
        middleware=[Middleware(LoopbackOnly)],
        exception_handlers={HTTPException: _error},
    )


def _page_routes(sandbox: Sandbox) -> list[Route]:
    headers = {**page_headers(sandbox.media_origins), "cache-control": "no-cache"}
    files = {path.name: path for path in _PAGE.iterdir() if path.suffix in _TYPES}

    async def root(_: Request) -> Response:
        return RedirectResponse("/sandbox")

    async def page(_: Request) -> Response:
        return FileResponse(_PAGE / "index.html", headers=headers, media_type="text/html")

    async def file(request: Request) -> Response:
        path = files.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404, "no such file")
        return FileResponse(path, headers=headers, media_type=_TYPES[path.suffix])

    return [Route("/", root), Route("/sandbox", page), Route("/sandbox/page/{name}", file)]


async def _error(_: Request, error: Exception) -> Response:
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    return JSONResponse({"error": detail}, status)
