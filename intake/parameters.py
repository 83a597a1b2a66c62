"""Query parameters that a route does not have: an error on lists and actions, a warning where it accepts.

A filter that is ignored shows, redrives or cancels more than was meant. Payload's clients send `locale`,
`draft` and others with every POST, which they must not fail for.
"""

from collections.abc import Iterator
from typing import Any

from fastapi import Request

from messages.errors import ErrorType, FieldWarning, InvalidMessage

#: So much of a parameter's name is repeated, in characters; and so many are named in warnings.
_SHOWN = 60
_MOST = 10


async def refuse_unknown(request: Request) -> None:
    """A dependency of routes. Raises InvalidMessage for a parameter that the route does not have."""
    known = _known(request)
    wrong = dict(_contradictions(request, known))
    for name in request.query_params:
        if name not in known:
            wrong[name[:_SHOWN]] = f"is not a parameter here; there {_list_of(known)}"
    _raise(wrong)


def unknown_parameters(request: Request) -> list[FieldWarning]:
    """A warning for each parameter that the route does not have.

    Raises InvalidMessage for one that is given with different values.
    """
    if not request.query_params:
        return []
    known = _known(request)
    _raise(dict(_contradictions(request, known)))
    unknown = dict.fromkeys(name[:_SHOWN] for name in request.query_params if name not in known)
    reason = f"is a query parameter without effect; there {_list_of(known)}"
    return [FieldWarning(name, reason) for name in list(unknown)[:_MOST]]


def _known(request: Request) -> list[str]:
    route: Any = request.scope["route"]
    return [parameter.alias for parameter in route.dependant.query_params]


def _contradictions(request: Request, known: list[str]) -> Iterator[tuple[str, str]]:
    for name in known:
        if len(set(request.query_params.getlist(name))) > 1:
            yield name, "is given more than once, with different values"


def _list_of(known: list[str]) -> str:
    return f"{'is' if len(known) == 1 else 'are'} {', '.join(known)}"


def _raise(wrong: dict[str, str]) -> None:
    if wrong:
        message = "; ".join(f"{name}: {why}" for name, why in wrong.items())
        raise InvalidMessage(message, wrong, ErrorType.INVALID_PARAMETER)
