"""The allowance: how many connections a server seems to allow us. Pure; times in seconds, by any clock.

turned away ──▶ one fewer, never less than one
after a pause in which none was turned away, and while e-mails wait ──▶ one more is tried
    it held        ──▶ half the pause until the next
    turned away    ──▶ twice the pause
"""

#: Bounds of the pause.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 300.0


class Allowance:
    """At most `most`, and at least one. `pause`: the first one."""

    def __init__(self, most: int, *, pause: float) -> None:
        self.size = most
        self._most, self._pause = most, pause
        self._grow_at = 0.0
        self._on_trial = False  # one more than was known to be allowed

    @property
    def is_short(self) -> bool:
        """Whether the server allows fewer than we would have."""
        return self.size < self._most

    def shrink(self, now: float) -> bool:
        """Note that a connection was turned away. Returns whether there is one fewer."""
        if self._on_trial:
            self._on_trial, self._pause = False, min(2 * self._pause, LONGEST_PAUSE)
        self._grow_at = now + self._pause
        if self.size == 1:
            return False
        self.size -= 1
        return True

    def grow(self, now: float) -> bool:
        """Ask for one more: there is work for it. Returns whether there is."""
        if not self.is_short or now < self._grow_at:
            return False
        if self._on_trial:
            self._pause = max(self._pause / 2, min(self._pause, SHORTEST_PAUSE))
        self._on_trial, self._grow_at = True, now + self._pause
        self.size += 1
        return True
