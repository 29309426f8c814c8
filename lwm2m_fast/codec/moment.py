"""Dates as text (RFC 3339), for CBOR's tag 0 (RFC 8949, section 3.4.1)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

TEXT: Final = re.compile(
    rb"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.0{1,32})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def text_to_seconds(text: bytes) -> int:
    """Whole seconds since 1970; ValueError when the text is no such moment."""
    if not TEXT.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a date and time in whole seconds (RFC 3339)")
    plain = re.sub(rb"\.0+", b"", text).decode().upper()
    try:
        return int(datetime.fromisoformat(plain).timestamp())
    except ValueError as error:
        raise ValueError(f"{text[:40]!r}: {error}") from None
