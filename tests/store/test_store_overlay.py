"""The overlay against a plain dictionary."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_kit import changes_of

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store.changes import check, put, rows
from lwm2m_fast.store.overlay import Overlay

row = st.tuples(
    st.integers(1, 255), st.binary(min_size=1, max_size=20), st.none() | st.binary(max_size=30)
)


@given(st.lists(row, max_size=20))
def test_rows_are_read_back_as_they_were_built(group):
    changes = changes_of(*group)
    assert check(changes) == len(group)
    assert rows(changes) == group


@given(st.binary(max_size=60))
def test_any_bytes_are_either_counted_or_refused_alike(changes):
    try:
        count = check(changes)
    except StoreError as refusal:
        with pytest.raises(StoreError) as again:
            rows(changes)
        assert str(again.value) == str(refusal)
    else:
        assert len(rows(changes)) == count


@settings(deadline=None)
@given(st.lists(st.lists(row, max_size=12), max_size=12), st.integers(1, 9))
def test_the_newest_change_is_found_and_taken_once_in_order(groups, limit):
    overlay, model = Overlay(), {}
    for group in groups:
        overlay.add(changes_of(*group))
        model.update({(table, key): value for table, key, value in group})
    assert overlay.count == len(model)
    for (table, key), value in model.items():
        assert overlay.find(table, key, b"?") == value
    assert overlay.find(1, b"never a key of twenty bytes", b"?") == b"?"
    for table in {table for table, _ in model}:
        assert dict(overlay.rows(table)) == {
            key: value for (t, key), value in model.items() if t == table and value is not None
        }
    assert taken(overlay, limit) == sorted(model.items())


def taken(overlay, limit):
    overlay.sort()
    found, at = [], 0
    while at < overlay.count:
        table, puts, deletes, after = overlay.take(at, limit)
        assert 1 <= after - at <= limit
        rows = [((table, key), value) for key, value in puts]
        found += sorted(rows + [((table, key), None) for key in deletes])
        at = after
    return found


def test_thousands_of_rows_grow_the_index_and_are_all_found():
    overlay = Overlay()
    for start in range(0, 20_000, 100):
        overlay.add(b"".join(put(7, b"k%d" % n, b"%d" % n) for n in range(start, start + 100)))
    assert overlay.count == 20_000
    assert all(overlay.find(7, b"k%d" % n, None) == b"%d" % n for n in range(20_000))
    assert len(taken(overlay, 256)) == 20_000


@pytest.mark.parametrize("count", [1023, 1024, 1025, 2048, 5000, 10_000])
def test_more_rows_than_are_sorted_at_once_come_in_order(count):
    keys = [b"k%d" % (n * 7919 % 104_729) for n in range(count)]
    overlay = Overlay()
    for key in keys:
        overlay.add(put(1 + key[-1] % 3, key, b""))
    expected = sorted((1 + key[-1] % 3, key) for key in keys)
    assert [row for row, _ in taken(overlay, 999)] == expected


def test_after_sorting_nothing_can_be_added():
    overlay = Overlay()
    overlay.sort()
    with pytest.raises(ValueError, match="sorted already"):
        overlay.add(put(1, b"k", b"v"))


def test_after_release_nothing_is_found_and_the_blobs_go_in_slices():
    overlay = Overlay()
    for number in range(5):
        overlay.add(put(1, b"k%d" % number, b"v"))
    assert overlay.release(2)
    assert overlay.find(1, b"k0", b"?") == b"?"
    assert overlay.rows(1) == []
    assert overlay.release(2)
    assert not overlay.release(2)
    assert (overlay.count, overlay.size_bytes) == (0, 0)


def filled(overlay, count):
    for number in range(count):
        overlay.add(put(1, b"k%d" % number, b"%d" % number))
    return overlay


@pytest.mark.parametrize("after", [3, 900, 20_000])
def test_a_renewed_one_is_as_good_as_new(after):
    overlay = filled(Overlay(), 5000)
    overlay.sort()
    while overlay.release(100):
        pass
    overlay.renew()
    assert overlay.find(1, b"k1", b"?") == b"?"
    overlay.add(put(2, b"k0", b"of another table"))
    assert overlay.find(1, b"k0", b"?") == b"?"
    filled(overlay, after)
    assert overlay.count == after + 1
    assert dict(overlay.rows(1)) == {b"k%d" % n: b"%d" % n for n in range(after)}
    assert len(taken(overlay, 100)) == after + 1


def test_a_renewed_one_gives_back_memory_that_was_mostly_idle():
    overlay, sizes = filled(Overlay(), 20_000), []
    for count in (20_000, 4000, 700, 20_000):
        while overlay.release(1000):
            pass
        overlay.renew()
        sizes.append(overlay.places)
        filled(overlay, count)
    assert sizes == [32_768, 32_768, 32_768, 1024]


def test_what_is_not_all_released_is_not_renewed():
    overlay = filled(Overlay(), 5)
    with pytest.raises(ValueError, match="not everything is released"):
        overlay.renew()
    assert overlay.release(2)
    with pytest.raises(ValueError, match="not everything is released"):
        overlay.renew()


def test_rows_beyond_the_sorted_ones_are_refused():
    overlay = Overlay()
    overlay.add(put(1, b"k", b"v"))
    with pytest.raises(IndexError):
        overlay.take(0, 1)
    overlay.sort()
    assert overlay.table_at(0) == 1
    for act in (lambda: overlay.take(1, 1), lambda: overlay.table_at(1)):
        with pytest.raises(IndexError, match="row 1 of 1"):
            act()
