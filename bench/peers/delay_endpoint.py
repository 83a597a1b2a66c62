"""FastAPI and `task.delay()`, which stores nothing: `uvicorn bench.peers.delay_endpoint:app`.

If the broker loses its data, what was answered with 200 is gone.
"""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, EmailStr

from bench.peers.task_per_message import send_email

app = FastAPI()


class Message(BaseModel):
    """What is posted."""

    id: str
    externalEmail: EmailStr  # noqa: N815 - as the API has it
    text: str


@app.post("/api/messages")
def create(message: Message) -> dict[str, Any]:
    """Enqueue it."""
    send_email.delay(message.model_dump())
    return {"success": True, "data": message.model_dump()}
