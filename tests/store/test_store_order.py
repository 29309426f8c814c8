"""Sorting in steps, against sorting."""

from __future__ import annotations

import random

import pytest

from lwm2m_fast.store.fleet import SORTED_AT_ONCE, in_order


@pytest.mark.parametrize("count", [0, 1, 2, SORTED_AT_ONCE, SORTED_AT_ONCE + 1, 5 * 1024 + 7])
@pytest.mark.parametrize("is_mixed", [False, True])
def test_keys_come_in_order_whatever_their_number(count: int, is_mixed: bool) -> None:
    keys = [b"%d" % number for number in range(count)]
    if is_mixed:
        random.Random(count).shuffle(keys)
    assert in_order(keys) == sorted(keys)
