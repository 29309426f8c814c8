# Invariant (fuzz_codec_table): refused with a PayloadError inside the payload, or the same values
# after being written and read again. And what the short way reads, the long way reads the same.
"""Any bytes as CBOR values."""

from __future__ import annotations

from lwm2m_fast.codec.cbor import decode_any
from lwm2m_fast.codec.cbor_value import decode_plain
from tests.fuzz.fuzz_codec_table import BASES, CBOR_WORDS, TYPES, check_format, seeds

SEEDS = seeds(60)
WORDS = CBOR_WORDS


def check(data: bytes) -> None:
    check_format(60, data)
    for types in TYPES:
        for base in BASES:
            short = decode_plain(data, base, types)
            assert short is None or list(short) == list(decode_any(data, base, types))
    for resource in range(10):
        short = decode_plain(data, f"/3/0/{resource}", TYPES[1])
        if short is not None:
            assert list(short) == list(decode_any(data, f"/3/0/{resource}", TYPES[1]))
