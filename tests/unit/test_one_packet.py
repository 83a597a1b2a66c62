"""What of an answer is written together."""

import gc
from weakref import ref

from intake.one_packet import OnePacket


class Transport:
    """Notes what is done with it."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        if data:  # as a transport does
            self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.done


class Cycle:
    """One that has its transport, as uvicorn's has."""

    def __init__(self, *, response_started: bool) -> None:
        self.response_started = response_started


def answering(*, response_started=True):
    transport, cycle = Transport(), Cycle(response_started=response_started)
    return transport.done, cycle, OnePacket(transport, cycle)


def test_a_head_is_written_with_its_body():
    done, _, answer = answering()
    answer.write(b"head ")
    assert done == []

    answer.write(b"body")

    assert done == [b"head body"]


def test_what_follows_the_first_part_of_a_body_is_written_as_it_comes():
    done, _, answer = answering()
    for part in (b"head ", b"1", b"2", b"3"):
        answer.write(part)

    assert done == [b"head 1", b"2", b"3"]


def test_a_head_without_a_body_is_written():
    done, _, answer = answering()
    answer.write(b"head")
    answer.write(b"")

    assert done == [b"head"]


def test_leave_to_go_on_does_not_wait():
    done, cycle, answer = answering(response_started=False)
    answer.write(b"100 Continue")
    assert done == [b"100 Continue"]

    cycle.response_started = True
    answer.write(b"head ")
    answer.write(b"body")

    assert done == [b"100 Continue", b"head body"]


def test_a_large_body_is_not_copied():
    done, _, answer = answering()
    body = bytes(1_000_000)
    answer.write(b"head")
    answer.write(body)

    assert done[0] == b"head"
    assert done[1] is body


def test_a_head_is_written_before_it_closes():
    done, _, answer = answering()
    answer.write(b"head")
    answer.close()

    assert done == [b"head", "closed"]
    assert answer.is_closing()


def test_a_cycle_that_is_over_is_gone_at_once():
    _, cycle, answer = answering()
    cycle.transport, gone = answer, ref(cycle)
    gc.disable()
    try:
        del cycle, answer
        assert gone() is None
    finally:
        gc.enable()
