"""Shared by the tests of the store: a configuration, changes from plain values, a child process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from lwm2m_fast.store.changes import delete, put
from lwm2m_fast.store.environment import Environment
from lwm2m_fast.store.journal import LmdbState


@dataclass(frozen=True, kw_only=True)
class Config:
    durability: str = "commit"
    sync_interval_s: float = 1.0
    checkpoint_interval_s: float = 1.0
    journal_max_bytes: int = 1 << 20


def changes_of(*rows):
    """(table, key, value) to changes; value None deletes."""
    return b"".join(
        delete(table, key) if value is None else put(table, key, value)
        for table, key, value in rows
    )


def open_state(path, step=lambda name: None, journal_max_bytes=1 << 20, **options):
    """The state side alone, over an environment that the caller closes as if it had died."""
    env = Environment(str(path), durable=False, max_tables=256, **options)
    return env, LmdbState(env, journal_max_bytes, step=step)


def start_child(source, *arguments):
    """Run Python source in a process of its own that finds the same packages."""
    return subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
