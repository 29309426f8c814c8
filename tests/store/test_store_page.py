"""A page of rows: its two bounds, and where a prefix ends."""

from itertools import count

import pytest

from lwm2m_fast.store.page import PAGE_BYTES, page_of


def rows(*keys, size=1):
    return [(key, bytes(size)) for key in keys]


def test_a_page_has_the_first_rows_and_asks_for_no_more_than_these():
    left = iter(rows(b"a", b"b", b"c"))
    assert page_of(left, 2) == rows(b"a", b"b")
    assert list(left) == rows(b"c")


def test_large_rows_end_a_page_early_but_one_always_fits():
    size = PAGE_BYTES // 4
    assert len(page_of(((b"%d" % n, bytes(size)) for n in count()), 2048)) == 4
    assert len(page_of(((b"%d" % n, bytes(size - 1)) for n in count()), 2048)) == 5
    assert len(page_of([(b"k", bytes(PAGE_BYTES + 1)), (b"l", b"")], 2048)) == 1


def test_a_page_ends_with_the_prefix_of_its_keys():
    assert page_of(rows(b"p", b"pa", b"pb", b"q", b"pc"), 9, b"p") == rows(b"p", b"pa", b"pb")
    assert page_of(rows(b"p"), 9, b"pa") == []
    assert page_of([], 9, b"p") == []


def test_no_page_is_empty_while_there_are_rows():
    assert page_of(rows(b"a"), 0) == []
    assert page_of(rows(b"a"), 1) == rows(b"a")


@pytest.mark.parametrize("row", [(b"k",), (b"k", b"v", b"w"), ("k", b"v"), (b"k", 5), b"kv"])
def test_what_is_no_row_is_refused(row):
    with pytest.raises((TypeError, ValueError)):
        page_of([row], 9)
