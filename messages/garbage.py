"""Python's search for garbage, in processes that run for long."""

import gc
from functools import cache

#: When garbage is looked for: after so many new objects, and among older ones each so many times.
COLLECTIONS = (20_000, 50, 10)


@cache  # once a process: what is set aside is never looked at again
def set_aside_what_stays() -> None:
    """Leave what was imported and built so far out of the search, and search more rarely.

    To look through all of it again and again costs a twentieth, and a pause that whoever waits just then
    notices.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)
