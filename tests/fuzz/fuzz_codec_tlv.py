# Invariant (fuzz_codec_table): refused with a PayloadError inside the payload, or the same values
# after being written and read again.
"""Any bytes as TLV."""

from __future__ import annotations

from tests.fuzz.fuzz_codec_table import check_format, seeds

SEEDS = seeds(11542)


def check(data: bytes) -> None:
    check_format(11542, data)
