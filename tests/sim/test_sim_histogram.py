"""Latencies in buckets that grow with the value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_fast.sim.histogram import Histogram

LARGEST = (1 << 63) - 1


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


@given(st.lists(st.integers(0, LARGEST), min_size=1), st.floats(0, 1))
def test_a_quantile_is_never_below_the_truth_and_at_most_a_thirtysecond_above(values, fraction):
    histogram = filled(values)
    rank = max(1, -int(-(fraction * len(values)) // 1))
    truth = sorted(values)[rank - 1]
    assert truth <= histogram.quantile(fraction) <= truth + truth // 32


@given(st.lists(st.integers(0, LARGEST), min_size=1))
def test_the_largest_value_is_exact(values):
    histogram = filled(values)
    assert histogram.most == max(values) == histogram.quantile(1.0)


@pytest.mark.parametrize("value", [0, 1, 31, 32, 33, 63, 64, LARGEST])
def test_a_single_value_is_every_quantile(value):
    assert filled([value]).quantile(0.5) == value


def test_an_empty_histogram_has_no_latency():
    histogram = filled([7])
    histogram.clear()
    assert (histogram.count, histogram.most, histogram.quantile(0.99)) == (0, 0, 0)


@pytest.mark.parametrize("fraction", [-0.01, 1.01])
def test_a_quantile_outside_of_0_to_1_is_refused(fraction):
    with pytest.raises(ValueError, match="between 0 and 1"):
        filled([1]).quantile(fraction)
