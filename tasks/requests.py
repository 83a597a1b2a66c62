"""Tasks as logs, events and Flower show them: by name, an id of a machine's, and the ids that are sent.

All else of a task, a producer may have written. What headers and properties there are, see
`messages.queue_entries`.
"""

import re
from typing import Any

from celery.worker.request import Request

from messages.ids import content_id

#: A UUID, or what `shown_id` makes of anything else: so that a task that is passed on keeps its id.
_PLAIN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|task_[0-9a-z]{26}")
_DELIVERY_ID = re.compile(r"dlv_[0-9a-z]+")


class PrivateRequest(Request):  # type: ignore[misc]  # Celery ships no types
    """A task that shows nothing of what a producer wrote, and that Celery cannot discard."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.id = shown_id(self._request_dict["id"])
        self._argsrepr, self._kwargsrepr = self._shown(), "{}"
        self._request_dict.update(id=self.id, argsrepr=self._argsrepr, kwargsrepr="{}")

    def revoked(self) -> bool:
        """Return False: a task that is revoked is refused as it comes, for Celery would drop it."""
        return False

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Do nothing: a thread cannot be ended, and Celery would acknowledge what it has not stored yet."""

    def info(self, safe: bool = False) -> dict[str, Any]:  # noqa: ARG002 - Celery's signature
        """Return what `celery inspect active` and Flower are told."""
        shown: dict[str, Any] = super().info(safe=True)
        return shown

    def _shown(self) -> str:
        """The arguments."""
        return "(<a Message>,)"


class SendRequest(PrivateRequest):
    """A task whose argument should be a list of Deliveries' ids."""

    def _shown(self) -> str:
        ids = self._args[0] if isinstance(self._args, list) and len(self._args) == 1 else None
        if isinstance(ids, list) and all(isinstance(i, str) and _DELIVERY_ID.fullmatch(i) for i in ids):
            return repr((ids,))
        return "(<no list of ids>,)"


def shown_id(task_id: str) -> str:
    """Return a UUID, or an id made by this function, as it is; for any other id, always the same id."""
    return task_id if _PLAIN.fullmatch(task_id) else content_id("task", task_id.encode("utf-8", "replace"))
