"""Sessions between two runs: each is used once, whatever the store does."""

from __future__ import annotations

import secrets

import pytest

from lwm2m_fast import saved_sessions
from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.saved_sessions import TABLE, Restored, restore, save
from lwm2m_fast.store.changes import put
from lwm2m_fast.store.memory import MemoryState

VAULT = Vault({1: bytes(32)}, secrets.token_bytes)


class Sessions:
    """In place of net/dtls: has some to save, notes what the store has when it is given any."""

    def __init__(self, *rows):
        self.rows, self.loaded, self.store_then = list(rows), [], []
        self.state = None

    def save(self):
        yield from self.rows

    def load(self, rows):
        if self.state is not None:
            self.store_then.append((dict(self.state.load(TABLE)), self.state.synced))
        rows = list(rows)
        self.loaded += rows
        return len(rows)


class State(MemoryState):
    """A store that counts its syncs, and may refuse."""

    synced = 0
    refuses = False

    def apply(self, changes):
        if self.refuses:
            raise StoreError("the disk is full")
        super().apply(changes)

    def sync(self):
        if self.refuses == "sync":
            raise StoreError("the disk is gone")
        self.synced += 1


def session(number, size=300):
    return number.to_bytes(16, "big"), bytes([number & 255]) * size


def saved(*rows):
    state = State()
    save(Sessions(*rows), state, VAULT)
    return state


def test_what_was_saved_is_loaded_once_and_never_again():
    rows = [session(n, n) for n in range(1000)]
    state = saved(*rows)
    first, second = Sessions(), Sessions()
    assert restore(first, state, VAULT) == Restored(1000, 0)
    assert first.loaded == rows
    assert restore(second, state, VAULT) == Restored(0, 0)
    assert second.loaded == []


def test_the_disk_has_forgotten_them_before_the_first_is_used(monkeypatch):
    monkeypatch.setattr(saved_sessions, "ROW_BYTES", 1000)
    monkeypatch.setattr(saved_sessions, "GROUP_BYTES", 3000)
    state = saved(*(session(n) for n in range(20)))
    keys = set(dict(state.load(TABLE)))
    sessions = Sessions()
    sessions.state, before = state, state.synced
    assert restore(sessions, state, VAULT) == Restored(20, 0)
    assert len(sessions.store_then) > 1
    for turn, (left, synced) in enumerate(sessions.store_then, 1):
        assert synced == before + turn
        assert set(left) < keys
        keys = set(left)
    assert keys == set()


@pytest.mark.parametrize("how", [True, "sync"])
def test_what_cannot_be_deleted_is_not_used(how):
    state = saved(session(1))
    state.refuses = how
    sessions = Sessions()
    if how == "sync":  # the deletion may be on the disk or not: it does not matter
        state.apply = lambda changes: None
    assert restore(sessions, state, VAULT) == Restored(0, 0)
    assert sessions.loaded == []


def test_rows_hold_nothing_in_clear_and_are_bounded():
    rows = [session(n) for n in range(2000)]
    state = saved(*rows)
    stored = dict(state.load(TABLE))
    assert 5 < len(stored) < 50
    assert all(len(value) < 64 << 10 for value in stored.values())
    assert not any(bytes([7]) * 20 in value for value in stored.values())


def test_a_damaged_or_exchanged_row_is_passed_over(monkeypatch):
    monkeypatch.setattr(saved_sessions, "ROW_BYTES", 1)
    state = saved(*(session(n) for n in range(4)))
    stored = dict(state.load(TABLE))
    keys = sorted(stored)
    state.apply(put(TABLE, keys[0], stored[keys[1]]))  # of another place
    state.apply(put(TABLE, keys[1], stored[keys[1]][:-1] + b"\0"))
    state.apply(put(TABLE, keys[2], VAULT.seal(b"x" * 10, saved_sessions.ABOUT + keys[2])))
    sessions = Sessions()
    assert restore(sessions, state, VAULT) == Restored(1, 3)
    assert sessions.loaded == [session(3)]


def test_without_sessions_nothing_is_written():
    state = saved()
    assert dict(state.load(TABLE)) == {} and state.synced == 0
    assert restore(Sessions(), state, VAULT) == Restored(0, 0)


def test_a_store_that_refuses_says_so():
    state = State()
    state.refuses = True
    with pytest.raises(StoreError):
        save(Sessions(session(1)), state, VAULT)
