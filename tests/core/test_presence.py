"""When a device listens."""

from __future__ import annotations

from math import inf

import pytest

from lwm2m_fast.core.presence import MAX_AWAKE_MS, Window, window_of


def test_a_setting_beats_what_the_device_says_and_that_beats_the_default():
    assert window_of(5000, {"at": "3000"}, 1000) == Window(5000, "settings")
    assert window_of(None, {"at": "3000"}, 1000) == Window(3000, "registration")
    assert window_of(None, {}, 1000) == Window(1000, "default")


@pytest.mark.parametrize(
    "window",
    [
        window_of(0, {"at": "3000"}, 1000),
        window_of(None, {"at": "0"}, 1000),
        window_of(None, {}, 0),
    ],
)
def test_zero_is_always_whoever_says_it(window):
    assert window.awake_ms == 0
    assert window.awake_until(5.0) == inf
    assert window.is_awake(0.0, 1e9)


@pytest.mark.parametrize("said", ["", "x", "-1", "1.5", None, "٣", "1" * 21])
def test_what_is_no_number_is_as_if_the_device_had_said_nothing(said):
    assert window_of(None, {"at": said}, 700) == Window(700, "default")


def test_a_device_cannot_ask_for_more_than_a_day():
    assert window_of(None, {"at": "9" * 20}, 0).awake_ms == MAX_AWAKE_MS


def test_a_window_ends_with_its_last_millisecond():
    window = Window(2500, "settings")
    assert window.is_awake(100.0, 102.5)
    assert not window.is_awake(100.0, 102.501)
    assert window.awake_until(100.0) == 102.5


@pytest.mark.parametrize("window", [Window(0, "default"), Window(1000, "default")])
def test_a_device_that_was_never_heard_is_not_awake(window):
    assert not window.is_awake(None, 5.0)
