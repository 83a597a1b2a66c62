"""Clocks: whether this machine's agrees with the broker's. Leases are times that many machines compare."""

from tasks.parts import Parts

#: The part of a lease by which two clocks may differ.
PART_OF_LEASE = 4


class ClockAstray(Exception):
    """Our machine's clock differs too much from the broker's: what seems to have ended may go on."""


def check_clock(parts: Parts) -> None:
    """Raises ClockAstray. Where the broker does not answer, nobody can say, and the clock is trusted."""
    before = parts.clock()
    try:
        theirs = parts.broker_clock()
    except Exception:  # noqa: BLE001 - kombu and redis raise many; all mean the same here
        return
    after, most = parts.clock(), parts.lease_ms // PART_OF_LEASE
    if theirs - most <= after and before <= theirs + most:
        return
    raise ClockAstray(
        f"this machine's clock is {'ahead of' if before > theirs else 'behind'} the broker's by more than "
        f"{most / 1000:g} s. Until they agree, it voids no leases and does not ask about SMS in doubt."
    )


def clock_agrees(parts: Parts) -> bool:
    """Whether `check_clock` finds nothing wrong."""
    try:
        check_clock(parts)
    except ClockAstray:
        return False
    return True
