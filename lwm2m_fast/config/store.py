"""Settings of the store: which one, where it lies, when it is on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lwm2m_fast.config.section import Section, field, words


class StoreConfig(Section):
    """Where registrations and fleet configuration are kept."""

    kind: Literal["lmdb", "memory"] = field(
        "lmdb", "`lmdb` survives restarts; `memory` forgets everything, for tests."
    )
    data_dir: Path = field(
        Path("data"), "Directory of the store, created with mode 0700. One server per directory."
    )
    key_file: Path | None = field(
        None,
        "File with the key that secrets are encrypted with at rest, mode 0600. Made where it does "
        "not exist. Keep a copy apart from the data: without it credentials are lost. Unset: "
        "`vault.key` in the data directory.",
        json_schema_extra=words("a file"),
    )
    durability: Literal["commit", "sync"] = field(
        "commit",
        "`commit` survives a killed process; `sync` also a power failure, at the price of a "
        "disk wait before each batch of answers.",
    )
    sync_interval_s: float = field(
        1.0, "With `commit`, what is written reaches the disk within this time.", ge=0.05, le=300.0
    )
    checkpoint_interval_s: float = field(
        1.0, "How often the journal is folded into the tables.", ge=0.05, le=300.0
    )
    journal_max_bytes: int = field(
        64 << 20,
        "Size at which the journal is folded before more is taken; bounds the replay at start-up.",
        ge=1 << 20,
        le=1 << 34,
    )
