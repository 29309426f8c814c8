"""What the server brings back at its start, over a store on disk."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "scenario"))

from scripted import Chance, World, reachable

from lwm2m_fast.config import StoreConfig
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.server import _load
from lwm2m_fast.store import open_store


def blob(rows: dict[tuple[int, bytes], bytes]) -> bytes:
    """Rows as the changes of one turn."""
    return b"".join(
        bytes([1, table])
        + len(key).to_bytes(2, "big")
        + len(value).to_bytes(4, "big")
        + key
        + value
        for (table, key), value in rows.items()
    )


def test_every_table_is_loaded_from_the_disk(tmp_path: Path) -> None:
    world, device = reachable()
    for path in ("3/0", "3303/0/5700"):
        device.observed(path)
    device.notify(device.observed("1").token, 2)
    world.after(61)
    assert {table for table, _ in world.rows} == {1, 2, 3}
    store = open_store("lmdb", str(tmp_path), StoreConfig())
    store.state.apply(blob(world.rows))
    store.close()
    store = open_store("lmdb", str(tmp_path), StoreConfig())
    engine = Engine(World().config, (7, 8), Chance(), 500.0, world.now + world.wall)
    try:
        assert _load(engine, store) == (1, 0)
    finally:
        store.close()
    before = [
        {**shown, "notified": 0, "last_at": None} for shown in world.engine.observations("dev-1")
    ]
    assert engine.observations("dev-1") == before
    assert len(before) == 3
