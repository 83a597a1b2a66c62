"""`/media/…`: an attachment's content at a signed URL, for SMS providers to fetch."""

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from intake.door import Door
from messages.filenames import file_name, file_type
from messages.signing import is_valid

router = APIRouter(tags=["Media"])


@router.get("/media/{attachment_id}/{expires}/{signature}/{filename}", include_in_schema=False)
async def media(request: Request, attachment_id: str, expires: str, signature: str) -> Response:
    """The content, if the URL is ours and not too old; whatever else is wrong with it, 404."""
    door: Door = request.app.state.door
    key = await door.signing_key()
    known_time = expires.isdecimal() and expires.isascii()
    if not known_time or not is_valid(key, attachment_id, int(expires), signature, door.clock()):
        raise HTTPException(404)
    found = await run_in_threadpool(door.store.attachments, [attachment_id])
    attachment = found.get(attachment_id)
    if attachment is None or attachment.content is None:
        raise HTTPException(404)
    name = file_name(attachment.filename, mime_type=attachment.mime_type)
    return Response(
        attachment.content,
        media_type=file_type(attachment.mime_type, name=name),
        headers={
            # A producer chose content and type: nothing in it may act in intake's name.
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": f"inline; filename*=UTF-8''{quote(name, safe='')}",
            "Cache-Control": "private, max-age=86400",
        },
    )
