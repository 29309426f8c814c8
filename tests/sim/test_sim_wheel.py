"""One timer per device, against a plain dict of moments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_fast.sim.wheel import Wheel

TICK = 1 << 24
ROTATION = TICK * 16384

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("arm"), st.integers(0, 9), st.integers(0, 3 * ROTATION)),
        st.tuples(st.just("disarm"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("wait"), st.just(0), st.integers(0, 2 * ROTATION)),
        st.tuples(st.just("wait"), st.just(0), st.integers(0, 8 * TICK)),
    ),
    max_size=60,
)


@given(ACTIONS)
def test_every_timer_is_due_once_never_early_and_at_most_a_tick_late(actions):
    wheel, armed, now = Wheel(10), {}, 0
    for what, id, span in actions:
        if what == "arm":
            wheel.arm(id, now + span)
            armed[id] = now + span
        elif what == "disarm":
            wheel.disarm(id)
            armed.pop(id, None)
        else:
            now += span
            for due in wheel.due(now):
                assert armed.pop(due) <= now
            # Armed a moment ago for the past, it may hang in the tick to come.
            assert all(at > now - 2 * TICK for at in armed.values())
    now += 4 * ROTATION
    assert sorted(wheel.due(now)) == sorted(armed)


def test_a_moved_timer_is_due_at_its_last_moment_only():
    wheel = Wheel(1)
    wheel.arm(0, 5 * TICK)
    wheel.arm(0, 9 * TICK)
    wheel.arm(0, 7 * TICK)
    assert wheel.due(7 * TICK - 1) == []
    assert wheel.due(7 * TICK) == [0]
    assert wheel.due(100 * TICK) == []


def test_timers_of_one_moment_come_in_as_many_turns_as_the_limit_needs():
    wheel = Wheel(10)
    for id in range(10):
        wheel.arm(id, TICK)
    turns = [wheel.due(TICK, limit=4) for _ in range(4)]
    assert [len(turn) for turn in turns] == [4, 4, 2, 0]
    assert sorted(id for turn in turns for id in turn) == list(range(10))


def test_a_clock_that_starts_late_and_jumps_by_years_is_no_loop():
    year = 365 * 86400 * 10**9
    wheel = Wheel(2, now_ns=50 * year)
    wheel.arm(0, 51 * year)
    assert wheel.due(60 * year) == [0]


@pytest.mark.parametrize("id", [2, 3])
def test_an_id_outside_of_the_fleet_is_refused(id):
    wheel = Wheel(2)
    with pytest.raises(IndexError):
        wheel.arm(id, 0)
    with pytest.raises(IndexError):
        wheel.disarm(id)
