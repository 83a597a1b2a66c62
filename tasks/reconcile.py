"""Reconcile: the round that asks the provider about SMS in doubt. Every worker makes it; any may at once."""

import logging
from collections.abc import Sequence

from messages.outcomes import Failed, FailureKind
from messages.reconciliation import ABSENT, CannotTell, Listed, Unsettled
from messages.retry import Decision, decide
from messages.wording import told
from tasks.clocks import check_clock
from tasks.parts import Parts

log = logging.getLogger(__name__)

#: How many are asked about in one round, all at once: few, as they share the provider with what is sent.
ASK_LIMIT = 50

Answer = tuple[Unsettled, Sequence[Listed] | CannotTell]


def reconcile(parts: Parts) -> int:
    """One round; returns how many were settled. Raises StoreUnavailable, ClockAstray.

    No store connection is held while the provider is waited for.
    """
    check_clock(parts)
    asked = parts.store.take_unknown(parts.clock(), parts.asking, ASK_LIMIT)
    answers: list[Answer] = []
    parts.bridge.run_all(_ask(parts, one, answers) for one in asked)
    verdicts = [
        parts.store.settle(one, listed, _if_absent(parts, one), parts.clock()) for one, listed in answers
    ]
    settled = sum(not isinstance(verdict, CannotTell) for verdict in verdicts)
    if verdicts:
        log.info("Asked about %d SMS in doubt; %d are settled.", len(verdicts), settled)
    return settled


async def _ask(parts: Parts, asked: Unsettled, answers: list[Answer]) -> None:
    try:
        answers.append((asked, await parts.sms.listed(asked.recipient)))
    except Exception as error:  # noqa: BLE001 - a bug; it is asked again, and the others are not held up
        log.error("Nobody classified %s", told(error))  # noqa: TRY400


def _if_absent(parts: Parts, asked: Unsettled) -> Decision:
    """It was surely not sent: the same as after an attempt that can be repeated."""
    return decide(
        Failed(FailureKind.RETRYABLE, ABSENT),
        asked.tries,
        now=parts.clock(),
        policy=parts.retries,
        random=parts.random,
    )
