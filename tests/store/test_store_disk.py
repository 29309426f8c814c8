"""Maps that fill, disks that fill, disks that cannot be written."""

import os
import re
import resource
import subprocess

import lmdb
import pytest
from store_kit import Config, changes_of, open_state, start_child

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store.changes import put
from lwm2m_fast.store.environment import Environment
from lwm2m_fast.store.lmdb import LmdbStore
from tests.this_machine import disk_of

FULL = r"(No space left on device|Input/output error) \(\d{1,5} bytes free\)"
"""What LMDB says depends on whether the disk filled between two writes or in the middle of one."""

PAGE = os.sysconf("SC_PAGE_SIZE")


def test_a_map_that_fills_within_one_turn_grows_and_the_turn_is_kept(tmp_path):
    env, state = open_state(tmp_path, map_bytes=16 * PAGE)
    state.apply(put(1, b"k", b"v" * 200_000))
    assert env.growths > 0
    assert state.get(1, b"k") == b"v" * 200_000
    env.close()
    env, state = open_state(tmp_path, map_bytes=16 * PAGE)
    assert dict(state.load(1)) == {b"k": b"v" * 200_000}
    env.close()


def test_a_map_grows_ahead_of_need(tmp_path, monkeypatch):
    full = []
    attempt = Environment._look_ahead

    def look_ahead(self):
        before = self.growths
        attempt(self)
        full.append(self.growths - before)

    monkeypatch.setattr(Environment, "_look_ahead", look_ahead)
    env, state = open_state(tmp_path, map_bytes=256 * PAGE, journal_max_bytes=64 << 20)
    for number in range(1500):
        state.apply(put(1, b"k%d" % number, b"v" * 900))
    assert env.growths == sum(full) > 0
    env.close()


def test_reading_between_writes_does_not_make_the_file_grow(tmp_path):
    env, state = open_state(tmp_path, journal_max_bytes=64 << 20)
    last_pages = []
    for number in range(2000):
        state.apply(put(1, b"k", b"%d" % number))
        assert state.get(1, b"absent") is None
        if number % 100 == 99:
            state.fold()
            last_pages.append(env._env.info()["last_pgno"])
    assert last_pages[-1] < 200
    env.close()


def test_growth_during_a_fold_and_under_a_kept_snapshot_keeps_every_row(tmp_path):
    env, state = open_state(tmp_path, map_bytes=64 * PAGE)
    for number in range(400):
        state.apply(put(1, b"k%d" % number, b"%d" % number * 100))
        if number % 50 == 0:
            state.fold()
        assert state.get(1, b"k0") == b"0" * 100
    state.fold()
    assert env.growths > 1
    assert dict(state.load(1)) == {b"k%d" % n: b"%d" % n * 100 for n in range(400)}
    env.close()


def test_a_map_that_another_process_has_grown_is_taken_over(tmp_path):
    source = """
import sys
sys.path.insert(0, sys.argv[2])
from store_kit import open_state
from lwm2m_fast.store.changes import put
env, state = open_state(sys.argv[1], map_bytes=64 << 20)
state.apply(put(1, b"k", b"v" * 900_000))
state.fold()
env.close()
"""
    env, state = open_state(tmp_path, map_bytes=64 * PAGE)
    with start_child(source, tmp_path, os.path.dirname(__file__)) as child:
        assert child.wait(timeout=30) == 0
    env.add_table(b"table-1")
    assert len(env.read(lambda txn: txn.get(b"k", db=env.table(b"table-1")))) == 900_000
    state.apply(put(1, b"k2", b"v"))
    state.fold()
    assert env.growths > 0
    assert state.get(1, b"k") == b"v" * 900_000
    env.close()


def test_an_environment_that_panics_is_opened_anew_and_the_turn_kept(tmp_path):
    env, state = open_state(tmp_path)
    state.apply(put(1, b"before", b"1"))
    failures = [lmdb.PanicError("mdb_txn_begin", -30795)]

    def put_once(txn):
        if failures:
            raise failures.pop()
        return txn.put(b"key", b"value")

    env.write(put_once)
    assert env.read(lambda txn: txn.get(b"key")) == b"value"
    state.apply(put(1, b"after", b"2"))
    state.fold()
    assert dict(state.load(1)) == {b"before": b"1", b"after": b"2"}
    env.close()


@pytest.fixture
def small_disk():
    with disk_of(2) as path:
        yield path


def test_a_full_disk_refuses_whole_turns_and_is_well_again_with_space(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"b" * 600_000)
    store = LmdbStore(str(small_disk / "data"), Config(journal_max_bytes=8 << 20), start=False)
    kept = _apply_until_full(store.state)
    assert re.search(FULL, store.health())
    with pytest.raises(StoreError, match=FULL):
        store.state.fold()
    assert _rows(store) == kept
    with pytest.raises(StoreError):
        store.fleet.put("device", [(b"%d" % n, b"v" * 100_000) for n in range(20)])
    assert list(store.fleet.scan("device")) == []

    ballast.unlink()
    store.state.apply(put(1, b"again", b"1"))
    assert store.health() is None
    store.fleet.put("device", [(b"a", b"b")])
    kept[b"again"] = b"1"
    assert _rows(store) == kept
    store.close()
    store = LmdbStore(str(small_disk / "data"), Config(journal_max_bytes=8 << 20), start=False)
    assert _rows(store) == kept
    assert store.counters()["store_state_discarded"] == 0
    store.close()


def _apply_until_full(state):
    kept = {}
    for number in range(1000):
        key, value = b"k%d" % number, b"%d" % number * 6000
        try:
            state.apply(changes_of((1, key, value), (2, key, b"same turn")))
        except StoreError as error:
            assert re.search(FULL, str(error))
            assert (state.get(1, key), state.get(2, key)) == (None, None)
            assert state.counts["store_apply_failures"] == 1
            return kept
        kept[key] = value
    raise AssertionError("the disk never filled")


def _rows(store):
    return dict(store.state.load(1))


def test_health_returns_by_itself_when_space_does(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"b" * 600_000)
    store = LmdbStore(str(small_disk / "data"), Config(journal_max_bytes=8 << 20), start=False)
    _apply_until_full(store.state)
    with pytest.raises(StoreError, match=FULL):
        store.state.probe()
    assert store.health() is not None
    ballast.unlink()
    store.state.probe()
    assert store.health() is None
    store.close()


def test_dying_in_the_middle_of_a_probe_leaves_a_state_that_opens(tmp_path):
    env, state = open_state(tmp_path)
    state.apply(put(1, b"k", b"v"))
    state.problem, state._refused_bytes = "disk full", 5000
    write, writes = env.write, []

    def die_after_the_first(work):
        writes.append(write(work))
        raise StoreError("died")

    env.write = die_after_the_first
    with pytest.raises(StoreError, match="died"):
        state.probe()
    assert writes == [True]
    env.close()
    env, state = open_state(tmp_path)
    assert dict(state.load(1)) == {b"k": b"v"}
    env.close()


def test_a_server_stopped_on_a_full_disk_starts_again_with_every_row(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"b" * 600_000)
    store = LmdbStore(str(small_disk / "data"), Config(journal_max_bytes=8 << 20), start=False)
    kept = _apply_until_full(store.state)
    store.close()
    ballast.unlink()
    store = LmdbStore(str(small_disk / "data"), Config(journal_max_bytes=8 << 20), start=False)
    assert _rows(store) == kept
    store.close()


LIMITED = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from store_kit import Config
from lwm2m_fast.errors import StoreError
from lwm2m_fast.store.changes import put
from lwm2m_fast.store.lmdb import LmdbStore

store = LmdbStore(sys.argv[1], Config(journal_max_bytes=8 << 20), start=False)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
applied = 0
try:
    while True:
        store.state.apply(put(1, b"k%d" % applied, b"v" * 20_000))
        applied += 1
except StoreError:
    pass
assert store.health() is not None
assert len(dict(store.state.load(1))) == applied > 2, applied
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
store.state.apply(put(1, b"again", b"1"))
assert store.health() is None
store.state.fold()
store.close()
store = LmdbStore(sys.argv[1], Config(), start=False)
assert len(dict(store.state.load(1))) == applied + 1
store.close()
print("as promised")
"""


def test_a_file_size_limit_is_met_like_a_full_disk(tmp_path):
    if resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY:
        pytest.skip("the file size of this process is limited already")
    child = start_child(LIMITED, tmp_path / "data", os.path.dirname(__file__))
    output, _ = child.communicate(timeout=60)
    assert (output, child.returncode) == ("as promised\n", 0)


def test_a_disk_that_became_read_only_refuses_and_says_so(small_disk):
    store = LmdbStore(str(small_disk / "data"), Config(), start=False)
    store.state.apply(put(1, b"k", b"v"))
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match=r"data.*Read-only file system"):
        LmdbStore(str(small_disk / "data"), Config(), start=False)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    store = LmdbStore(str(small_disk / "data"), Config(), start=False)
    assert _rows(store) == {b"k": b"v"}
    store.close()


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"file/data cannot be created: Not a directory"):
        LmdbStore(str(tmp_path / "file" / "data"), Config())
