"""An operation: one order to one device on its way, and the rows in which it is kept.

Bytes and values only. Knows no queue (core/pending.py), no store, and not what an order means.

    key    u8 size of the endpoint name · endpoint (UTF-8) · u64 number
    value  u8 state and marks · u64 valid_until in ms, 0 for none · JSON of all else

Integers are big-endian. The number is the id in PENDING, so that a device's oldest operation comes
first, and its complement in HISTORY, so that its newest does. What a start must know of a million
operations stands before the JSON, which then need not be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from lwm2m_fast.errors import FormatError

PENDING_ROWS = "pending"
"""Fleet namespace of operations that have not ended, oldest first per device."""

HISTORY_ROWS = "operations"
"""Fleet namespace of operations that have ended, newest first per device."""

PENDING, EXECUTING, SUCCESSFUL, FAILED = "PENDING", "EXECUTING", "SUCCESSFUL", "FAILED"
STATES = (PENDING, EXECUTING, SUCCESSFUL, FAILED)
ENDED = frozenset({SUCCESSFUL, FAILED})

MAX_ID = (1 << 63) - 1
MAX_NAME_BYTES = 255
_COMPLEMENT = (1 << 64) - 1

STATE_BITS = 3
MARK_TRIED = 16
"""Was sent at least once: after a restart it waits for the device's next contact."""
MARK_POST_REGISTRATION = 32
"""Came from the post-registration list."""
HEAD_BYTES = 9

POST_REGISTRATION = "post-registration"
"""The origin of what the post-registration list asks for."""


@dataclass(slots=True)
class Operation:
    """One order to one device. Moments are unix seconds."""

    id: int
    endpoint: str
    order: dict[str, Any]
    """As core/orders.py: order_json() gives it."""
    created_at: float
    state: str = PENDING
    updated_at: float = 0.0
    started_at: float | None = None
    attempts: int = 0
    valid_until: float | None = None
    timeout_s: float | None = None
    origin: str = "api"
    result: dict[str, Any] | None = field(default=None)
    reason: str | None = None
    """Why it is pending again, or failed without an answer of the device."""

    batch: int | None = None
    """The batch it was submitted with."""

    tenant: str | None = None
    """Whose the device was when it was asked; None: of who runs the server."""

    @property
    def is_listed(self) -> bool:
        """Whether it came from the post-registration list."""
        return self.origin == POST_REGISTRATION

    def as_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "endpoint": self.endpoint,
            "order": self.order,
            "state": self.state,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "attempts": self.attempts,
            "valid_until": self.valid_until,
            "timeout_s": self.timeout_s,
            "origin": self.origin,
            "result": self.result,
            "reason": self.reason,
        }

    def as_row(self) -> bytes:
        """The value of its row."""
        head = STATES.index(self.state)
        if self.attempts:
            head |= MARK_TRIED
        if self.is_listed:
            head |= MARK_POST_REGISTRATION
        until = 0 if self.valid_until is None else max(1, round(self.valid_until * 1000))
        body = {
            "order": self.order,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "started_at": self.started_at,
            "attempts": self.attempts,
            "timeout_s": self.timeout_s,
            "origin": self.origin,
            "result": self.result,
            "reason": self.reason,
            "batch": self.batch,
            "tenant": self.tenant,
        }
        kept = {name: value for name, value in body.items() if value is not None}
        return bytes([head]) + until.to_bytes(8, "big") + orjson.dumps(kept)

    @classmethod
    def from_row(cls, endpoint: str, operation_id: int, value: bytes) -> Operation:
        """FormatError when it is not a row of ours."""
        head = read_head(value)
        try:
            body = orjson.loads(value[HEAD_BYTES:])
            until = head.valid_until_ms
            return cls(
                operation_id,
                endpoint,
                body.pop("order"),
                body.pop("created_at"),
                head.state,
                valid_until=until / 1000 if until else None,
                **body,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(
                f"the stored operation {operation_id} of {endpoint!r} cannot be read: {error}"
            ) from None


class Head(NamedTuple):
    """What a row says before its JSON."""

    state: str
    is_tried: bool
    is_post_registration: bool
    valid_until_ms: int


def read_head(value: bytes) -> Head:
    """FormatError when the row is too short."""
    if len(value) < HEAD_BYTES:
        raise FormatError(f"a stored operation has {len(value)} bytes, at least {HEAD_BYTES}")
    return Head(
        STATES[value[0] & STATE_BITS],
        bool(value[0] & MARK_TRIED),
        bool(value[0] & MARK_POST_REGISTRATION),
        int.from_bytes(value[1:HEAD_BYTES], "big"),
    )


def device_key(endpoint: str) -> bytes:
    """What the keys of all rows of a device begin with, and of no other one's.

    FormatError unless the name has 1 to 255 bytes of UTF-8.
    """
    try:
        name = endpoint.encode()
    except UnicodeEncodeError:
        raise FormatError(f"endpoint name {endpoint!r} is not Unicode") from None
    if not 1 <= len(name) <= MAX_NAME_BYTES:
        raise FormatError(
            f"endpoint name {endpoint!r} has {len(name)} bytes, allowed are 1 to {MAX_NAME_BYTES}"
        )
    return bytes([len(name)]) + name


def pending_key(endpoint: str, operation_id: int) -> bytes:
    """Its key in PENDING_ROWS."""
    return device_key(endpoint) + operation_id.to_bytes(8, "big")


def history_key(endpoint: str, operation_id: int) -> bytes:
    """Its key in HISTORY_ROWS."""
    return device_key(endpoint) + (_COMPLEMENT - operation_id).to_bytes(8, "big")


def read_key(key: bytes, *, is_history: bool) -> tuple[str, int]:
    """(endpoint, id) of a key; FormatError when it is none of ours."""
    if len(key) < 10 or len(key) != key[0] + 9:
        raise FormatError(f"{key!r} is not the key of an operation")
    number = int.from_bytes(key[-8:], "big")
    operation_id = _COMPLEMENT - number if is_history else number
    try:
        return key[1:-8].decode(), operation_id
    except UnicodeDecodeError:
        raise FormatError(f"{key!r} is not the key of an operation") from None
