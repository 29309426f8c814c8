# Invariant: check() and rows() refuse the same blobs, for the same reason, and what they accept is,
# put together again row by row, the same blob; an Overlay that takes it in holds the last value of
# each row, gives every row once, and is left as it was by a blob that is refused.
"""Any bytes as a blob of changes for the store."""

from __future__ import annotations

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store import changes
from lwm2m_fast.store.overlay import Overlay

SEEDS = (
    changes.put(1, b"device", b"value")
    + changes.delete(1, b"device")
    + changes.put(255, b"k", b""),
    changes.put(2, b"\0\0\0\1", bytes(8)) * 3,
    changes.put(1, b"k" * changes.MAX_KEY_BYTES, b"v" * 700),
)
WORDS = (
    b"\x01\x01\0\1\0\0\0\1", b"\x02\x01\0\1\0\0\0\0", b"\0\0\0\0", b"\x01\xff", b"\x02\0",
    b"\0\x10\0\0", b"\0\x10\0\1", b"\x02\0",
)  # fmt: skip


ABSENT = "absent"


def check_refused(data: bytes, why: str) -> None:
    overlay = Overlay()
    for look in (changes.rows, overlay.add):
        try:
            look(data)
        except StoreError as error:
            assert str(error) == why
        else:
            raise AssertionError(f"{look} takes what check() refuses: {why}")
    assert overlay.count == overlay.size_bytes == 0


def check_overlay(data: bytes, last: dict[tuple[int, bytes], bytes | None]) -> None:
    overlay = Overlay()
    overlay.add(data)
    assert (overlay.count, overlay.size_bytes) == (len(last), len(data))
    for (table, key), value in last.items():
        assert overlay.find(table, key, ABSENT) == value
        assert overlay.find(table, key + b"?", ABSENT) == last.get((table, key + b"?"), ABSENT)
    overlay.sort()
    at, taken = 0, {}
    while at < overlay.count:
        table, puts, deletes, at = overlay.take(at, 3)
        assert dict(puts).items() <= dict(overlay.rows(table)).items()
        taken.update({(table, key): value for key, value in puts})
        taken.update({(table, key): None for key in deletes})
    assert taken == last


def check(data: bytes) -> None:
    try:
        count = changes.check(data)
    except StoreError as error:
        check_refused(data, str(error))
        return
    rows = changes.rows(data)
    assert len(rows) == count
    again = [
        changes.delete(table, key) if value is None else changes.put(table, key, value)
        for table, key, value in rows
    ]
    assert b"".join(again) == data
    check_overlay(data, {(table, key): value for table, key, value in rows})
