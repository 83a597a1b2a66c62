from hypothesis import given
from hypothesis import strategies as st

from messages.outcomes import Failed, FailureKind
from messages.retry import GiveUp, RetryPolicy, TryAgain, decide

POLICY = RetryPolicy(base_seconds=30, max_seconds=3600, max_age_seconds=86_400)
BUSY = Failed(FailureKind.RETRYABLE, "The server is busy (451).")


def decided(failed=BUSY, attempt=1, first_attempt_at=0, now=0, random=0.5):
    return decide(
        failed,
        attempt=attempt,
        first_attempt_at=first_attempt_at,
        now=now,
        policy=POLICY,
        random=lambda: random,
    )


def test_waits_double_from_the_base_to_the_longest():
    waits = [decided(attempt=n, random=1.0) for n in (1, 2, 3, 8, 50)]
    assert [w.at / 1000 for w in waits] == [30, 60, 120, 3600, 3600]


def test_the_wait_is_a_random_part_so_that_a_crowd_spreads_out():
    assert [decided(random=r).at for r in (0.0, 0.25, 0.99)] == [0, 7_500, 29_700]


def test_a_provider_that_asks_for_a_longer_wait_gets_it():
    assert decided(Failed(FailureKind.RETRYABLE, "Busy.", retry_after=90)) == TryAgain(90_000)


def test_what_is_too_old_is_given_up_with_the_reason_and_the_count():
    decision = decided(attempt=30, now=86_399_000, random=0.9)
    assert isinstance(decision, GiveUp)
    assert decision.reason == "The server is busy (451). Given up after 30 attempts in 24 h."


@given(
    attempt=st.integers(1, 10_000),
    now=st.integers(0, 10**9),
    random=st.floats(0, 1, exclude_max=True),
    retry_after=st.none() | st.floats(0, 10**6),
)
def test_never_sooner_than_now_never_later_than_the_age_allows(attempt, now, random, retry_after):
    decision = decided(Failed(FailureKind.RETRYABLE, "x", retry_after=retry_after), attempt, 0, now, random)
    if isinstance(decision, TryAgain):
        assert now <= decision.at <= 86_400_000
