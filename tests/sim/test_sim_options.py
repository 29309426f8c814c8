"""What a simulation may be asked to be: every bound at it and one past it."""

from __future__ import annotations

import pytest

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.sim.answers import MOST_SAMPLES
from lwm2m_fast.sim.objects import MOST_SENSORS
from lwm2m_fast.sim.options import MOST_DEVICES, Options
from lwm2m_fast.sim.shared_socket import MOST_DEVICES as MOST_ADDRESSES


@pytest.mark.parametrize(
    "field, fits, too_much",
    [
        ("devices", 1, 0),
        ("devices", MOST_DEVICES, MOST_DEVICES + 1),
        ("prefix", "x" * 200, "x" * 201),
        ("prefix", "ü" * 100, "ü" * 101),
        ("first", 0, -1),
        ("first", 0xFFFFFFFF - 19, 0xFFFFFFFF - 18),
        ("version", "1.2", "1.3"),
        ("lifetime_s", 1, 0),
        ("lifetime_s", 0xFFFFFFFF, 1 << 32),
        ("update_at", 1.0, 1.01),
        ("mode", "ping", "observe"),
        ("outstanding", 1, 0),
        ("outstanding", 1_000_000, 1_000_001),
        ("rate", 0.0, -0.1),
        ("duration_s", 0.1, 0.0),
        ("seed", (1 << 64) - 1, 1 << 64),
        ("sockets", "shared", "many"),
        ("ack_timeout_s", 0.1, 0.09),
        ("sensors", 0, -1),
        ("sensors", MOST_SENSORS, MOST_SENSORS + 1),
        ("block_bytes", 16, 15),
        ("block_bytes", 1024, 2048),
        ("notify_every_s", 86400, 86401),
        ("confirm_every", 65535, 65536),
        ("send_every_s", 0.0, -0.1),
        ("send_samples", MOST_SAMPLES, MOST_SAMPLES + 1),
        ("loss", 1.0, 1.01),
        ("reorder", 0.0, -0.01),
        ("delay_s", 60.0, 60.1),
        ("sleep_s", 86400, 86401),
        ("slow_s", 3600, 3601),
    ],
)
def test_a_bound_is_kept_and_named(field, fits, too_much):
    assert getattr(Options(**{field: fits}), field) == fits
    with pytest.raises(ConfigError, match=field.replace("_", "-")):
        Options(**{field: too_much})


@pytest.mark.parametrize("first, devices, digits", [(1, 999_999, 6), (1, 1_000_000, 7), (0, 1, 6)])
def test_numbers_have_as_many_digits_as_the_last_one_needs(first, devices, digits):
    assert Options(first=first, devices=devices).digits == digits


def test_every_device_finds_a_loopback_address():
    assert MOST_DEVICES <= MOST_ADDRESSES


def test_a_first_number_that_is_too_large_is_told_with_the_limit():
    with pytest.raises(
        ConfigError, match="would have number 4294967296; the largest is 4294967295"
    ):
        Options(first=0xFFFFFFFF, devices=2)
