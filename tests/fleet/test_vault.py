"""The vault: what opens, what does not, and which key seals."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.vault import KEY_BYTES, NONCE_BYTES, OVERHEAD, Vault

ONE, TWO = b"1" * KEY_BYTES, b"2" * KEY_BYTES


def counting() -> Callable[[int], bytes]:
    count = iter(range(1, 1000))
    return lambda size: next(count).to_bytes(size, "big")


def test_a_row_opens_at_its_place_only() -> None:
    vault = Vault({1: ONE}, os.urandom)
    row = vault.seal(b"secret", b"here")
    assert len(row) == len(b"secret") + OVERHEAD
    assert b"secret" not in row
    assert vault.unseal(row, b"here") == b"secret"
    with pytest.raises(StoreError, match="does not open"):
        vault.unseal(row, b"there")


def test_a_row_says_its_key_and_has_a_nonce_of_its_own() -> None:
    vault = Vault({0x0102: ONE}, counting())
    first, second = vault.seal(b"x", b""), vault.seal(b"x", b"")
    assert first[:2] == b"\x01\x02"
    assert first[2 : 2 + NONCE_BYTES] == (1).to_bytes(NONCE_BYTES, "big")
    assert second[2 : 2 + NONCE_BYTES] == (2).to_bytes(NONCE_BYTES, "big")
    assert first[14:] != second[14:]


def test_no_changed_bit_goes_unseen() -> None:
    vault = Vault({1: ONE}, os.urandom)
    row = vault.seal(b"se", b"a")
    for at in range(8 * len(row)):
        changed = bytearray(row)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(StoreError):
            vault.unseal(bytes(changed), b"a")


@pytest.mark.parametrize("size", range(OVERHEAD))
def test_what_is_shorter_than_any_row_is_refused(size: int) -> None:
    with pytest.raises(StoreError, match=f"not {size}"):
        Vault({1: ONE}, os.urandom).unseal(bytes(size), b"")


def test_the_newest_key_seals_and_older_ones_open() -> None:
    old = Vault({1: ONE}, os.urandom).seal(b"x", b"a")
    both = Vault({2: TWO, 1: ONE}, os.urandom)
    assert both.unseal(old, b"a") == b"x"
    new = both.seal(b"y", b"a")
    assert (both.is_newest(old), both.is_newest(new)) == (False, True)
    assert Vault({2: TWO}, os.urandom).unseal(new, b"a") == b"y"
    with pytest.raises(StoreError, match="key 1, which the key file does not have"):
        Vault({2: TWO}, os.urandom).unseal(old, b"a")
    with pytest.raises(StoreError, match="another one than"):
        Vault({1: TWO}, os.urandom).unseal(old, b"a")


@pytest.mark.parametrize("keys", [{}, {0: ONE}, {65536: ONE}, {1: ONE[1:]}, {1: ONE + b"x"}])
def test_keys_that_are_none(keys: dict[int, bytes]) -> None:
    with pytest.raises(ValueError):
        Vault(keys, os.urandom)
