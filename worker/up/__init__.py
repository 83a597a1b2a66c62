"""`roundsman up`: checks, starts everything on this machine, watches over it, stops it again."""

from worker.up.run import run_up, up

__all__ = ["run_up", "up"]
