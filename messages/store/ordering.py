"""The order in which several Deliveries are written: by their ids, so that nobody waits in a ring."""

from collections.abc import Sequence

from messages.delivery import Claim


def order_of(claims: Sequence[Claim]) -> list[int]:
    """Where each stands that is to be written next."""
    return sorted(range(len(claims)), key=lambda at: claims[at].delivery_id)


def put_back(answers: Sequence[bool], order: Sequence[int]) -> list[bool]:
    """The answers, of which each is of the one that stood there, as they stood before."""
    back = [False] * len(order)
    for at, answer in zip(order, answers, strict=True):
        back[at] = answer
    return back
