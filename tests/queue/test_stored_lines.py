"""Rows back into lines: what a start makes of a good disk, and of a bad one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_fast.core.operation import (
    EXECUTING,
    PENDING,
    POST_REGISTRATION,
    Operation,
    pending_key,
)
from lwm2m_fast.core.pending import Pending
from lwm2m_fast.queue.stored_lines import load_lines

ORDER = {"op": "read", "path": "/3/0/0"}


def operation(endpoint: str, number: int, **more: object) -> Operation:
    return Operation(number, endpoint, ORDER, 1.0, **more)  # type: ignore[arg-type]


def rows_of(*operations: Operation) -> list[tuple[bytes, bytes]]:
    return sorted((pending_key(each.endpoint, each.id), each.as_row()) for each in operations)


def loaded(rows: list[tuple[bytes, bytes]]) -> tuple[Pending, int]:
    pending = Pending(1000, 1_000_000)
    return pending, load_lines(rows, pending)


def test_each_device_has_its_line_oldest_first():
    pending, unusable = loaded(
        rows_of(
            operation("one", 7), operation("one", 3), operation("a", 300), operation("longer", 5)
        )
    )
    assert unusable == 0
    assert {name: pending.line(name) for name in pending.endpoints()} == {
        "one": [3, 7],
        "a": [300],
        "longer": [5],
    }
    assert (len(pending), pending.next_id) == (4, 301)
    assert pending.due("one") == 3


def test_what_was_or_may_have_been_sent_waits_for_a_contact():
    pending, _ = loaded(
        rows_of(
            operation("tried", 1, attempts=1),
            operation("tried", 2),
            operation("leaving", 3, state=EXECUTING),
            operation("fresh", 4, state=PENDING),
        )
    )
    held = {name for name in pending.endpoints() if pending.is_held(name)}
    assert held == {"tried", "leaving"}


def test_what_came_from_the_list_is_known_and_what_ends_by_itself_does():
    pending, _ = loaded(
        rows_of(
            operation("one", 1, valid_until=9.5),
            operation("one", 2, origin=POST_REGISTRATION),
            operation("two", 3, valid_until=4.0),
        )
    )
    assert pending.listed("one") == [2]
    assert pending.line("one") == [1, 2]
    assert list(pending.expired(4000)) == [("two", 3)]
    assert pending.next_expiry_ms() == 9500


def test_a_row_between_two_of_a_device_that_is_none_does_not_part_them():
    rows = rows_of(operation("one", 1), operation("one", 2))
    pending, unusable = loaded([rows[0], (rows[0][0] + b"x", b""), rows[1]])
    assert (pending.line("one"), unusable) == ([1, 2], 1)


GOOD = (pending_key("dev", 9), operation("dev", 9).as_row())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"", GOOD[1]),
        (b"\0" + bytes(8), GOOD[1]),  # no name
        (b"\3de" + bytes(8), GOOD[1]),  # shorter than it says
        (b"\1dev" + bytes(8), GOOD[1]),  # longer
        (b"\2\xff\xfe" + bytes(8), GOOD[1]),  # no UTF-8
        (b"\3dev" + b"\x80" + bytes(7), GOOD[1]),  # above the largest id
        (GOOD[0], GOOD[1][:8]),  # no head
        (GOOD[0], b""),
    ],
)
def test_a_row_that_is_none_of_ours_is_counted_and_harms_no_other(key: bytes, value: bytes):
    other = rows_of(operation("other", 4))
    pending, unusable = loaded([(key, value), *other])
    assert unusable == 1
    assert pending.endpoints() == ["other"]
    pending, unusable = loaded([*other, (key, value)])
    assert unusable == 1
    assert pending.line("other") == [4]


@given(st.lists(st.tuples(st.binary(max_size=14), st.binary(max_size=12)), max_size=40))
def test_whatever_the_disk_gives_back_every_row_is_used_or_counted(rows):
    rows = sorted(dict(rows).items())
    pending, unusable = loaded(rows)
    assert len(pending) + unusable == len(rows)
    assert sum(len(pending.line(name)) for name in pending.endpoints()) == len(pending)
