"""The machine, and how noisy it is: a fixed piece of work, timed before each measurement."""

import hashlib
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

#: Some tens of milliseconds of one core.
_BLOCKS = 400
_BLOCK = bytes(100_000)

_LIBRARIES = (
    "celery",
    "redis",
    "sqlalchemy",
    "psycopg",
    "aiosmtplib",
    "fastapi",
    "uvicorn",
    "django",
    "django-post_office",
)


def probe() -> float:
    """Milliseconds that the fixed work took just now."""
    began = time.perf_counter()
    for _ in range(_BLOCKS):
        hashlib.sha256(_BLOCK).digest()
    return (time.perf_counter() - began) * 1000


def describe() -> dict[str, object]:
    """What it was measured on."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": _cpu(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def load() -> float:
    """How many processes wanted a core in the last minute."""
    return os.getloadavg()[0]


def _cpu() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
