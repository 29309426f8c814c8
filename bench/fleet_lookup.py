"""What a look at one of a million configured devices costs in the fleet store, beside liblmdb in C.

The same keys of the same environment, rounds interleaved, every look timed by itself. The C program
needs liblmdb's header (Debian package liblmdb-dev) and says so when it is not there.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from bench import programs

C_SOURCE = r"""
/* usage: fleet_get DIR FILE  ->  latencies of a get of each key (u16 size, bytes) in FILE */
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void must(int code, const char *what)
{
    if (code != 0) {
        fprintf(stderr, "%s: %s\n", what, mdb_strerror(code));
        exit(1);
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int main(int argc, char **argv)
{
    static uint8_t keys[64 << 20];
    static char copy[1 << 20];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi table;
    MDB_val key, value;
    uint64_t sum = 0;
    if (argc != 3)
        return 2;
    FILE *file = fopen(argv[2], "rb");
    if (file == NULL)
        return 2;
    size_t size = fread(keys, 1, sizeof(keys), file), count = 0;
    uint32_t *took = malloc(sizeof(uint32_t) * (size / 3 + 1));
    must(mdb_env_create(&env), "create");
    must(mdb_env_set_maxdbs(env, 2), "maxdbs");
    must(mdb_env_open(env, argv[1], MDB_RDONLY | MDB_NOTLS, 0600), "open");
    must(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "begin");
    must(mdb_dbi_open(txn, "items", 0, &table), "table");
    must(mdb_txn_commit(txn), "commit"); /* keeps the handle */
    must(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "begin");
    for (uint8_t *at = keys; at < keys + size; count++) {
        key.mv_size = at[0] << 8 | at[1];
        key.mv_data = at + 2;
        at += 2 + key.mv_size;
        int64_t start = now_ns();
        mdb_txn_reset(txn); /* each look of ours has a snapshot of its own too */
        must(mdb_txn_renew(txn), "renew");
        must(mdb_get(txn, table, &key, &value), "get");
        memcpy(copy, value.mv_data, value.mv_size);
        took[count] = (uint32_t)(now_ns() - start);
        sum += copy[0];
    }
    qsort(took, count, sizeof(uint32_t), by_size);
    printf("{\"p50_us\": %.3f, \"p99_us\": %.3f, \"sum\": %lu}\n", took[count / 2] / 1e3,
           took[count * 99 / 100] / 1e3, (unsigned long)sum);
    return 0;
}
"""

Look = Callable[[str], object]


def latencies(look: Look, names: list[str]) -> dict[str, float]:
    """Median and 99th percentile in microseconds; SystemExit when one is missing."""
    took = []
    clock = time.perf_counter_ns
    for name in names:
        start = clock()
        found = look(name)
        took.append(clock() - start)
        if found is None:
            raise SystemExit(f"{name!r} is missing: the comparison would be worth nothing")
    took.sort()
    return {"p50_us": took[len(took) // 2] / 1e3, "p99_us": took[len(took) * 99 // 100] / 1e3}


def compare(
    directory: Path, looks: dict[str, Look], space: str, names: list[str], rounds: int
) -> dict[str, Any]:
    """Medians over the rounds of each look, and of "C", at `names`; `space` is what C looks in."""
    binary = programs.build_with_lmdb("fleet_get", C_SOURCE)
    prefix = bytes([len(space)]) + space.encode()
    samples: dict[str, list[dict[str, float]]] = {}
    for seed in range(rounds):
        some = Random(seed).sample(names, min(len(names), 50_000))
        if binary is not None:
            keys = directory.parent / "keys"
            rows = [prefix + name.encode() for name in some]
            keys.write_bytes(b"".join(len(row).to_bytes(2, "big") + row for row in rows))
            done = subprocess.run([binary, directory, keys], capture_output=True, check=True)
            samples.setdefault("C", []).append(json.loads(done.stdout))
        for name, look in looks.items():
            samples.setdefault(name, []).append(latencies(look, some))
    return {
        name: {key: median(each[key] for each in kept) for key in ("p50_us", "p99_us")}
        for name, kept in samples.items()
    }
