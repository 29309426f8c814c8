"""The timer wheel against a plain dict of due times, and what one call may cost."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_fast.core.timers import TimerWheel

NEVER = 2**63 - 1
HOUR_MS = 3_600_000
LIFETIME_MOST_MS = (2**32 - 1) * 1000  # 136 years
SLICE = 2048  # unplaced timers per call
GREATEST_ID = 0xFFFFEFFF


def rounded_up(due_ms: int, tick_ms: int) -> int:
    return -(-due_ms // tick_ms) * tick_ms


class Model:
    """A wheel beside the plain thing it must equal."""

    def __init__(self, tick_ms: int) -> None:
        self.wheel = TimerWheel(tick_ms)
        self.due: dict[int, int] = {}
        self.now = 0

    def schedule(self, id: int, due_ms: int) -> None:
        self.wheel.schedule(id, due_ms)
        self.due[id] = due_ms
        assert self.wheel.due(id) == due_ms

    def cancel(self, id: int) -> None:
        assert self.wheel.cancel(id) == (self.due.pop(id, None) is not None)
        assert self.wheel.due(id) == -1

    def advance(self, now_ms: int, limit: int = 1 << 20) -> None:
        """Everything due by the tick, nothing else, each once, and next_due() told of it."""
        tick_ms, self.now = self.wheel.tick_ms, now_ms
        expected = {id for id, due in self.due.items() if rounded_up(due, tick_ms) <= now_ms}
        assert not expected or self.wheel.next_due() <= now_ms
        found = []
        while len(batch := self.wheel.advance_to(now_ms, limit)) == limit:
            found += batch
            assert len(found) == len(expected) or self.wheel.next_due() <= now_ms
        found += batch
        assert sorted(found) == sorted(expected)
        for id in found:
            del self.due[id]
        self.check_next()

    def check_next(self) -> None:
        assert self.wheel.armed == len(self.due)
        if not self.due:
            assert self.wheel.next_due() == NEVER
        else:
            assert self.wheel.next_due() <= rounded_up(min(self.due.values()), self.wheel.tick_ms)


DELAYS = st.one_of(
    st.integers(0, 300),
    st.integers(0, 200_000),
    st.sampled_from([64, 4096, 262_144]).map(lambda edge: edge * 10 - 1),
    st.integers(0, LIFETIME_MOST_MS),
)
STEPS = st.one_of(
    st.tuples(st.just("schedule"), st.integers(0, 200), DELAYS),
    st.tuples(st.just("cancel"), st.integers(0, 200), st.just(0)),
    st.tuples(st.just("advance"), st.integers(1, 50), DELAYS),
    st.tuples(st.just("until next"), st.integers(1, 50), st.just(0)),
)


@given(
    st.sampled_from([1, 10, 97, 1000]),
    st.integers(0, LIFETIME_MOST_MS),
    st.lists(STEPS, max_size=80),
)
@settings(deadline=None, max_examples=300)
def test_it_hands_out_what_a_plain_model_does_each_once_and_in_time(tick_ms, start, steps):
    model = Model(tick_ms)
    model.now = start
    for step, number, delay in steps:
        if step == "schedule":
            model.schedule(number, model.now + delay)
        elif step == "cancel":
            model.cancel(number)
        elif step == "advance":
            model.advance(model.now + delay, limit=number)
        elif model.wheel.next_due() != NEVER:
            model.advance(max(model.now, model.wheel.next_due()), limit=number)
        model.check_next()
    model.advance(model.now + 2 * LIFETIME_MOST_MS)
    assert model.wheel.armed == 0


@pytest.mark.parametrize("tick_ms", [1, 50, 1000])
def test_a_long_random_life_loses_nothing_and_repeats_nothing(tick_ms):
    draw = random.Random(tick_ms)
    model = Model(tick_ms)
    for _ in range(20_000):
        id = draw.randrange(500)
        choice = draw.random()
        if choice < 0.5:
            model.schedule(id, model.now + int(draw.expovariate(1 / draw.choice((90, 5e3, 1e6)))))
        elif choice < 0.6:
            model.cancel(id)
        else:
            model.advance(model.now + draw.choice((0, 1, tick_ms, 777)), draw.choice((1, 7, 1000)))


@pytest.mark.parametrize(
    "due_ms", [0, 1, 9, 10, 11, 639, 640, 641, 40_959, 40_960, 40_961, HOUR_MS]
)
def test_a_timer_is_never_early_and_at_most_one_tick_late(due_ms):
    wheel = TimerWheel(10)
    wheel.schedule(0, due_ms)
    asked_at = 0
    while not (found := wheel.advance_to(asked_at)):
        assert asked_at < due_ms + 10
        asked_at = max(asked_at + 1, wheel.next_due())
    assert found == [0]
    assert due_ms <= asked_at < due_ms + 10
    assert wheel.advance_to(asked_at + HOUR_MS) == []


def test_next_due_is_never_late_and_reaches_the_due_time_in_few_calls():
    draw = random.Random(5)
    for _ in range(300):
        wheel = TimerWheel(draw.choice((1, 10, 100)))
        start = draw.randrange(LIFETIME_MOST_MS)
        due_ms = start + draw.randrange(1 << draw.randrange(1, 43))
        wheel.advance_to(start)
        wheel.schedule(3, due_ms)
        calls = 0
        while True:
            moment = wheel.next_due()
            assert moment <= rounded_up(due_ms, wheel.tick_ms)
            calls += 1
            if wheel.advance_to(moment):
                break
        assert due_ms <= moment < due_ms + wheel.tick_ms
        assert calls <= 12


def test_an_empty_wheel_never_needs_to_be_called():
    wheel = TimerWheel(10)
    assert wheel.next_due() == NEVER
    assert wheel.advance_to(0) == []
    wheel.schedule(0, 5)
    wheel.cancel(0)
    assert (wheel.next_due(), wheel.armed) == (NEVER, 0)


def test_scheduling_again_replaces_and_the_old_time_passes_in_silence():
    wheel = TimerWheel(10)
    wheel.schedule(4, 100)
    wheel.schedule(4, 5000)
    assert wheel.armed == 1
    assert wheel.advance_to(4999) == []
    assert wheel.advance_to(5000) == [4]
    wheel.schedule(4, 9000)
    wheel.schedule(4, 6000)
    assert wheel.advance_to(6000) == [4]
    assert wheel.advance_to(9000) == []


def test_a_timer_for_a_moment_already_past_is_due_at_once():
    wheel = TimerWheel(10)
    wheel.advance_to(HOUR_MS)
    wheel.schedule(1, 5)
    wheel.schedule(2, -7)
    wheel.schedule(3, HOUR_MS)
    assert wheel.next_due() <= HOUR_MS
    assert wheel.advance_to(HOUR_MS) == [1, 2, 3]


def test_a_clock_that_goes_back_makes_nothing_early():
    wheel = TimerWheel(10)
    wheel.advance_to(1000)
    wheel.schedule(1, 500)
    assert wheel.advance_to(400) == []
    assert wheel.advance_to(-1) == []
    assert wheel.advance_to(1000) == [1]


@pytest.mark.parametrize("pause_ms", [HOUR_MS, 365 * 24 * HOUR_MS, LIFETIME_MOST_MS])
def test_a_long_pause_costs_no_more_than_the_timers_that_are_due(pause_ms):
    wheel = TimerWheel(1)
    draw = random.Random(6)
    for id in range(1000):
        wheel.schedule(id, draw.randrange(pause_ms))
    before = wheel.moves
    assert len(wheel.advance_to(pause_ms)) == 1000
    assert wheel.moves - before == 1000
    wheel.schedule(0, pause_ms + 5)
    assert wheel.advance_to(2 * pause_ms + 5) == [0]


def test_the_greatest_times_are_kept_apart_from_never():
    wheel = TimerWheel(1)
    wheel.schedule(0, NEVER)
    wheel.schedule(1, LIFETIME_MOST_MS)
    assert wheel.advance_to(LIFETIME_MOST_MS - 1) == []
    assert wheel.advance_to(LIFETIME_MOST_MS) == [1]
    assert LIFETIME_MOST_MS < wheel.next_due() < NEVER
    assert wheel.due(0) == 2**62
    assert wheel.advance_to(2**62 - 1) == []
    assert wheel.advance_to(NEVER) == [0]


def test_out_holds_at_most_limit_and_the_rest_comes_with_the_next_call():
    wheel = TimerWheel(10)
    for id in range(10):
        wheel.schedule(id, 100)
    assert wheel.advance_to(100, 4) == [0, 1, 2, 3]
    assert wheel.next_due() <= 100
    assert wheel.cancel(5)
    assert wheel.advance_to(200, 4) == [4, 6, 7, 8]
    assert wheel.advance_to(200, 4) == [9]
    assert wheel.next_due() == NEVER


def test_a_crowded_slot_is_worked_off_in_slices_without_holding_up_others():
    wheel = TimerWheel(10)
    crowd = 20 * SLICE
    for id in range(crowd):
        wheel.schedule(id, HOUR_MS + id // 100)
    wheel.schedule(crowd, HOUR_MS + 50)
    wheel.advance_to(HOUR_MS - 2000)
    found: list[int] = []
    now_ms, calls = HOUR_MS - 2000, 0
    while len(found) <= crowd:
        before = wheel.moves
        batch = wheel.advance_to(now_ms, 1 << 20)
        assert all(id == crowd or HOUR_MS + id // 100 <= now_ms for id in batch)
        # One slice, and what lay ready in fine slots (which slices before have put there).
        assert wheel.moves - before <= SLICE + len(batch)
        found += batch
        now_ms, calls = max(now_ms, wheel.next_due()), calls + 1
        assert calls < 300
    assert len(found) == len(set(found)) == crowd + 1


def test_a_crowd_due_at_one_moment_after_a_pause_comes_in_bounded_calls():
    wheel = TimerWheel(10)
    crowd = 10 * SLICE
    for id in range(crowd):
        wheel.schedule(id, 24 * HOUR_MS + 123)
    found: list[int] = []
    while wheel.armed:
        before = wheel.moves
        assert wheel.next_due() <= 48 * HOUR_MS
        batch = wheel.advance_to(48 * HOUR_MS, 512)
        assert len(batch) <= 512
        assert wheel.moves - before <= SLICE + 512
        found += batch
    assert sorted(found) == list(range(crowd))


def test_a_fine_timer_is_on_time_while_a_crowd_waits_to_be_placed():
    wheel = TimerWheel(10)
    crowd = 5 * SLICE
    for id in range(crowd):
        wheel.schedule(id, HOUR_MS + 2000)
    start = wheel.next_due()
    assert wheel.advance_to(start) == []
    wheel.schedule(crowd, start + 20)
    assert wheel.next_due() <= start
    assert wheel.advance_to(start + 10) == []
    assert wheel.advance_to(start + 20) == [crowd]


def test_timers_in_the_waiting_crowd_can_be_cancelled_moved_and_asked_for():
    wheel = TimerWheel(10)
    crowd = 3 * SLICE
    for id in range(crowd):
        wheel.schedule(id, HOUR_MS)
    moment = wheel.next_due()
    wheel.advance_to(moment)
    last = crowd - 1
    assert wheel.due(last) == HOUR_MS
    assert wheel.cancel(last)
    wheel.schedule(last - 1, 2 * HOUR_MS)
    found: set[int] = set()
    while wheel.next_due() <= HOUR_MS:
        found |= set(wheel.advance_to(max(moment, wheel.next_due()), 1 << 20))
    assert found == set(range(crowd)) - {last, last - 1}
    assert wheel.armed == 1


def test_memory_is_16_bytes_a_timer_taken_in_chunks():
    wheel = TimerWheel(10)
    empty = wheel.bytes
    assert empty < 12_000
    for id in range(100_000):
        wheel.schedule(id, id)
    assert wheel.bytes - empty <= 16 * (100_000 + 4096) + 8 * 64
    assert wheel.bytes - empty >= 16 * 100_000


def test_the_greatest_id_is_an_id_and_one_past_it_is_refused():
    wheel = TimerWheel(10)
    with pytest.raises(ValueError, match="timer 4294963200 is above 4294963199"):
        wheel.schedule(GREATEST_ID + 1, 5)
    for id in (GREATEST_ID, GREATEST_ID + 1, 2**32 - 1):
        assert wheel.due(id) == -1
        assert not wheel.cancel(id)
    assert wheel.next_due() == NEVER


@pytest.mark.parametrize(
    "tick_ms, is_allowed", [(0, False), (1, True), (3_600_000, True), (3_600_001, False)]
)
def test_the_tick_is_bounded(tick_ms, is_allowed):
    if is_allowed:
        assert TimerWheel(tick_ms).tick_ms == tick_ms
    else:
        with pytest.raises(ValueError, match=f"tick_ms is {tick_ms}, allowed are 1 to 3600000"):
            TimerWheel(tick_ms)


@pytest.mark.parametrize(
    "limit, is_allowed", [(0, False), (1, True), (1 << 20, True), ((1 << 20) + 1, False)]
)
def test_the_list_handed_to_python_is_bounded(limit, is_allowed):
    wheel = TimerWheel(10)
    wheel.schedule(0, 0)
    if is_allowed:
        assert wheel.advance_to(0, limit) == [0]
    else:
        with pytest.raises(ValueError, match=f"limit is {limit}, allowed are 1 to 1048576"):
            wheel.advance_to(0, limit)
