"""Fact 3: delays double from the first to the longest, and are forgotten after ten quiet minutes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from labs.kubelet.backoff import Backoff

KEY = "pod_container"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def failures(backoff: Backoff, clock: Clock, number: int) -> list[float]:
    """Fail, wait out the delay and fail again; the delays."""
    delays = []
    for _ in range(number):
        backoff.next(KEY, clock.now)
        delays.append(backoff.remaining(KEY, clock.now))
        clock.now += delays[-1]
    return delays


def test_fact_3_the_delay_doubles_from_ten_seconds_to_five_minutes() -> None:
    clock = Clock()

    delays = failures(Backoff(10, 300, clock), clock, 8)

    assert delays == [10, 20, 40, 80, 160, 300, 300, 300]


@settings(deadline=None)
@given(st.floats(0.1, 60), st.floats(0.1, 1000), st.integers(1, 20))
def test_a_delay_is_never_longer_than_the_longest(initial: float, maximum: float, number: int) -> None:
    clock = Clock()

    delays = failures(Backoff(initial, max(initial, maximum), clock, 1e9), clock, number)

    assert delays == [min(initial * 2**n, max(initial, maximum)) for n in range(number)]


def test_without_a_failure_there_is_nothing_to_wait_for() -> None:
    backoff = Backoff(10, 300, Clock())

    assert backoff.remaining(KEY, 990) == 0
    assert backoff.until(KEY, 990) == 990


def test_a_delay_counts_from_the_failure_and_ends_on_the_second() -> None:
    clock = Clock()
    backoff = Backoff(10, 300, clock)
    backoff.next(KEY, clock.now)
    failed = clock.now + 2

    assert backoff.until(KEY, failed) == failed + 10
    clock.now = failed + 9.9
    assert backoff.remaining(KEY, failed) == 10
    clock.now = failed + 10
    assert backoff.remaining(KEY, failed) == 0


def test_keys_wait_for_themselves() -> None:
    clock = Clock()
    backoff = Backoff(10, 300, clock)
    failures(backoff, clock, 3)

    backoff.next("other", clock.now)

    assert backoff.remaining("other", clock.now) == 10


def test_a_failure_after_ten_quiet_minutes_is_a_first_one() -> None:
    clock = Clock()
    backoff = Backoff(10, 300, clock)
    backoff.next(KEY, clock.now)
    backoff.next(KEY, clock.now)

    clock.now += 600
    assert backoff.remaining(KEY, clock.now) == 20
    clock.now += 1
    assert backoff.remaining(KEY, clock.now) == 0
    backoff.next(KEY, clock.now)
    assert backoff.remaining(KEY, clock.now) == 10


def test_the_quiet_minutes_count_from_the_last_try() -> None:
    clock = Clock()
    backoff = Backoff(10, 300, clock)
    for _ in range(2):
        backoff.next(KEY, clock.now)
        clock.now += 400

    backoff.next(KEY, clock.now)

    assert backoff.remaining(KEY, clock.now) == 40


def test_what_no_longer_matters_is_dropped() -> None:
    clock = Clock()
    backoff = Backoff(10, 300, clock)
    backoff.next("old", clock.now)
    clock.now += 1
    backoff.next("recent", clock.now)
    clock.now += 600

    backoff.next(KEY, clock.now)

    assert backoff.known() == {"recent", KEY}
