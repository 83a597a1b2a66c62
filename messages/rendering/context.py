"""What a template sees of a Message. Pure."""

from collections.abc import Mapping
from typing import Any

from messages.invisible import is_blank

#: Every name a template can use. `lead`, `salesRep` and `agent` are absent where they are not known.
NAMES = frozenset({"message", "text", "lead", "salesRep", "sales_rep", "agent", "dealership"})

#: The related objects of a Message, by its field, with the names that templates know them by.
RELATED = {"lead": ("lead",), "salesRep": ("salesRep", "sales_rep"), "agent": ("agent",)}


def context_of(message: Mapping[str, Any], related: Mapping[str, Any], *, dealership: str) -> dict[str, Any]:
    """Give the variables for the template of `message`.

    `message` holds all its fields, those of our own making and any extra ones; `text` is its text or ''.
    `related` maps `lead`, `salesRep` and `agent` to the object, or to None when nobody knows it:
    then the name is absent, and using it without a default is an error that names it.
    """
    text = message.get("text") or ""
    context: dict[str, Any] = {
        "message": dict(message),
        "text": "" if isinstance(text, str) and is_blank(text) else text,
        "dealership": dealership,
    }
    for field, names in RELATED.items():
        if (known := related.get(field)) is not None:
            context |= dict.fromkeys(names, known)
    return context


def inline_objects(message: Mapping[str, Any]) -> dict[str, Any]:
    """Give `related` for a Message that still holds its objects inline, as one in an `example.json` does."""
    return {field: value if isinstance(value := message.get(field), dict) else None for field in RELATED}
