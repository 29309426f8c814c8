"""Stores: where state and configuration survive a restart. A back end is one file and one row here.

The contract is in base.py; its conformance suite (tests/store) runs over this table.
"""

from __future__ import annotations

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.store.base import FleetStore, OpenStore, StateStore, Store, StoreConfig
from lwm2m_fast.store.lmdb import LmdbStore
from lwm2m_fast.store.memory import MemoryStore

__all__ = ["BACK_ENDS", "FleetStore", "StateStore", "Store", "StoreConfig", "open_store"]

BACK_ENDS: dict[str, OpenStore] = {
    "lmdb": LmdbStore,
    "memory": MemoryStore,
}


def open_store(kind: str, data_dir: str, config: StoreConfig) -> Store:
    """The store `kind` over `data_dir`, opened; StoreError when it cannot be.

    ConfigError when there is no such kind.
    """
    if kind not in BACK_ENDS:
        raise ConfigError(f"store.kind is {kind!r}, allowed are {', '.join(sorted(BACK_ENDS))}")
    return BACK_ENDS[kind](data_dir, config)
