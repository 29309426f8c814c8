"""The LMDB lookup by endpoint as one row beside the others.

bench_store.py owns the rows, the C program and the measurement; here they become a finding.
"""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from types import ModuleType

from bench.report import Finding, Goal

WHAT = "LMDB lookup by endpoint: share of a C get"
GOAL = Goal(0.6)
GETS = 100_000
ROUNDS = 3


def share(store: ModuleType, rows: int, directory: Path) -> float | None:
    """Time of a get in C over that of our own; None where liblmdb's header is missing."""
    filled = store.LmdbStore(str(directory), store.StoreConfig(), start=False)
    store.fill(filled, rows)
    filled.close()
    found: float | None = store.lookup(str(directory), rows, GETS, ROUNDS).get("share_of_c")
    return found


def finding(rows: int) -> Finding:
    """Measured with as many rows as the fleet has devices."""
    try:
        store = importlib.import_module("bench.bench_store")
        with tempfile.TemporaryDirectory(prefix="lwm2m-bench-") as directory:
            found = share(store, rows, Path(directory) / "data")
    except (ImportError, AttributeError) as error:
        return Finding(WHAT, None, GOAL, why=f"bench_store: {error}")
    return Finding(WHAT, found, GOAL, why=f"{rows:,} rows" if found else "liblmdb-dev is missing")
