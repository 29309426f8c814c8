"""Requests that come in blocks (RFC 7959, Block1), put together; a firmware image is only counted.

Parsed messages in, whole payloads out. Knows no path's meaning, except that what goes to
/5/0/0 is not kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

from lwm2m_fast.sim.refused import BAD_REQUEST, INCOMPLETE, TOO_LARGE, Refused

MOST_BODIES: Final = 1024
"""Bodies under way at the same time, over all devices; the oldest makes room."""
MOST_BODY_BYTES: Final = 1 << 20
"""A longer one is refused (4.13); an image, which is not kept, may have any length."""

PACKAGE: Final = [b"5", b"0", b"0"]


@dataclass
class Body:
    """A payload, or what is there of it."""

    content_format: int | None
    is_image: bool
    size: int = 0
    data: bytearray = field(default_factory=bytearray)
    digest: Any = field(default_factory=hashlib.sha256)

    def append(self, part: bytes) -> None:
        """Refused (4.13) past MOST_BODY_BYTES."""
        self.size += len(part)
        if self.is_image:
            self.digest.update(part)
        elif self.size > MOST_BODY_BYTES:
            raise Refused(TOO_LARGE)
        else:
            self.data += part


@dataclass(frozen=True)
class Taken:
    """What became of one request's payload: `body` is None while more is to come; `block1` is what
    the answer echoes, as an option value."""

    body: Body | None
    block1: int | None


class Bodies:
    """The bodies of a fleet. `szx` is the largest block the devices take, 0 to 6."""

    def __init__(self, szx: int) -> None:
        self._szx = szx
        self._under_way: dict[tuple[int, int, tuple[bytes, ...]], Body] = {}

    def take(self, device: int, m: dict[str, Any]) -> Taken:
        """The payload of a parsed request; Refused for a block that does not fit."""
        is_image = m["path"] == PACKAGE
        if "block1" not in m:
            whole = Body(m.get("content_format"), is_image)
            whole.append(m["payload"])
            return Taken(whole, None)
        number, more, szx = m["block1"]
        key = (device, m["code"], tuple(m["path"]))
        if szx > 6 or (more and len(m["payload"]) != 16 << szx):
            raise Refused(BAD_REQUEST, "block size")
        body = self._begun(key, m, is_image) if number == 0 else self._under_way.get(key)
        if body is None or body.size != number << (szx + 4):
            self._under_way.pop(key, None)
            raise Refused(INCOMPLETE)
        if body.content_format != m.get("content_format"):
            raise Refused(INCOMPLETE)
        try:
            body.append(m["payload"])
        except Refused:
            del self._under_way[key]
            raise
        # The first answer may ask for smaller blocks (section 2.3).
        block1 = number << 4 | (8 if more else 0) | min(szx, self._szx)
        if more:
            return Taken(None, block1)
        return Taken(self._under_way.pop(key), block1)

    def _begun(
        self, key: tuple[int, int, tuple[bytes, ...]], m: dict[str, Any], is_image: bool
    ) -> Body:
        self._under_way.pop(key, None)
        if len(self._under_way) >= MOST_BODIES:
            del self._under_way[next(iter(self._under_way))]
        body = self._under_way[key] = Body(m.get("content_format"), is_image)
        return body

    def forget(self, device: int) -> None:
        """What this device has begun."""
        for key in [each for each in self._under_way if each[0] == device]:
            del self._under_way[key]
