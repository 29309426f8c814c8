"""How a simulated device says no: a CoAP code, and words for whoever debugs."""

from __future__ import annotations

from typing import Final

BAD_REQUEST: Final = 0x80
BAD_OPTION: Final = 0x82
NOT_FOUND: Final = 0x84
NOT_ALLOWED: Final = 0x85
NOT_ACCEPTABLE: Final = 0x86
INCOMPLETE: Final = 0x88
TOO_LARGE: Final = 0x8D
UNSUPPORTED_FORMAT: Final = 0x8F
INTERNAL_ERROR: Final = 0xA0


class Refused(Exception):
    """The request ends with this code, and nothing of it was done."""

    def __init__(self, code: int, why: str = "") -> None:
        """`code` is the CoAP code byte; `why` becomes the diagnostic payload (RFC 7252, 5.5.2)."""
        super().__init__(why)
        self.code, self.why = code, why
