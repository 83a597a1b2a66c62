"""What else two workers drain: SMS, and Messages that producers pushed onto the queue."""

from bench.corpus import addresses, emails, phone, sms
from bench.figures import Figures, rate
from bench.ours import Ours
from bench.stage import Stage
from messages.queues import ACCEPT_TASK, INTAKE_QUEUE

_SMS = 10_000
_PUSHED = 10_000


def send_sms(stage: Stage, store: str) -> Figures:
    """The look-alike answers after 150 ms."""
    with Ours(stage, store) as ours:
        count = ours.fill(sms(stage.sizes.of(_SMS)))
        with ours.workers() as running:
            end = ours.until_sent(running, stage.twilio, count)
        times = ours.check(stage.twilio, [phone(number) for number in range(count)])
    return {"per_second": rate(times, end)}


def entrance(stage: Stage, store: str) -> Figures:
    """One Message a task: accepted, stored, and sent."""
    with Ours(stage, store) as ours:
        count = stage.sizes.of(_PUSHED)
        ours.push(ACCEPT_TASK, INTAKE_QUEUE, emails("pushed", count))
        with ours.workers() as running:
            end = ours.until_sent(running, stage.smtp, count)
        return {"per_second": rate(ours.check(stage.smtp, addresses("pushed", count)), end)}
