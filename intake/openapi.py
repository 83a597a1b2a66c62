"""What the OpenAPI page says of the Message endpoints, with examples that work as they stand."""

from typing import Any

from intake.recorded import RECORDED
from messages.errors import ErrorType
from messages.fields import MessageFields

SCHEMA_REF = {"$ref": "#/components/schemas/Message"}

EXAMPLES: dict[str, Any] = {
    "Every field": {
        "summary": "Every field of the API, as it is sent most",
        "value": {
            "id": "msg_kj3l9dks9j20",
            "agent": "agent_4d8s1k",
            "lead": {"id": "lead_9j2k3ls9", "firstName": "Dana", "lastName": "Reyes"},
            "salesRep": {"id": "rep_7h2k9s", "name": "Sam Carter"},
            "internalEmail": "sam.carter@dealer.example.com",
            "externalPhoneNumber": "+1 804-222-1111",
            "externalEmail": "dana.reyes@example.com",
            "internalPhoneNumber": "804-222-2222",
            "text": "Yes, the vehicle is still available.",
            "templateType": "vehicle-enquiry",
            "template": "default",
            "attachments": ["data:text/plain;name=window-sticker.txt;base64,MjAyNCBIb25kYSBDUi1WIEVYLUw="],
        },
    },
    "Text by SMS": {
        "summary": "Plain text to a phone",
        "value": {"externalPhoneNumber": "804-222-1111", "text": "Is the vehicle still available?"},
    },
    "Text by e-mail": {
        "summary": "Plain text to an address, in the default layout",
        "value": {"externalEmail": "dana@example.com", "text": "Your car is ready to be picked up."},
    },
}

_ERROR = {
    "type": "object",
    "required": ["error", "success"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "type", "message", "fields"],
            "properties": {
                "code": {"type": "integer", "example": 400},
                "type": {"type": "string", "enum": [kind.value for kind in ErrorType]},
                "message": {"type": "string"},
                "fields": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
        "success": {"type": "boolean", "const": False},
        "warnings": {"$ref": "#/components/schemas/Warnings"},
    },
}

_WARNINGS: dict[str, Any] = {
    "type": "array",
    "description": "What the producer may not have meant: it did not keep the Message from being accepted",
    "items": {
        "type": "object",
        "required": ["field", "message"],
        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
    },
}
_WARNINGS_REF = {"$ref": "#/components/schemas/Warnings"}

_WHY = {
    400: "Not JSON, not an object, a field that is wrong, an unknown template, nothing or nobody to send to",
    401: "Authorization is missing or wrong",
    404: "Message Not Found",
    405: "Not possible here",
    408: "The body did not arrive in time",
    409: "The id or Idempotency-Key was already used with other content",
    413: "The body is too large",
    415: "The Content-Type is not application/json",
    503: "The store cannot be reached, or too much is under way; try again after Retry-After seconds",
}


def errors(*codes: int, conflict: str = _WHY[409]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer these codes; `conflict` is what its 409 means."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    reasons = _WHY | {409: conflict}
    return {code: {"description": reasons[code], "content": content} for code in codes}


def answers(data: dict[str, Any], description: str, **envelope: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route's 200: `data`, `success`, and more members by name and JSON type."""
    return _success(description, data, {name: {"type": kind.split("|")} for name, kind in envelope.items()})


def message_answer(description: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route's 200 that is one Message with its warnings."""
    return _success(description, SCHEMA_REF, {"warnings": _WARNINGS_REF})


def batch_answer() -> dict[int | str, dict[str, Any]]:
    """The `responses` of a batch's 200: a result for each Message."""
    counts = {"accepted": {"type": "integer"}, "refused": {"type": "integer"}}
    return _success("Each accepted or refused", _RESULTS, {**counts, "warnings": _WARNINGS_REF})


def _success(
    description: str, data: dict[str, Any], envelope: dict[str, Any]
) -> dict[int | str, dict[str, Any]]:
    properties = {"data": data, "success": {"type": "boolean"}} | envelope
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {200: {"description": description, "content": {"application/json": {"schema": schema}}}}


def request_body() -> dict[str, Any]:
    """The `openapi_extra` of the route that takes a Message."""
    content = {"schema": {"$ref": "#/components/schemas/NewMessage"}, "examples": EXAMPLES}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


_RESULTS: dict[str, Any] = {
    "type": "array",
    "items": {
        "oneOf": [
            {
                "type": "object",
                "required": ["data", "success", "warnings"],
                "properties": {
                    "data": SCHEMA_REF,
                    "success": {"type": "boolean", "const": True},
                    "warnings": _WARNINGS_REF,
                },
            },
            {"$ref": "#/components/schemas/Error"},
        ]
    },
}


def batch_body(most: int) -> dict[str, Any]:
    """The `openapi_extra` of the route that takes many; what is no Message among them is refused alone."""
    each = {"anyOf": [{"$ref": "#/components/schemas/NewMessage"}, {"description": "Refused in its place"}]}
    content = {
        "schema": {"type": "array", "minItems": 1, "maxItems": most, "items": each},
        "examples": {"Two": {"value": [example["value"] for example in list(EXAMPLES.values())[1:]]}},
    }
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def components() -> dict[str, Any]:
    """The schemas that the routes refer to."""
    given = MessageFields.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    nested: dict[str, Any] = given.pop("$defs", {})
    shown: dict[str, Any] = given | {
        "title": "Message",
        "required": ["id", *RECORDED],
        "properties": given["properties"] | RECORDED,
    }
    return nested | {
        "NewMessage": given | {"title": "NewMessage"},
        "Message": shown,
        "Error": _ERROR,
        "Warnings": _WARNINGS,
    }
