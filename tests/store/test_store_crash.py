"""Processes: killed while applying, and reading while another one writes."""

import random
import signal

import pytest
from store_kit import Config, changes_of, start_child

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store import open_store
from lwm2m_fast.store.lmdb import LmdbStore, StateReader

APPLYING = """
import sys
sys.path.insert(0, sys.argv[2])
from store_kit import Config, changes_of
from lwm2m_fast.store import open_store

config = Config(checkpoint_interval_s=0.005, sync_interval_s=0.01, durability=sys.argv[3],
                journal_max_bytes=20_000)
store = open_store("lmdb", sys.argv[1], config)
number = int(sys.argv[4])
print("ready", flush=True)
while True:
    number += 1
    value = b"%d" % number
    store.state.apply(changes_of(
        (1, b"all", value), (2, b"%d" % (number % 50), value), (3, b"%d" % (number - 1), None),
        (3, value, value + b"." * (number % 700)),
    ))
    print(number, flush=True)
"""


@pytest.mark.parametrize("durability", ["commit", "sync"])
def test_kill_9_at_any_moment_loses_nothing_that_was_applied(tmp_path, durability):
    rng = random.Random(7)
    last = 0
    for _ in range(8):
        child = start_child(APPLYING, tmp_path, __file__.rpartition("/")[0], durability, last)
        assert child.stdout.readline() == "ready\n"
        for _ in range(rng.randrange(1, 400)):
            last = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        last = int([last, *child.stdout.read().split()][-1])
        child.wait()
        child.stdin.close()
        child.stdout.close()
        last = _check(tmp_path, durability, at_least=last)


def _check(path, durability, at_least):
    """Every group is there whole, up to the last one told or the one after it."""
    store = open_store("lmdb", str(path), Config(durability=durability))
    try:
        last = int(store.state.get(1, b"all"))
        assert last in (at_least, at_least + 1)
        newest = {b"%d" % (number % 50): number for number in range(1, last + 1)}
        assert dict(store.state.load(2)) == {key: b"%d" % n for key, n in newest.items()}
        assert list(store.state.load(3)) == [(b"%d" % last, b"%d" % last + b"." * (last % 700))]
        return last
    finally:
        store.close()


READING = """
import sys
from lwm2m_fast.store.lmdb import StateReader

reader = StateReader(sys.argv[1])
for line in sys.stdin:
    value = reader.get(1, line.strip().encode())
    print(None if value is None else value.decode(), flush=True)
"""


def test_another_process_reads_what_was_folded_while_this_one_writes(tmp_path):
    store = LmdbStore(str(tmp_path), Config(journal_max_bytes=8 << 20), start=False)
    store.state.apply(changes_of((1, b"a", b"1"), (1, b"gone", b"1")))
    store.state.fold()
    child = start_child(READING, tmp_path)

    def ask(key):
        child.stdin.write(key + "\n")
        child.stdin.flush()
        return child.stdout.readline().strip()

    assert (ask("a"), ask("gone"), ask("never")) == ("1", "1", "None")
    store.state.apply(changes_of((1, b"a", b"2"), (1, b"gone", None)))
    assert ask("a") == "1"
    store.state.fold()
    assert (ask("a"), ask("gone")) == ("2", "None")
    store._state_env._resize(store._state_env._map_bytes * 2)
    for number in range(300):
        store.state.apply(changes_of(*((1, b"k%d" % n, b"%d" % number * 99) for n in range(50))))
        store.state.fold()
        assert ask("k7") == str(number) * 99
    child.stdin.close()
    assert child.wait(timeout=20) == 0
    child.stdout.close()
    store.close()


def test_a_reader_knows_no_row_of_a_table_that_was_never_written(tmp_path):
    LmdbStore(str(tmp_path), Config(), start=False).close()
    reader = StateReader(str(tmp_path))
    assert reader.get(9, b"k") is None
    reader.close()


def test_a_reader_of_a_directory_without_state_is_refused_by_name(tmp_path):
    with pytest.raises(StoreError, match=rf"{tmp_path}/state\.lmdb cannot be opened"):
        StateReader(str(tmp_path))
