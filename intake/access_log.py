"""The access log, which uvicorn keeps unless told not to: the routes that were asked, and nobody's name."""

import logging
from collections.abc import Sequence

from fastapi import FastAPI
from starlette.routing import BaseRoute, Route

_LOGGER = logging.getLogger("uvicorn.access")

#: What stands for a path that no route has.
_NO_ROUTE = "/…"


class RoutesOnly(logging.Filter):
    """Shows `/api/messages/{message_id}` instead of the path, and no query: both may name people."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        super().__init__()
        self._routes = [route for route in routes if isinstance(route, Route)]

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass every record on; uvicorn's has (client, method, path, HTTP version, status)."""
        match record.args:
            case (client, method, path, *rest):
                record.args = (client, method, self._route_of(str(path)), *rest)
        return True

    def _route_of(self, path: str) -> str:
        plain = path.partition("?")[0]
        return next((route.path for route in self._routes if route.path_regex.match(plain)), _NO_ROUTE)


def install(app: FastAPI) -> None:
    """Have uvicorn's access log show the routes of `app`."""
    for earlier in [f for f in _LOGGER.filters if isinstance(f, RoutesOnly)]:
        _LOGGER.removeFilter(earlier)
    _LOGGER.addFilter(RoutesOnly(app.routes))
