# Invariant (fuzz_codec_table): refused with a PayloadError inside the payload, or the same values
# after being written and read again.
"""Any bytes as octet-stream."""

from __future__ import annotations

from tests.fuzz.fuzz_codec_table import check_format, seeds

SEEDS = seeds(42)


def check(data: bytes) -> None:
    check_format(42, data)
