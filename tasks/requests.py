"""Tasks as logs, events and Flower show them: by name, an id of a machine's, and the ids that are sent.

Whatever else there is of a task, a producer may have written: arguments, and every header of the entry.
"""

import re
from typing import Any

from celery.worker.request import Request

from messages.ids import content_id
from messages.queues import ALL_QUEUES

#: A UUID, or what `_plain` makes of anything else: so that a task that is passed on keeps its id.
_PLAIN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|task_[0-9a-z]{26}")
_DELIVERY_ID = re.compile(r"dlv_[0-9a-z]+")

#: Headers that are shown or passed on somewhere, and that no task of ours needs.
_UNSHOWN = dict.fromkeys(("shadow", "origin", "group", "parent_id", "meth", "stamps", "stamped_headers"))


class PrivateRequest(Request):  # type: ignore[misc]  # Celery ships no types
    """A task that shows nothing of what a producer wrote; how it is done remains the same."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.id = _plain(self._request_dict["id"])
        self._root_id, self._parent_id = _plain(self._request_dict.get("root_id")), None
        self.name = self._type
        self._argsrepr, self._kwargsrepr = self._shown(), "{}"
        told = self._delivery_info.get("routing_key")
        queue = told if told in ALL_QUEUES else self.task.queue
        self._delivery_info |= {"exchange": "", "routing_key": queue, "priority": None}
        shown = {"id": self.id, "root_id": self._root_id, "argsrepr": self._argsrepr, "kwargsrepr": "{}"}
        self._request_dict.update(_UNSHOWN, **shown)

    def info(self, safe: bool = False) -> dict[str, Any]:  # noqa: ARG002 - Celery's signature
        """What `celery inspect active` and Flower are told."""
        told: dict[str, Any] = super().info(safe=True)
        return told

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


def _plain(task_id: Any) -> str | None:
    """A UUID, and what came of this, as it is; from anything else, always the same id."""
    if task_id is None or (isinstance(task_id, str) and _PLAIN.fullmatch(task_id)):
        return task_id
    return content_id("task", str(task_id).encode("utf-8", "replace"))
