"""What the LMDB store costs: apply() with its checkpoint, get() beside liblmdb in C, load().

    python bench/bench_store.py [--rows 1000000] [--rounds 5] [--quick]

Every figure that names C comes from the same rows in the same run, rounds interleaved. Prints a
table, writes bench/results/store.json. The C program needs liblmdb's header (Debian package
liblmdb-dev) and says so when it is not there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import programs
from lwm2m_fast.config import StoreConfig
from lwm2m_fast.store.changes import put
from lwm2m_fast.store.lmdb import LmdbStore, StateReader

HERE = Path(__file__).resolve().parent
ROW_BYTES, GROUP_ROWS = 350, 64
GOAL_GET = 0.6

C_SOURCE = r"""
/* Random gets, or one walk, over table-1 of a state environment through liblmdb itself.
 * usage: store_get DIR ROWS GETS SEED  ->  {"get_us": ..., "walk_s": ...} */
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void must(int code, const char *what)
{
    if (code != 0) {
        fprintf(stderr, "%s: %s\n", what, mdb_strerror(code));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi table;
    MDB_cursor *cursor;
    MDB_val key, value;
    if (argc != 5)
        return 2;
    long rows = atol(argv[2]), gets = atol(argv[3]);
    must(mdb_env_create(&env), "create");
    must(mdb_env_set_maxdbs(env, 8), "maxdbs");
    must(mdb_env_open(env, argv[1], MDB_RDONLY | MDB_NOTLS, 0600), "open");
    must(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "begin");
    must(mdb_dbi_open(txn, "table-1", 0, &table), "table");
    uint64_t sum = 0;
    double start = now();
    must(mdb_cursor_open(txn, table, &cursor), "cursor");
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
        sum += value.mv_size + *(uint8_t *)value.mv_data;
    double walk_s = now() - start;
    char *names = malloc(gets * 32);
    if (names == NULL)
        return 1;
    srandom(atoi(argv[4]));
    for (long i = 0; i < gets; i++)
        snprintf(names + i * 32, 32, "urn:imei:%015ld", random() % rows * 7919 % 100000000);
    char copy[4096];
    start = now();
    for (long i = 0; i < gets; i++) {
        key.mv_data = names + i * 32;
        key.mv_size = strlen(key.mv_data);
        must(mdb_get(txn, table, &key, &value), key.mv_data);
        memcpy(copy, value.mv_data, value.mv_size); /* what its user gets is a copy, as in Python */
        sum += copy[0];
    }
    printf("{\"get_us\": %.4f, \"walk_s\": %.4f, \"sum\": %lu}\n", (now() - start) * 1e6 / gets,
           walk_s, (unsigned long)sum);
    return 0;
}
"""


def endpoint(number: int) -> bytes:
    return b"urn:imei:%015d" % (number * 7919 % 100_000_000)


def groups(keys: int, count: int, rng: random.Random) -> Iterator[bytes]:
    """Groups of rows as a loop turn makes them, in random key order."""
    value = rng.randbytes(ROW_BYTES)
    for _ in range(count):
        yield b"".join(put(1, endpoint(rng.randrange(keys)), value) for _ in range(GROUP_ROWS))


def fill(store: LmdbStore, rows: int) -> None:
    value = random.Random(1).randbytes(ROW_BYTES)
    for start in range(0, rows, 1000):
        end = min(start + 1000, rows)
        store.state.apply(b"".join(put(1, endpoint(n), value) for n in range(start, end)))
    store.state.fold()


def lookup(data_dir: str, rows: int, gets: int, rounds: int) -> dict[str, Any]:
    """Random gets of folded rows: liblmdb in C, the server's own get(), another process' reader."""
    binary = programs.build_with_lmdb("store_get", C_SOURCE)
    store = LmdbStore(data_dir, StoreConfig(), start=False)
    figures: dict[str, list[float]] = {"c": [], "c_walk_s": [], "store": [], "reader": []}
    try:
        for seed in range(rounds):
            names = [endpoint(random.Random(seed + n).randrange(rows)) for n in range(gets)]
            if binary is not None:
                command = [str(binary), f"{data_dir}/state.lmdb", str(rows), str(gets), str(seed)]
                told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
                figures["c"].append(told["get_us"])
                figures["c_walk_s"].append(told["walk_s"])
            figures["store"].append(_get_us(store.state.get, names))
    finally:
        store.close()
    reader = StateReader(data_dir)
    for seed in range(rounds):
        names = [endpoint(random.Random(seed + n).randrange(rows)) for n in range(gets)]
        figures["reader"].append(_get_us(reader.get, names))
    reader.close()
    middle = {name: statistics.median(values) for name, values in figures.items() if values}
    if "c" in middle:
        middle["share_of_c"] = middle["c"] / middle["store"]
    return middle


def _get_us(get: Callable[[int, bytes], bytes | None], names: list[bytes]) -> float:
    start = time.perf_counter()
    for name in names:
        if get(1, name) is None:
            raise SystemExit(f"{name!r} is missing: the comparison would be worth nothing")
    return (time.perf_counter() - start) * 1e6 / len(names)


def apply_cost(
    data_dir: str, keys: int, count: int, durability: Literal["commit", "sync"] = "commit"
) -> dict[str, Any]:
    """CPU of the whole process per apply(), with the checkpoint thread and the last fold."""
    made = list(groups(keys, count, random.Random(keys)))
    store = LmdbStore(data_dir, StoreConfig(durability=durability))
    walls = []
    cpu = time.process_time()
    for changes in made:
        start = time.perf_counter()
        store.state.apply(changes)
        walls.append(time.perf_counter() - start)
    applied = time.process_time()
    store.state.fold()
    folded = time.process_time()
    counters = store.counters()
    store.close()
    walls.sort()
    return {
        "us_per_apply": (folded - cpu) * 1e6 / count,
        "us_per_row": (folded - cpu) * 1e6 / count / GROUP_ROWS,
        "us_per_apply_before_last_fold": (applied - cpu) * 1e6 / count,
        "wall_us_p50": walls[count // 2] * 1e6,
        "wall_us_p99": walls[count * 99 // 100] * 1e6,
        "wall_ms_max": walls[-1] * 1e3,
        "folded_rows": counters["store_folded_rows"],
        "journal_full": counters["store_journal_full"],
    }


def load_cost(data_dir: str, rounds: int) -> dict[str, float]:
    """Open and walk every row as a restart does, pages warm."""
    opened, walked, count = [], [], 0
    for _ in range(rounds):
        start = time.perf_counter()
        store = LmdbStore(data_dir, StoreConfig(), start=False)
        middle = time.perf_counter()
        count = sum(1 for _ in store.state.load(1))
        walked.append(time.perf_counter() - middle)
        opened.append(middle - start)
        store.close()
    return {"rows": count, "open_s": statistics.median(opened), "s": statistics.median(walked)}


def busy_cost(data_dir: str, keys: int, count: int, switch_s: float) -> dict[str, float]:
    """apply() while another thread holds the GIL for 1 ms at a time, as a loaded loop does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(switch_s)
    is_over = threading.Event()
    turns: list[float] = []
    thread = threading.Thread(target=_hold_gil, args=(is_over, turns))
    thread.start()
    try:
        figures = apply_cost(data_dir, keys, count)
    finally:
        is_over.set()
        thread.join()
        sys.setswitchinterval(before)
    turns.sort()
    names = ("wall_us_p50", "wall_us_p99", "wall_ms_max")
    return {name: figures[name] for name in names} | {
        "turn_ms_p50": turns[len(turns) // 2] * 1e3,
        "turn_ms_p99": turns[len(turns) * 99 // 100] * 1e3,
        "turn_ms_max": turns[-1] * 1e3,
    }


def _hold_gil(is_over: threading.Event, turns: list[float]) -> None:
    block = os.urandom(1 << 16)
    while not is_over.is_set():
        start = time.perf_counter()
        while time.perf_counter() - start < 0.001:
            block.count(b"\0\1")  # C code under the GIL, some 10 us
        time.sleep(0)
        turns.append(time.perf_counter() - start)


def run(rows: int, rounds: int, count: int, gets: int) -> dict[str, Any]:
    """Every figure, in a directory of its own that is removed again."""
    base = tempfile.mkdtemp(prefix="bench-store-")
    try:
        results: dict[str, Any] = {"rows": rows, "row_bytes": ROW_BYTES}
        results["apply_1000_keys"] = apply_cost(f"{base}/few", 1000, count)
        results["apply_1000_keys_sync"] = apply_cost(f"{base}/sync", 1000, count // 4, "sync")
        store = LmdbStore(f"{base}/many", StoreConfig(), start=False)
        start = time.perf_counter()
        fill(store, rows)
        results["fill_s"] = time.perf_counter() - start
        store.close()
        results["get_us"] = lookup(f"{base}/many", rows, gets, rounds)
        results["load"] = load_cost(f"{base}/many", rounds)
        results["apply_all_keys"] = apply_cost(f"{base}/many", rows, count)
        for switch_s in (0.005, 0.0005):
            name = f"busy_loop_switch_{switch_s * 1e3:g}_ms"
            results[name] = busy_cost(f"{base}/many", rows, count // 20, switch_s)
        return results
    finally:
        shutil.rmtree(base)


def show(results: dict[str, Any]) -> None:
    for name, value in results.items():
        if not isinstance(value, dict):
            print(f"{name:28} {value:,.2f}" if isinstance(value, float) else f"{name:28} {value:,}")
            continue
        parts = (
            f"{k} {v:,.3g}" if isinstance(v, float) else f"{k} {v:,}" for k, v in value.items()
        )
        print(f"{name:28} {', '.join(parts)}")
    share = results["get_us"].get("share_of_c")
    if share is not None:
        verdict = "met" if share >= GOAL_GET else "MISSED"
        print(f"get() reaches {share:.2f} of a get in C; goal {GOAL_GET}: {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="100,000 rows, fewer of everything")
    options = parser.parse_args()
    quick = options.quick
    results = run(
        rows=100_000 if quick else options.rows,
        rounds=3 if quick else options.rounds,
        count=2_000 if quick else 20_000,
        gets=50_000 if quick else 200_000,
    )
    show(results)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "store.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
