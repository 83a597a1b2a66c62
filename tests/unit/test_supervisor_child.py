"""What is said of a service that ended, and when it is started again."""

import pytest

from worker.up.child import ending, restart_delay


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.5), (2, 1), (3, 2), (7, 30), (1000, 30)])
def test_the_pause_before_a_restart_grows_to_half_a_minute(failures, seconds):
    assert restart_delay(failures) == seconds


@pytest.mark.parametrize(
    ("code", "said"),
    [(0, "ended with exit code 0"), (3, "ended with exit code 3"), (-9, "was killed by SIGKILL")],
)
def test_an_ending_is_said_in_words(code, said):
    assert ending(code) == said
