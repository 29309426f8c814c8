"""A data directory between two servers: held, closed, killed, cut off, damaged."""

import logging
import os
import stat

import pytest
from store_kit import Config

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store import fold, recovery
from lwm2m_fast.store.changes import put
from lwm2m_fast.store.lmdb import LmdbStore


def open_lmdb(path):
    return LmdbStore(str(path), Config(), start=False)


def fill(path):
    store = open_lmdb(path)
    for number in range(200):
        store.state.apply(put(1, b"k%d" % number, b"v" * 300))
    store.state.fold()
    store.state.apply(put(1, b"unfolded", b"v"))
    store.fleet.put("device", [(b"a", b"b")])
    return store


def kill(store):
    """What kill -9 leaves: nothing folded, nothing synced, the marker there."""
    store._state_env.close()
    store._fleet_env.close()
    store._lock.close()


def damage(path):
    with open(path / "state.lmdb" / "data.mdb", "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for page in range(2, size // 4096):
            file.seek(page * 4096 + 10)
            file.write(b"\xff" * 100)


def test_a_second_server_on_the_directory_is_refused_by_name(tmp_path):
    store = open_lmdb(tmp_path / "data")
    with pytest.raises(
        StoreError, match=rf"{tmp_path}/data is in use by another server \(process {os.getpid()}\)"
    ):
        open_lmdb(tmp_path / "data")
    store.close()
    open_lmdb(tmp_path / "data").close()


def test_a_start_that_failed_does_not_hold_the_directory(tmp_path):
    (tmp_path / "state.mark").mkdir()
    with pytest.raises(StoreError, match=r"state\.mark cannot be written: Is a directory"):
        open_lmdb(tmp_path)
    (tmp_path / "state.mark").rmdir()
    open_lmdb(tmp_path).close()


def test_only_the_owner_can_enter_and_read(tmp_path):
    store = open_lmdb(tmp_path / "data")
    modes = {}
    for folder, _, files in os.walk(tmp_path / "data"):
        modes[folder] = stat.S_IMODE(os.stat(folder).st_mode)
        assert {stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) for name in files} == {
            0o600
        }
    assert set(modes.values()) == {0o700}
    assert len(modes) == 3
    store.close()


def test_a_closed_state_is_not_checked_whatever_the_boot(tmp_path, monkeypatch):
    fill(tmp_path).close()
    monkeypatch.setattr(recovery, "boot_id", lambda: "another boot")
    assert not recovery.was_cut_off(str(tmp_path))


def test_a_killed_state_is_taken_up_under_the_same_boot_without_a_check(tmp_path, monkeypatch):
    kill(fill(tmp_path))
    monkeypatch.setattr(recovery, "damage", lambda path: pytest.fail("checked"))
    store = open_lmdb(tmp_path)
    assert len(dict(store.state.load(1))) == 201
    store.close()


def test_a_state_cut_off_by_another_boot_is_checked_and_kept_when_sound(tmp_path, monkeypatch):
    kill(fill(tmp_path))
    checked = []
    check = recovery.damage
    monkeypatch.setattr(recovery, "damage", lambda path: checked.append(path) or check(path))
    monkeypatch.setattr(recovery, "boot_id", lambda: "another boot")
    store = open_lmdb(tmp_path)
    assert checked == [str(tmp_path / "state.lmdb")]
    assert len(dict(store.state.load(1))) == 201
    assert store.counters()["store_state_discarded"] == 0
    store.close()


@pytest.mark.parametrize("marked", ["", "open another boot", "\xff"])
def test_a_damaged_state_is_set_aside_with_one_line_and_the_fleet_kept(tmp_path, marked, caplog):
    kill(fill(tmp_path))
    damage(tmp_path)
    (tmp_path / "state.mark").write_text(marked, encoding="latin-1")
    with caplog.at_level(logging.WARNING):
        store = open_lmdb(tmp_path)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "all devices must register anew" in caplog.text
    assert store.counters()["store_state_discarded"] == 1
    assert list(store.state.load(1)) == []
    assert store.fleet.get("device", b"a") == b"b"
    assert (tmp_path / "state.lmdb.damaged" / "data.mdb").exists()
    store.state.apply(put(1, b"k", b"v"))
    store.close()
    store = open_lmdb(tmp_path)
    assert dict(store.state.load(1)) == {b"k": b"v"}
    store.close()


def test_only_the_latest_damaged_state_is_kept(tmp_path):
    for _ in range(2):
        kill(fill(tmp_path))
        damage(tmp_path)
        (tmp_path / "state.mark").write_text("open another boot")
        store = open_lmdb(tmp_path)
        assert store.counters()["store_state_discarded"] == 1
        store.close()
    assert sorted(os.listdir(tmp_path)) == [
        "fleet.lmdb", "lock", "state.lmdb", "state.lmdb.damaged", "state.mark",
    ]  # fmt: skip


def test_a_state_cut_short_is_found_damaged(tmp_path):
    kill(fill(tmp_path))
    path = tmp_path / "state.lmdb" / "data.mdb"
    assert recovery.damage(str(path.parent)) is None
    os.truncate(path, os.path.getsize(path) // 2)
    assert recovery.damage(str(path.parent)) is not None


def test_a_state_that_cannot_be_opened_is_set_aside_under_the_same_boot_too(tmp_path):
    kill(fill(tmp_path))
    (tmp_path / "state.lmdb" / "data.mdb").write_bytes(b"not a database" * 1000)
    store = open_lmdb(tmp_path)
    assert store.counters()["store_state_discarded"] == 1
    store.close()


def test_a_journal_entry_that_is_not_changes_is_damage(tmp_path):
    store = fill(tmp_path)
    store._state_env.write(
        lambda txn: txn.put(
            fold.SEQUENCE.pack(999), b"garbage", db=store._state_env.table(fold.JOURNAL)
        )
    )
    kill(store)
    store = open_lmdb(tmp_path)
    assert store.counters()["store_state_discarded"] == 1
    assert list(store.state.load(1)) == []
    store.close()


def test_a_damaged_fleet_stops_the_start_and_is_left_alone(tmp_path):
    fill(tmp_path).close()
    path = tmp_path / "fleet.lmdb" / "data.mdb"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match=r"fleet\.lmdb cannot be opened"):
        open_lmdb(tmp_path)
    assert path.read_bytes() == b"not a database" * 1000


def test_a_machine_that_does_not_say_its_boot_is_taken_to_have_been_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(recovery, "BOOT_ID", str(tmp_path / "missing"))
    kill(fill(tmp_path / "data"))
    assert recovery.was_cut_off(str(tmp_path / "data"))
