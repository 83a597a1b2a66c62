"""Ports of this machine that nobody listens on."""

import random
import socket
from contextlib import ExitStack

#: Below those that a system gives to whoever asks for any port, for a server or for a connection: between the
#: choice and its use, nobody gets one of these by chance.
_CHOICE = range(20_000, 32_768)


def free_ports(count: int) -> list[int]:
    """So many, all different."""
    ports: list[int] = []
    with ExitStack() as taken:
        while len(ports) < count:
            port = random.SystemRandom().choice(_CHOICE)  # where tests run side by side, some seed alike
            try:
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:  # somebody listens there
                continue
            ports.append(port)
    return ports


def free_port() -> int:
    """One."""
    return free_ports(1)[0]
