"""What a run is to be: all that its seed does not say."""

from dataclasses import dataclass
from pathlib import Path

from messages.settings import PROJECT_ROOT


@dataclass(frozen=True, slots=True)
class Plan:
    """One run on one store."""

    seed: int
    store: str
    messages: int = 2000
    faults: int = 60
    minutes: float = 60.0  #: no new faults and Messages after this time
    gap: float = 1.0  #: mean seconds between two faults
    only: str = ""  #: a regular expression: kinds of faults whose names have it, and no others
    workers: int = 3
    intakes: int = 2
    time_out: float = 2.0  #: of a hand-over, in seconds
    lease: float = 7.0  #: seconds
    reconcile_after: float = 5.0  #: seconds

    @property
    def jump(self) -> float:
        """The most seconds that a clock is ahead or behind."""
        return 2 * self.lease

    @property
    def settled_after(self) -> float:
        """Seconds in which what is `unknown` is asked about anew, though a clock ahead has said when."""
        return self.jump + self.reconcile_after + 5

    @property
    def folder(self) -> Path:
        """Where its logs and its database are."""
        return PROJECT_ROOT / "var" / "chaos" / f"{self.seed}-{self.store}"

    @property
    def command(self) -> str:
        """How to run it again."""
        return (
            f"make chaos SEED={self.seed} STORE={self.store} MESSAGES={self.messages} FAULTS={self.faults}"
            f" GAP={self.gap:g} WORKERS={self.workers}" + (f" ONLY='{self.only}'" if self.only else "")
        )

    def environment(self, **urls: str) -> dict[str, str]:
        """The settings of every process."""
        return {
            "VAR_DIR": str(self.folder),
            "SENDER_PHONE": "+15005550006",
            "LEASE_SECONDS": f"{self.lease:g}",
            "SMTP_TIMEOUT_SECONDS": f"{self.time_out:g}",
            "TWILIO_TIMEOUT_SECONDS": f"{self.time_out:g}",
            "RETRY_BASE_SECONDS": "0.3",
            "RETRY_MAX_SECONDS": "2",
            "RECONCILE_AFTER_SECONDS": f"{self.reconcile_after:g}",
            **urls,
        }
