import random as stdlib_random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.outcomes import Failed, FailureKind
from messages.retry import Expire, GiveUp, RetryPolicy, Tries, TryAgain, decide
from messages.settings import Settings

POLICY = RetryPolicy(base_seconds=30, max_seconds=3600, max_age_seconds=86_400, max_attempts=100)
BUSY = Failed(FailureKind.RETRYABLE, "The server is busy (451).")


def decided(failed=BUSY, count=1, first_at=0, now=0, random=0.5, expires_at=None):
    tries = Tries(count, first_at, expires_at)
    return decide(failed, tries, now=now, policy=POLICY, random=lambda: random)


def test_waits_double_from_the_base_to_the_longest():
    waits = [decided(count=n, random=1.0) for n in (1, 2, 3, 8, 50)]
    assert [w.at / 1000 for w in waits] == [30, 60, 120, 3600, 3600]


def test_the_wait_is_a_random_part_so_that_a_crowd_spreads_out():
    assert [decided(random=r).at for r in (0.0, 0.25, 0.99)] == [0, 7_500, 29_700]


def test_a_provider_that_asks_for_a_longer_wait_gets_it():
    assert decided(Failed(FailureKind.RETRYABLE, "Busy.", retry_after=90)) == TryAgain(90_000)


@pytest.mark.parametrize(
    ("case", "decision"),
    [
        (
            {"count": 30, "now": 86_399_000, "random": 0.9},
            GiveUp("The server is busy (451). Given up after 30 attempts in 24 h."),
        ),
        (
            {"now": 86_399_000, "random": 0.9},
            GiveUp("The server is busy (451). Given up after 1 attempt in 24 h."),
        ),
        ({"count": 99}, TryAgain(1_800_000)),
        ({"count": 100}, GiveUp("The server is busy (451). Given up after 100 attempts.")),
        (
            {"expires_at": 15_000},
            Expire("The server is busy (451). It would expire before its next attempt."),
        ),
        ({"expires_at": 15_001}, TryAgain(15_000)),
        ({"count": 100, "expires_at": 1}, GiveUp("The server is busy (451). Given up after 100 attempts.")),
    ],
)
def test_it_ends_by_number_by_expiry_or_by_age_and_says_by_which(case, decision):
    assert decided(**case) == decision


@given(
    count=st.integers(1, 10_000),
    now=st.integers(0, 10**9),
    random=st.floats(0, 1, exclude_max=True),
    retry_after=st.none() | st.floats(0, 10**6),
    expires_at=st.none() | st.integers(0, 10**9),
)
def test_never_sooner_than_now_and_never_beyond_any_bound(count, now, random, retry_after, expires_at):
    failed = Failed(FailureKind.RETRYABLE, "x", retry_after=retry_after)
    decision = decided(failed, count, 0, now, random, expires_at)
    if isinstance(decision, TryAgain):
        assert now <= decision.at <= 86_400_000
        assert count < POLICY.max_attempts
        assert expires_at is None or decision.at < expires_at


@given(st.integers(0, 2**32))
def test_by_default_age_ends_the_retries_and_number_only_what_age_does_not(seed):
    """With the default waits, a day's retries are some 55: the bound by number is out of their way."""
    chance = stdlib_random.Random(seed)
    default = Settings(_env_file=None)
    policy = RetryPolicy(
        default.retry_base_seconds,
        default.retry_max_seconds,
        default.retry_max_age_seconds,
        default.retry_max_attempts,
    )
    now, count = 0, 1
    while isinstance(
        again := decide(BUSY, Tries(count, 0), now=now, policy=policy, random=chance.random), TryAgain
    ):
        now, count = again.at, count + 1
    assert again.reason.endswith("in 24 h.")
    assert 25 < count < 90
