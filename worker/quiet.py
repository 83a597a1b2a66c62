"""Whether a worker has little to do: then what comes is hurried on, not held up to be done with others."""

from celery.worker import state

#: With more tasks than this under way it is busy.
FEW = 2

#: With more than this, it no longer takes one at a time what came alone: see `worker.entries`. It has 8
#: threads for that, so there are more only while it is busy with other lanes, above all with the entrance.
FEW_ALONE = 16


def is_quiet(few: int = FEW) -> bool:
    """Whether only a few tasks are here, those that wait for a thread included."""
    return len(state.reserved_requests) <= few
