"""HTTP as bytes: what a client may send, and how long it may take, before it is a request.

uvicorn alone waits for a head for ever, takes one of any size, and answers what is no HTTP in plain
text. `roundsman intake` and `roundsman up` serve by this; so does

    uvicorn intake.app:app --http intake.wire:Wire
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from intake import answers
from intake.body import WHOLE
from intake.client_address import PEER
from intake.http_parser import BadHead, RequestParser, check_head
from intake.metrics import count_answer
from intake.one_packet import OnePacket
from messages.errors import ErrorType

#: Bytes of a head (request line and headers), and of a body's trailers, likewise.
MAX_HEAD = 65_536

#: Bytes that are parsed before what they came to is looked at: so much more than MAX_HEAD a head may have
#: that arrives in one piece with what is before it.
_SLICE = 4096

#: After its time is up, a head may still be read that arrived while the process was busy.
_LAST_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """The app hands them over when it starts, as `STATE` of its lifespan."""

    head_seconds: float = 10  #: within which a head has to arrive, once it began
    connections: int = 800  #: at once


#: The name of the Limits in the lifespan's state.
STATE = "wire_limits"


class Wire(HttpToolsProtocol):
    """uvicorn's protocol, with bounds, and with errors in our form."""

    parser: RequestParser  # type: ignore[assignment]  # what uvicorn calls of httptools' is there

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], **options: Any) -> None:
        super().__init__(config, server_state, app_state, **options)
        self.parser = RequestParser(self)
        self._bad_head: BadHead | None = None
        self._limits: Limits = app_state.get(STATE) or Limits()
        self._unheard = 0  # bytes since the parser last had something to tell of a request
        self._head_timer: asyncio.TimerHandle | None = None
        self.waits_since = 0.0  #: since when it waits for its client, by the loop's clock

    # What asyncio calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a first head, also from one who sends nothing."""
        super().connection_made(transport)
        self.waits_since = self.loop.time()
        self._expect_head()
        if len(self.connections) > self._limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._forget_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, as long as it comes to something."""
        start = 0
        while start < len(data):
            if self.transport.is_closing():
                return  # what uvicorn would parse and answer, though the answer has been given
            end = start + max(min(_SLICE, MAX_HEAD - self._unheard), 1)
            part = data if start == 0 and end >= len(data) else data[start:end]
            self._unheard += len(part)
            super().data_received(part)
            if self._unheard > MAX_HEAD:
                self._refuse(431, f"The head of a request may have {MAX_HEAD:,} bytes.")
            start = end
        if self._head_timer is None and self._is_between_requests() and not self.transport.is_closing():
            self._expect_head()  # most heads arrive in one piece, and need none to watch over them

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whoever sent a whole request, and has no more to say, gets an answer; so does who broke off."""
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            self.cycle.keep_alive = False
            return True
        if self._unheard or not self._is_between_requests():
            self._refuse(400, "The request broke off.")
        return False

    # What the parser calls

    def on_headers_complete(self) -> None:
        """A head is there. Raises BadHead, which the parser turns into an error of its own."""
        self._forget_timer()
        self._unheard = 0
        if self.parser.is_offered_upgrade():
            return  # it comes again without that
        try:
            check_head(self.parser.get_http_version(), self.headers)
        except BadHead as bad:
            self._bad_head = bad
            raise
        self.scope[PEER] = self.client  # type: ignore[literal-required]  # ours
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before and self.scope["method"] != "HEAD":  # to that nothing follows a head
            self.cycle.transport = cast("asyncio.Transport", OnePacket(self.transport, self.cycle))
        self.waits_since = self.loop.time()

    def on_body(self, body: bytes) -> None:
        """A part of a body is there."""
        self._unheard = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is there, whole."""
        self._unheard = 0
        if self.parser.is_offered_upgrade():
            return
        self.scope[WHOLE] = True  # type: ignore[literal-required]  # ours
        super().on_message_complete()

    # What uvicorn calls

    def on_response_complete(self) -> None:
        """From now on it waits for its client again."""
        self.waits_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered in our form; after the answer to the request before it, if any."""
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            self.cycle.keep_alive = False
        else:
            bad = self._bad_head or BadHead(400, msg)
            self._refuse(bad.code, bad.message)

    # Bounds

    def _is_between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def waits_for_client(self) -> bool:
        """Whether it is the client's turn: to ask, or to finish what it asks."""
        return self._is_between_requests() or self.cycle.more_body

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self._limits.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        """Unless it is we who were late, and it waits to be read."""
        self._head_timer = self.loop.call_later(_LAST_LOOK_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._head_timer = None
        if self._unheard and not self._is_rest_of_a_body():
            self._refuse(
                408, f"The head of the request did not arrive within {self._limits.head_seconds:g} s."
            )
        else:
            self.transport.abort()

    def _is_rest_of_a_body(self) -> bool:
        """Whether an answered request is still arriving."""
        return self.cycle is not None and self.cycle.more_body

    def _forget_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _make_room(self) -> None:
        """Close the connection that has waited longest for its client; if none does, this one."""
        waiting = [other for other in self.connections if isinstance(other, Wire) and other is not self]
        waiting = [other for other in waiting if other.waits_for_client()]
        victim = min(waiting, key=lambda other: other.waits_since, default=self)
        self.connections.discard(victim)
        victim.give_way()

    def give_way(self) -> None:
        """Close it, for others wait; with an answer to who has begun to ask."""
        if self._unheard or not self._is_between_requests() or self.cycle is None:
            again = {"Retry-After": str(answers.RETRY_AFTER)}
            self._refuse(503, "There are too many connections.", again, ErrorType.OVERLOADED)
        else:
            self.transport.abort()

    def _refuse(
        self,
        code: int,
        message: str,
        headers: dict[str, str] | None = None,
        error_type: ErrorType | None = None,
    ) -> None:
        """Answer and close, unless an answer has begun."""
        if self.transport.is_closing():
            return
        self._forget_timer()
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            closing = {"Connection": "close", **(headers or {})}
            response = answers.error(code, message, headers=closing, error_type=error_type)
            head = [f"HTTP/1.1 {code} {HTTPStatus(code).phrase}".encode()]
            head += [b": ".join(pair) for pair in response.raw_headers]
            self.transport.write(b"\r\n".join([*head, b"", bytes(response.body)]))
            count_answer(code)
        if self.cycle is not None:
            self.cycle.disconnected = True  # what it would still send would come too late
            self.cycle.message_event.set()
        self.transport.close()
