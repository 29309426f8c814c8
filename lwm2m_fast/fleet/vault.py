"""The vault: rows that may lie on a disk because nobody can read or change them there.

AES-256-GCM (NIST SP 800-38D) with a random nonce per row. A sealed row is

    u16 number of the key (big-endian) · 12 bytes nonce · ciphertext and 16 bytes tag

so that rows of an older key stay readable while new ones are sealed with the newest. Each row is
sealed `about` something, its place in the store: a row that is copied to another place does not
open there. Knows no file, no store and no source of randomness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lwm2m_fast.errors import StoreError

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
NUMBER_BYTES = 2
OVERHEAD = NUMBER_BYTES + NONCE_BYTES + TAG_BYTES
"""Bytes that a sealed row has beyond what is in it."""

MAX_NUMBER = 0xFFFF


class Vault:
    """Seals with the key of the highest number, opens with all of them.

    `keys`: number (1 to 65,535) to 32 bytes. `random` gives that many random bytes. Safe to use
    from several threads. With random nonces a key should seal no more than 2**32 rows (SP 800-38D,
    section 8.3), which a fleet of a million devices stays far below.
    """

    def __init__(self, keys: Mapping[int, bytes], random: Callable[[int], bytes]) -> None:
        if not keys:
            raise ValueError("a vault has at least one key")
        for number, key in keys.items():
            if not 1 <= number <= MAX_NUMBER:
                raise ValueError(f"a key has a number from 1 to {MAX_NUMBER}, not {number}")
            if len(key) != KEY_BYTES:
                raise ValueError(f"key {number} has {len(key)} bytes, not {KEY_BYTES}")
        self._ciphers = {
            number.to_bytes(NUMBER_BYTES, "big"): AESGCM(key) for number, key in keys.items()
        }
        self._random = random
        self.newest = max(keys)
        """Number of the key that seals; is_newest() tells which rows wait to be sealed anew."""
        self._prefix = self.newest.to_bytes(NUMBER_BYTES, "big")
        self._sealing = self._ciphers[self._prefix]

    def seal(self, plain: bytes, about: bytes) -> bytes:
        """`plain` as a row of OVERHEAD bytes more, which opens only with the same `about`."""
        nonce = self._random(NONCE_BYTES)
        return self._prefix + nonce + self._sealing.encrypt(nonce, plain, about)

    def unseal(self, row: bytes, about: bytes) -> bytes:
        """What was sealed. StoreError: another key, a changed row, or a row from another place."""
        if len(row) < OVERHEAD:
            raise StoreError(f"a sealed row has at least {OVERHEAD} bytes, not {len(row)}")
        cipher = self._ciphers.get(row[:NUMBER_BYTES])
        if cipher is None:
            number = _number(row)
            raise StoreError(f"a row is sealed with key {number}, which the key file does not have")
        try:
            body = NUMBER_BYTES + NONCE_BYTES
            return cipher.decrypt(row[NUMBER_BYTES:body], row[body:], about)
        except InvalidTag:
            raise StoreError(
                f"a sealed row does not open: it was changed, or key {_number(row)} of the key "
                "file is another one than it was sealed with"
            ) from None

    def is_newest(self, row: bytes) -> bool:
        """Whether the newest key has sealed this row."""
        return row[:NUMBER_BYTES] == self._prefix


def _number(row: bytes) -> int:
    return int.from_bytes(row[:NUMBER_BYTES], "big")
