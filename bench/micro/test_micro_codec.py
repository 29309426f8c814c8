"""One payload decoded or encoded: sixteen values of /3/0, and a single one."""

from __future__ import annotations

from typing import Any

import pytest

from bench import bench_codec
from lwm2m_fast.codec import FORMATS, encode

CASES = ["/3/0, 16 values", "one value"]
NUMBERS = {**bench_codec.NUMBERS, **bench_codec.OTHERS}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NUMBERS)
def test_decode(benchmark: Any, case: str, name: str) -> None:
    base, nodes, _ = bench_codec.CASES[case]
    payload, row = encode(NUMBERS[name], nodes, base), FORMATS[NUMBERS[name]]
    assert len(benchmark(row.decode, payload, base, bench_codec.TYPES)) == len(nodes)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NUMBERS)
def test_encode(benchmark: Any, case: str, name: str) -> None:
    base, nodes, _ = bench_codec.CASES[case]
    assert benchmark(FORMATS[NUMBERS[name]].encode, nodes, base)
