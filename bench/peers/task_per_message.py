"""A sender as tutorials have it, a task and a connection for each e-mail; it stores nothing.

    celery -A bench.peers.task_per_message worker

Celery with its defaults (prefork), Jinja2, `email.message` and `aiosmtplib.send`, which has to be run by
`asyncio.run` since tasks are synchronous. The templates are Roundsman's.
"""

import asyncio
import os
from email.message import EmailMessage
from email.utils import make_msgid
from typing import Any

import aiosmtplib
from celery import Celery

from bench.corpus import DEALERSHIP, SENDER, TEMPLATE, TEMPLATES
from messages.rendering.environment import environment_for

app = Celery("task_per_message", broker=os.environ["BROKER_URL"])

templates = environment_for(TEMPLATES, timezone="UTC")
templates.globals["dealership"] = DEALERSHIP


@app.task
def send_email(message: dict[str, Any]) -> None:
    """Render it and send it."""
    asyncio.run(send(message))


async def send(message: dict[str, Any]) -> None:
    """By a connection of its own."""
    context = {"text": message["text"], "message": message}
    email = EmailMessage()
    email["From"] = SENDER
    email["To"] = message["externalEmail"]
    email["Subject"] = templates.get_template(f"{TEMPLATE}/subject.txt").render(context).strip()
    email["Message-ID"] = make_msgid(domain="roundsman.example")
    email.set_content(templates.get_template(f"{TEMPLATE}/body.txt").render(context))
    email.add_alternative(templates.get_template(f"{TEMPLATE}/body.html").render(context), subtype="html")
    await aiosmtplib.send(email, hostname=os.environ["SMTP_HOST"], port=int(os.environ["SMTP_PORT"]))
