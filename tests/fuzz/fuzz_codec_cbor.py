# Invariant (fuzz_codec_table): refused with a PayloadError inside the payload, or the same values
# after being written and read again.
"""Any bytes as CBOR values."""

from __future__ import annotations

from tests.fuzz.fuzz_codec_table import CBOR_WORDS, check_format, seeds

SEEDS = seeds(60)
WORDS = CBOR_WORDS


def check(data: bytes) -> None:
    check_format(60, data)
