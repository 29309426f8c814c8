"""Within which interval a device must be heard, and whether it was (requirement R8)."""

from __future__ import annotations

import pytest

from lwm2m_fast.core.availability import availability, required_interval_s


@pytest.mark.parametrize("minutes", [None, 5])
def test_the_automatic_interval_is_the_lifetime_and_two_minutes(minutes: int | None) -> None:
    assert required_interval_s(True, minutes, 300) == 420
    assert required_interval_s(True, minutes, 86_400) == 86_520


def test_a_lifetime_without_end_requires_nothing() -> None:
    assert required_interval_s(True, None, 0) is None


@pytest.mark.parametrize("lifetime", [0, 60, 86_400])
def test_a_configured_interval_does_not_follow_the_lifetime(lifetime: int) -> None:
    assert required_interval_s(False, 5, lifetime) == 300
    assert required_interval_s(False, None, lifetime) is None


def test_an_interval_ends_with_its_last_moment() -> None:
    assert availability(420, 1000.0, 1420.0) == "available"
    assert availability(420, 1000.0, 1420.001) == "unavailable"
    assert availability(None, 0.0, 1e12) == "available"
