"""What every back end promises (store/base.py); a new row in the table is tested by being there."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_kit import Config, changes_of

from lwm2m_fast.errors import ConfigError, StoreError
from lwm2m_fast.store import BACK_ENDS, open_store
from lwm2m_fast.store.base import MAX_FLEET_KEY_BYTES, MAX_NAMESPACE_BYTES
from lwm2m_fast.store.changes import MAX_KEY_BYTES, MAX_VALUE_BYTES, put
from lwm2m_fast.store.journal import LmdbState


@pytest.fixture(params=sorted(BACK_ENDS))
def kind(request):
    return request.param


@pytest.fixture
def store(kind, tmp_path):
    opened = open_store(kind, str(tmp_path / "data"), Config(journal_max_bytes=4 << 20))
    yield opened
    opened.close()


def test_an_unknown_back_end_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"store\.kind is 'paper', allowed are lmdb, memory"):
        open_store("paper", str(tmp_path), Config())


def test_what_was_applied_is_got_and_loaded(store):
    store.state.apply(changes_of((1, b"dev-1", b"a"), (2, b"\0\0\0\1", b"b"), (1, b"dev-2", b"")))
    assert store.state.get(1, b"dev-1") == b"a"
    assert store.state.get(1, b"dev-2") == b""
    assert store.state.get(2, b"dev-1") is None
    assert sorted(store.state.load(1)) == [(b"dev-1", b"a"), (b"dev-2", b"")]
    assert list(store.state.load(255)) == []


def test_pages_bring_what_load_brings_and_no_more_rows_than_expected(store):
    rows = [(1, b"dev-%d" % n, b"x" * (n % 7)) for n in range(5000)]
    store.state.apply(changes_of(*rows, (2, b"other", b"")))
    pages = list(store.state.pages(1))
    assert sorted(row for page in pages for row in page) == sorted(store.state.load(1))
    assert all(type(page) is list for page in pages)
    assert 5000 <= store.state.expected(1) <= 5001
    assert sum(map(len, store.state.pages(9))) == 0


def test_what_was_deleted_or_changed_of_late_is_in_no_page_twice(store):
    store.state.apply(changes_of((1, b"a", b"1"), (1, b"b", b"1")))
    if isinstance(store.state, LmdbState):
        store.state.fold()
    store.state.apply(changes_of((1, b"a", None), (1, b"b", b"2"), (1, b"c", b"3")))
    assert sorted(row for page in store.state.pages(1) for row in page) == [
        (b"b", b"2"), (b"c", b"3"),
    ]  # fmt: skip
    assert store.state.expected(1) >= 2


def test_the_last_change_of_a_row_counts(store):
    store.state.apply(changes_of((1, b"a", b"1"), (1, b"a", None), (1, b"a", b"2")))
    store.state.apply(changes_of((1, b"b", b"1"), (1, b"b", None), (1, b"never there", None)))
    assert store.state.get(1, b"a") == b"2"
    assert store.state.get(1, b"b") is None
    assert list(store.state.load(1)) == [(b"a", b"2")]


def test_empty_changes_are_kept_by_doing_nothing(store):
    store.state.apply(b"")
    assert list(store.state.load(1)) == []


@pytest.mark.parametrize(
    "bad",
    [
        b"\1",
        b"\3\1\0\1\0\0\0\0k",
        b"\1\0\0\1\0\0\0\0k",
        b"\2\1\0\1\0\0\0\1kv",
        put(1, b"k", b"v")[:-1],
    ],
    ids=["short", "operation", "table", "delete with value", "cut"],
)
def test_of_malformed_changes_nothing_is_kept(store, bad):
    with pytest.raises(StoreError, match="at byte 10"):
        store.state.apply(put(1, b"a", b"1") + bad)
    assert store.state.get(1, b"a") is None


def test_keys_and_values_are_kept_at_their_limit_and_refused_beyond(store):
    store.state.apply(put(1, b"k" * MAX_KEY_BYTES, b"v" * MAX_VALUE_BYTES))
    assert store.state.get(1, b"k" * MAX_KEY_BYTES) == b"v" * MAX_VALUE_BYTES
    for beyond in (put(1, b"k" * (MAX_KEY_BYTES + 1), b""), put(1, b"", b"")):
        with pytest.raises(StoreError, match="a key has 1 to 511 bytes"):
            store.state.apply(beyond)
    with pytest.raises(StoreError, match="at most 1048576 bytes"):
        store.state.apply(put(1, b"k", b"v" * (MAX_VALUE_BYTES + 1)))


@pytest.mark.parametrize("table", [0, 256])
def test_tables_that_do_not_exist_are_refused(store, table):
    with pytest.raises(StoreError, match=f"table {table} does not exist"):
        store.state.get(table, b"k")
    with pytest.raises(StoreError, match=f"table {table} does not exist"):
        list(store.state.load(table))


def test_a_closed_store_refuses_and_closing_again_is_harmless(store):
    store.close()
    store.close()
    for act in (
        lambda: store.state.apply(put(1, b"k", b"v")),
        lambda: store.state.get(1, b"k"),
        lambda: list(store.state.load(1)),
        lambda: store.fleet.put("n", [(b"k", b"v")]),
        lambda: store.fleet.delete("n", [b"k"]),
        lambda: store.fleet.get("n", b"k"),
        lambda: list(store.fleet.scan("n")),
    ):
        with pytest.raises(StoreError, match="closed"):
            act()


def test_a_fresh_store_is_well(store):
    assert store.health() is None


rows = st.tuples(
    st.integers(1, 3), st.sampled_from([b"a", b"b", b"ab", b"\0", b"\xff" * 255]),
    st.none() | st.binary(max_size=40),
)  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(groups=st.lists(st.lists(rows, max_size=6), max_size=8))
def test_any_history_ends_in_the_same_rows_as_a_dictionary(kind, tmp_path_factory, groups):
    store = open_store(kind, str(tmp_path_factory.mktemp("history")), Config())
    model = {}
    try:
        for group in groups:
            store.state.apply(changes_of(*group))
            for table, key, value in group:
                model[table, key] = value
        for (table, key), value in model.items():
            assert store.state.get(table, key) == value
        for table in (1, 2, 3):
            expected = {k: v for (t, k), v in model.items() if t == table and v is not None}
            loaded = list(store.state.load(table))
            assert dict(loaded) == expected
            assert len(loaded) == len(expected)
    finally:
        store.close()


# -- the fleet side


def test_fleet_rows_are_put_replaced_and_deleted(store):
    store.fleet.put("device", [(b"a", b"1"), (b"b", b"2")])
    store.fleet.put("device", [(b"a", b"3")])
    assert store.fleet.get("device", b"a") == b"3"
    assert store.fleet.delete("device", [b"a", b"a", b"missing"]) == 1
    assert store.fleet.get("device", b"a") is None
    assert store.fleet.delete("nothing here", [b"b"]) == 0
    assert store.fleet.get("device", b"b") == b"2"


def test_changes_of_several_namespaces_are_applied_in_order_and_together(store):
    store.fleet.put("a", [(b"1", b"old"), (b"2", b"gone")])
    store.fleet.apply(
        [
            ("a", b"1", b"new"),
            ("a", b"2", None),
            ("a", b"none", None),
            ("b", b"1", b"put"),
            ("b", b"1", None),
            ("c", b"1", None),
            ("c", b"1", b"last"),
        ]
    )
    store.fleet.apply([])
    assert list(store.fleet.scan("a")) == [(b"1", b"new")]
    assert list(store.fleet.scan("b")) == []
    assert list(store.fleet.scan("c")) == [(b"1", b"last")]


@pytest.mark.parametrize(
    "bad", [("a" * 64, b"k", b"v"), ("a", b"", b"v"), ("a", b"k", b"x" * ((1 << 20) + 1))]
)
def test_of_fleet_changes_with_a_bad_one_none_is_kept(store, bad):
    with pytest.raises(StoreError):
        store.fleet.apply([("a", b"good", b"v"), bad])
    assert store.fleet.get("a", b"good") is None


def test_namespaces_do_not_see_each_other(store):
    # "a" + "bc" and "ab" + "c" are the same bytes when written one after the other.
    store.fleet.put("a", [(b"bc", b"1")])
    store.fleet.put("ab", [(b"c", b"2")])
    assert list(store.fleet.scan("a")) == [(b"bc", b"1")]
    assert list(store.fleet.scan("ab")) == [(b"c", b"2")]


def test_a_scan_is_in_key_order_and_continues_behind_a_key(store):
    keys = [b"%04d" % number for number in range(1200)]
    store.fleet.put("device", [(key, key[::-1]) for key in reversed(keys)])
    store.fleet.put("device-later", [(b"0000", b"")])
    assert [key for key, _ in store.fleet.scan("device")] == keys
    assert [key for key, _ in store.fleet.scan("device", after=b"0511", limit=600)] == keys[
        512:1112
    ]
    assert list(store.fleet.scan("device", after=b"1198")) == [(b"1199", b"9911")]
    assert list(store.fleet.scan("device", after=b"1199")) == []
    assert list(store.fleet.scan("device", limit=0)) == []
    assert [key for key, _ in store.fleet.scan("device", after=b"0000", limit=1)] == [b"0001"]


def test_a_scan_of_large_rows_gives_every_one(store):
    rows = [(b"%d" % n, bytes([n]) * MAX_VALUE_BYTES) for n in range(9)]
    store.fleet.put("n", rows)
    assert list(store.fleet.scan("n")) == rows
    assert list(store.fleet.scan("n", limit=7)) == rows[:7]


def test_a_scan_behind_a_key_gives_the_longer_keys_that_begin_with_it(store):
    store.fleet.put("n", [(b"a", b""), (b"a\0", b""), (b"a\0\0", b""), (b"b", b"")])
    assert [key for key, _ in store.fleet.scan("n", after=b"a")] == [b"a\0", b"a\0\0", b"b"]


def test_rows_put_and_deleted_during_a_scan_do_not_disturb_the_others(store):
    keys = [b"%04d" % number for number in range(1500)]
    store.fleet.put("n", [(key, b"") for key in keys])
    scan = store.fleet.scan("n")
    seen = [next(scan)[0]]
    store.fleet.delete("n", [b"1000"])
    store.fleet.put("n", [(b"1000x", b"")])
    seen += [key for key, _ in scan]
    assert [key for key in seen if key not in (b"1000", b"1000x")] == [
        key for key in keys if key != b"1000"
    ]


@pytest.mark.parametrize(
    "namespace, key, value, why",
    [
        ("", b"k", b"", "namespace '' has 0 bytes"),
        ("n" * (MAX_NAMESPACE_BYTES + 1), b"k", b"", "64 bytes, allowed are 1 to 63"),
        ("n", b"", b"", "key has 0 bytes"),
        ("n", b"k" * (MAX_FLEET_KEY_BYTES + 1), b"", "448 bytes, allowed are 1 to 447"),
        ("n", b"k", b"v" * (MAX_VALUE_BYTES + 1), "1048577 bytes, allowed are up to 1048576"),
    ],
    ids=["no namespace", "long namespace", "no key", "long key", "long value"],
)
def test_a_fleet_row_beyond_a_limit_is_refused_and_none_of_its_group_kept(
    store, namespace, key, value, why
):
    with pytest.raises(StoreError, match=why):
        store.fleet.put(namespace, [(b"first", b""), (key, value)])
    assert store.fleet.get("n", b"first") is None


def test_a_fleet_row_at_every_limit_is_kept(store):
    namespace, key = "n" * MAX_NAMESPACE_BYTES, b"k" * MAX_FLEET_KEY_BYTES
    store.fleet.put(namespace, [(key, b"v" * MAX_VALUE_BYTES)])
    assert list(store.fleet.scan(namespace)) == [(key, b"v" * MAX_VALUE_BYTES)]


def test_many_rows_are_got_at_once(store):
    rows = [("a", b"%d" % n, b"of a %d" % n) for n in range(1500)]
    store.fleet.apply([*rows, ("ab", b"1", b"of ab"), ("a", b"7", None)])
    wanted = [("a", b"%d" % n) for n in range(2000)]
    found = store.fleet.get_many([*wanted, ("ab", b"1"), ("a", b"3"), ("none", b"1")])
    kept = {(space, key): value for space, key, value in rows if key != b"7"}
    assert found == {**kept, ("ab", b"1"): b"of ab"}
    assert store.fleet.get_many([]) == {}
    with pytest.raises(StoreError):
        store.fleet.get_many([("a", b"")])
