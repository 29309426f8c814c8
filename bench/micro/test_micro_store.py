"""A turn of 64 rows into the journal, and a lookup."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lwm2m_fast.config import StoreConfig
from lwm2m_fast.store import Store, open_store
from lwm2m_fast.store.changes import put

ROWS, ROW_BYTES = 64, 350


@pytest.fixture(params=["memory", "lmdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(request.param, str(tmp_path), StoreConfig())
    yield opened
    opened.close()


def turn() -> bytes:
    return b"".join(put(1, b"dev%07d" % n, bytes(ROW_BYTES)) for n in range(ROWS))


def test_apply(benchmark: Any, store: Store) -> None:
    benchmark(store.state.apply, turn())
    assert store.state.get(1, b"dev0000000") == bytes(ROW_BYTES)


def test_get(benchmark: Any, store: Store) -> None:
    store.state.apply(turn())
    assert benchmark(store.state.get, 1, b"dev0000007") == bytes(ROW_BYTES)
