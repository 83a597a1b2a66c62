"""Flower answers only under names that are ours, unless it asks for a password.

A page elsewhere could otherwise have its own name resolve to this machine, and read Flower in a browser here.
"""

import sys
from collections.abc import Collection
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})

_REFUSAL = (
    "Flower answers only to localhost, 127.0.0.1, [::1], its --address and the names in FLOWER_HOSTS; "
    "use one of these in the URL, or give Flower a password (FLOWER_BASIC_AUTH).\n"
)

_MISDIRECTED = 421


class _Refused(RequestHandler):
    """Answers every method with 421."""

    def check_xsrf_cookie(self) -> None:
        """Nothing is done here that a page elsewhere could have us do."""

    def prepare(self) -> None:
        self.set_status(_MISDIRECTED)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(_REFUSAL)


def is_ours(name: str, hosts: Collection[str]) -> bool:
    """Whether `name`, of a Host header without its port, is loopback's or one of `hosts`."""
    name = name.lower().rstrip(".")
    return name in _LOOPBACK_NAMES or name in hosts or name.strip("[]") in hosts


def check_hosts(hosts: Collection[str]) -> None:
    """Have the command `celery flower` check each request's Host, where that command is there at all."""
    command: Any = sys.modules.get("flower.command")
    if command is None or getattr(command.Flower, "checks_hosts", False):
        return

    class CheckedFlower(command.Flower):  # type: ignore[misc]  # Flower ships no types
        """Flower, which looks at the Host before anything else."""

        checks_hosts = True

        def find_handler(self, request: HTTPServerRequest, **options: Any) -> Any:
            """As tornado's, of requests that are meant for us."""
            has_password = self.options.basic_auth or self.options.auth
            if has_password or is_ours(request.host_name, {*hosts, self.options.address}):
                return super().find_handler(request, **options)
            return self.get_handler_delegate(request, _Refused)

    command.Flower = CheckedFlower
