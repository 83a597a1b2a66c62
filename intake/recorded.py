"""What the OpenAPI page says of what Roundsman records on a Message: the shapes of `messages.view`."""

from typing import Any

from messages.delivery import Channel
from messages.outcomes import ActionBy
from messages.states import DeliveryState

_TEXT: dict[str, Any] = {"type": "string"}
_TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
_NUMBER_OR_NULL: dict[str, Any] = {"type": ["integer", "null"]}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
_TIME_OR_NULL: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_STATE: dict[str, Any] = {"type": "string", "enum": [state.value for state in DeliveryState]}

_ACTION_BY: dict[str, Any] = {
    "type": ["string", "null"],
    "enum": [*(who.value for who in ActionBy), None],
    "description": "Who has to act on the error so that the message arrives",
}


def _object(properties: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties | (optional or {}),
        "additionalProperties": False,
    }


_ATTEMPT = _object(
    {
        "number": {"type": "integer", "minimum": 1},
        "startedAt": _TIME,
        "finishedAt": _TIME_OR_NULL,
        "outcome": _TEXT_OR_NULL,
        "error": _TEXT_OR_NULL,
        "code": _TEXT_OR_NULL,
        "actionBy": _ACTION_BY,
    },
    {"possibleDuplicate": {"const": True, "description": "An e-mail before it may have arrived"}},
)

_DELIVERY = _object(
    {
        "id": _TEXT,
        "channel": {"type": "string", "enum": [channel.value for channel in Channel]},
        "to": _TEXT,
        "from": _TEXT_OR_NULL,
        "replyTo": _TEXT_OR_NULL,
        "status": _STATE,
        "attempts": {"type": "array", "items": _ATTEMPT},
        "nextAttemptAt": _TIME_OR_NULL,
        "expiresAt": _TIME_OR_NULL,
        "sentAt": _TIME_OR_NULL,
        "providerId": _TEXT_OR_NULL,
        "segments": _NUMBER_OR_NULL,
        "encoding": _TEXT_OR_NULL,
        "error": _TEXT_OR_NULL,
        "actionBy": _ACTION_BY,
    }
)

_EVENT = _object({"at": _TIME, "type": _TEXT}, {"deliveryId": _TEXT, "detail": _TEXT})

RECORDED: dict[str, Any] = {
    "status": _STATE | {"description": "That of the delivery which most wants attention"},
    "createdAt": _TIME,
    "sentAt": _TIME_OR_NULL,
    "deliveries": {"type": "array", "items": _DELIVERY},
    "events": {"type": "array", "items": _EVENT},
}
