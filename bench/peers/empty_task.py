"""A Celery task that does nothing: `celery -A bench.peers.empty_task worker`.

The yardstick of a queue: no sender that spends a task on each message can be faster than this.
"""

import os

from celery import Celery

app = Celery("empty_task", broker=os.environ["BROKER_URL"])


@app.task
def nothing(message_id: str) -> None:
    """Do nothing."""
