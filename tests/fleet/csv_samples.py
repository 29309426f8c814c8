"""CSV files of devices of an exact size."""

from __future__ import annotations

HEADER = b"endpoint id;securityMode;bootstrapSecurityMode;lwm2m server uri;c8y_x\n"
CELL = 16_000


def csv_of(size: int) -> bytes:
    """A file of one device and `size` bytes in all: a long cell after another, in bad rows."""
    made = HEADER + b"a;NO_SEC;NO_SEC;coap://h;\n"
    rows, left = divmod(size - len(made), CELL)
    filler = b"x" * (CELL - 1) + b"\n"
    return made + filler * rows + (b"x" * (left - 1) + b"\n" if left else b"")
