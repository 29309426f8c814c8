"""An engine with small bounds, a made-up clock and repeatable chance, for the targets of core/."""

from __future__ import annotations

from random import Random
from typing import Any

from lwm2m_fast.config import Config
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.store.changes import rows

START_S, WALL_S = 1000.0, 1_700_000_000.0
MAX_DEVICES, MAX_BLOCK_TRANSFERS, MAX_EXCHANGES = 8, 3, 5
MAX_LINK_BYTES = 65536
MAX_OBSERVATIONS, MAX_OBSERVATIONS_PER_DEVICE = 6, 3

CONFIG = Config(
    registration={"policy": "open", "max_devices": MAX_DEVICES, "max_link_bytes": MAX_LINK_BYTES},
    coap={
        "max_block_transfers": MAX_BLOCK_TRANSFERS,
        "max_body_bytes": 1024,
        "max_exchanges": MAX_EXCHANGES,
        "max_waiting_per_device": 3,
        "block_size": 64,
    },
    reporting={
        "max_observations": MAX_OBSERVATIONS,
        "max_observations_per_device": MAX_OBSERVATIONS_PER_DEVICE,
    },
)  # type: ignore[arg-type]

Rows = dict[tuple[int, bytes], bytes]


def new_engine(random: Random | None = None, now: float = START_S, wall: float = WALL_S) -> Engine:
    engine = Engine(CONFIG, (11, 13), (random or Random(7)).randbytes, now, wall)
    engine.tells = engine.wants_reports = engine.hears_registers = True
    return engine


def apply(stored: Rows, changes: bytes) -> None:
    """What a store does with a turn's changes."""
    for table, key, value in rows(changes):
        if value is None:
            stored.pop((table, key), None)
        else:
            stored[table, key] = value


def load(engine: Engine, stored: Rows, now: float) -> int:
    """Bring rows into a new engine as the server does; how many it took."""
    engine.begin_load()
    taken = sum(
        engine.load(table, key, value, now)
        for wanted in (1, 2, 3)
        for (table, key), value in stored.items()
        if table == wanted
    )
    engine.finish_load()
    return taken


def devices(engine: Engine) -> dict[str, dict[str, Any]]:
    """Every registration by endpoint name, read page by page."""
    found: dict[str, dict[str, Any]] = {}
    cursor: int | None = 0
    while cursor is not None:
        page, cursor = engine.devices(cursor, 3)
        found.update({device["endpoint"]: device for device in page})
    return found
