"""What tests of the tasks do with their parts, and read from them."""

from typing import Any

from messages.delivery import Channel
from messages.store import Accepted
from messages.view import show
from tasks.parts import Parts
from tasks.send import send


def accept_one(parts: Parts, **fields: Any) -> Accepted:
    result = parts.acceptor.accept([parts.acceptor.draft(fields)])[0]
    assert isinstance(result, Accepted), result
    return result


def send_all(parts: Parts, *accepted: Accepted) -> None:
    for channel in Channel:
        send(parts, channel, [i for a in accepted for i, lane in a.waiting if lane.channel is channel])
    parts.bridge.finish(10)


def shown(parts: Parts, message_id: str) -> dict:
    return show(parts.store.find([message_id]), 0, parts.store.objects)[0]
