"""From the journal into the tables: right in the end, and after dying at any step on the way."""

import contextlib
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_kit import changes_of, open_state

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store import fold, journal
from lwm2m_fast.store.changes import put


class Died(BaseException):
    """Stands for kill -9 between two transactions."""


def rows_of(state, table):
    loaded = list(state.load(table))
    assert len(loaded) == len(dict(loaded))
    return dict(loaded)


def groups(count, keys, table=1):
    """Numbered groups of changes that overwrite and delete each other's rows."""
    for number in range(count):
        rows = [
            (table, b"k%d" % ((number * 7 + place) % keys), b"%d" % number) for place in range(5)
        ]
        if number % 3 == 0:
            rows[2] = (table, rows[2][1], None)
        yield rows


def play(rows, model):
    for table, key, value in rows:
        if value is None:
            model.pop((table, key), None)
        else:
            model[table, key] = value


def assert_holds(state, model):
    tables = {table for table, _ in model} | {1, 2}
    for table in tables:
        expected = {key: value for (t, key), value in model.items() if t == table}
        assert rows_of(state, table) == expected
        assert {key: state.get(table, key) for key in expected} == expected


row = st.tuples(
    st.integers(1, 2), st.sampled_from([b"a", b"b", b"c", b"aa", b"\xff"]),
    st.none() | st.binary(max_size=9),
)  # fmt: skip
act = st.one_of(
    st.lists(row, min_size=1, max_size=5), st.sampled_from(["fold", "die", "fold and die"])
)


@settings(max_examples=80, deadline=None)
@given(st.lists(act, max_size=14), st.integers(1, 6))
def test_applying_folding_and_dying_in_any_order_gives_what_a_dictionary_gives(
    tmp_path_factory, acts, dies_at
):
    path = tmp_path_factory.mktemp("state")
    dying = {"left": 0}

    def step(name):
        dying["left"] -= 1
        if dying["left"] == 0:
            raise Died(name)

    env, state = open_state(path, step)
    model = {}
    for what in acts:
        if isinstance(what, list):
            state.apply(changes_of(*what))
            play(what, model)
        if what == "fold":
            state.fold()
            assert state.journal_bytes == 0
        if what == "fold and die":
            dying["left"] = dies_at
            with contextlib.suppress(Died):
                state.fold()
        if what in ("die", "fold and die"):
            dying["left"] = 0
            env.close()
            env, state = open_state(path, step)
        assert_holds(state, model)
    env.close()


def small_slices(monkeypatch):
    # One row a chunk, three a transaction: a short history then has many places to die at.
    monkeypatch.setattr(fold, "CHUNK_ROWS", 1)
    monkeypatch.setattr(fold, "SLICE_ROWS", 3)


def test_dying_after_any_transaction_of_a_fold_loses_nothing(tmp_path, monkeypatch):
    small_slices(monkeypatch)
    names, dies_at = [], 1
    while True:
        died, model = _die_at(tmp_path / str(dies_at), dies_at, names)
        env, state = open_state(tmp_path / str(dies_at))
        assert_holds(state, model)
        state.fold()
        assert_holds(state, model)
        assert env.read(lambda txn: txn.stat(env.table(fold.JOURNAL))["entries"]) == 0  # noqa: B023
        env.close()
        if not died:
            break
        dies_at += 1
    assert names.count("rows") >= 5
    assert names.count("journal") >= 5


def _die_at(path, dies_at, names):
    steps = []

    def step(name):
        steps.append(name)
        if len(steps) == dies_at:
            raise Died(name)

    env, state = open_state(path, step)
    model, later = {}, [(1, b"k1", b"later"), (2, b"new", b"later"), (1, b"k2", None)]
    for rows in [*groups(16, 20), [(2, b"x", b"y")]]:
        state.apply(changes_of(*rows))
        play(rows, model)
    try:
        state.fold()
    except Died:
        names.append(steps[-1])
        env.close()
        return True, model
    state.apply(changes_of(*later))
    play(later, model)
    env.close()
    return False, model


def test_changes_applied_in_the_middle_of_a_fold_are_newer_than_what_it_folds(
    tmp_path, monkeypatch
):
    small_slices(monkeypatch)
    model, number = {}, 0

    def step(name):
        nonlocal number
        number += 1
        rows = [(1, b"k%d" % (number % 20), b"during %d" % number)]
        state.apply(changes_of(*rows))
        play(rows, model)
        assert_holds(state, model)

    env, state = open_state(tmp_path, step)
    for rows in groups(16, 20):
        state.apply(changes_of(*rows))
        play(rows, model)
    state.fold()
    assert number > 10
    assert_holds(state, model)
    env.close()
    env, state = open_state(tmp_path)
    assert_holds(state, model)
    env.close()


def test_a_fold_that_failed_is_made_good_by_the_next(tmp_path, monkeypatch):
    small_slices(monkeypatch)
    model, failing = {}, {"steps": 2}

    def step(name):
        failing["steps"] -= 1
        if failing["steps"] == 0:
            raise StoreError("disk gone")

    env, state = open_state(tmp_path, step)
    for rows in groups(9, 12):
        state.apply(changes_of(*rows))
        play(rows, model)
    with pytest.raises(StoreError, match="disk gone"):
        state.fold()
    for rows in groups(4, 5):
        state.apply(changes_of(*rows))
        play(rows, model)
    assert_holds(state, model)
    state.fold()
    assert_holds(state, model)
    state.fold()
    assert_holds(state, model)
    assert state.journal_bytes == 0
    env.close()


def test_a_load_under_way_is_complete_though_a_fold_ends_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "LOAD_ROWS", 4)
    env, state = open_state(tmp_path)
    state.apply(b"".join(put(1, b"a%02d" % n, b"folded") for n in range(20)))
    state.fold()
    state.apply(
        b"".join(put(1, b"%s%02d" % (p, n), b"new") for p in (b"a", b"b") for n in range(9))
    )
    loading = state.load(1)
    first = next(loading)
    state.fold()
    loaded = [first, *loading]
    expected = {b"a%02d" % n: b"new" if n < 9 else b"folded" for n in range(20)}
    expected |= {b"b%02d" % n: b"new" for n in range(9)}
    assert sorted(loaded) == sorted(expected.items())
    env.close()


def test_the_journal_takes_its_bound_and_one_byte_more_is_folded_first(tmp_path):
    one = put(1, b"key", b"v" * 89)
    assert len(one) == 100
    env, state = open_state(tmp_path, journal_max_bytes=1000)
    for _ in range(10):
        state.apply(one)
    assert (state.journal_bytes, state.counts["store_journal_full"]) == (1000, 0)
    state.apply(one)
    assert (state.journal_bytes, state.counts["store_journal_full"]) == (100, 1)
    assert state.counts["store_folded_rows"] == 1
    env.close()


def test_changes_as_large_as_the_journal_are_taken_and_larger_ones_refused(tmp_path):
    env, state = open_state(tmp_path, journal_max_bytes=1000)
    state.apply(put(1, b"key", b"v" * 989))
    with pytest.raises(StoreError, match="1001 bytes, journal_max_bytes is 1000"):
        state.apply(put(1, b"key", b"w" * 990))
    assert state.get(1, b"key") == b"v" * 989
    assert state.counts["store_changes_refused"] == 1
    env.close()


def test_half_a_journal_asks_for_a_checkpoint(tmp_path):
    env, state = open_state(tmp_path, journal_max_bytes=1000)
    asked = []
    state._wake = lambda: asked.append(state.journal_bytes)
    for _ in range(5):
        state.apply(put(1, b"key", b"v" * 89))
    assert asked == [500]
    env.close()


def test_readers_in_other_threads_never_see_an_older_value_than_before(tmp_path):
    env, state = open_state(tmp_path, journal_max_bytes=20_000)
    keys = [b"a", b"b", b"c"]
    state.apply(b"".join(put(1, key, b"0") for key in keys))
    is_over, wrong = threading.Event(), []

    def read():
        seen = dict.fromkeys(keys, 0)
        while not is_over.is_set():
            for key in keys:
                value = int(state.get(1, key) or b"-1")
                if value < seen[key]:
                    wrong.append((key, seen[key], value))
                seen[key] = value

    def fold():
        while not is_over.is_set():
            state.fold()

    threads = [threading.Thread(target=act) for act in (read, read, fold)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, 1500):
            state.apply(b"".join(put(1, key, b"%d" % number) for key in keys))
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert state.counts["store_folds"] > 1
    env.close()
