# Invariant (fuzz_codec_table): refused with a PayloadError inside the payload, or the same values
# after being written and read again.
"""Any bytes as the link format."""

from __future__ import annotations

from tests.fuzz.fuzz_codec_table import check_format, check_links, seeds

SEEDS = seeds(40)


def check(data: bytes) -> None:
    check_format(40, data)
    check_links(data)
