"""Roundsman's own POST without its store and queue: `uvicorn bench.peers.validating_endpoint:app`.

It parses, checks and answers with the Message. What it does in a second is what durability is paid from.
"""

from fastapi import FastAPI, Request
from fastapi.responses import Response

from bench.corpus import TEMPLATES
from intake import answers
from intake.body import read_json
from messages.attachments import AttachmentLimits
from messages.catalogue import Catalogue
from messages.clock import system_clock, to_iso
from messages.draft import draft

app = FastAPI()
answers.install(app)

catalogue = Catalogue.read(TEMPLATES)
limits = AttachmentLimits(max_files=10, max_bytes=20_000_000)


@app.post("/api/messages")
async def create(request: Request) -> Response:
    """Check it, and show it."""
    checked = draft(await read_json(request, 30_000_000), catalogue, limits)
    created_at = to_iso(system_clock())
    return answers.success({"id": checked.id, **checked.fields, "status": "queued", "createdAt": created_at})
