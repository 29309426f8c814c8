"""Run fuzz targets: python -m tests.fuzz NAME|all [--seconds N] [--seed S] [--jobs N] [--home DIR]

Each runs in a process of its own, so that a crash or a hang is a finding like any other. Ends with
1 when something was found; the inputs are then in findings/NAME/, where tests replay them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz import fuzzer

HANG_S = 60.0
"""What a target may take beyond its time: shrinking a finding takes 20 s, ASan's report a few."""


def run_apart(name: str, seconds: float, seed: int, home: Path) -> int:
    words = [name, "--seconds", str(seconds), "--seed", str(seed), "--home", str(home), "--here"]
    process = [sys.executable, "-m", "tests.fuzz", *words]
    try:
        code = subprocess.run(process, timeout=seconds + HANG_S).returncode
        why = f"the process ended with {code}"
    except subprocess.TimeoutExpired:
        code, why = 2, "it hangs"
    if code not in (0, 1):
        data = fuzzer.Under.read(home / "work" / f"{name}.now")
        print(f"{name}: {why}: {fuzzer.keep(data, 'findings', name, home)}", flush=True)
    return min(abs(code), 1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=["all", *fuzzer.names()])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="targets at the same time")
    parser.add_argument("--home", type=Path, default=fuzzer.HOME, help="of corpus, findings, work")
    parser.add_argument("--distil", type=int, metavar="N", help="rewrite corpus/ with N inputs")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        return fuzzer.run(given.target, given.seconds, given.seed, given.home)
    if given.distil:
        return fuzzer.distil(given.target, given.distil, given.home)
    chosen = fuzzer.names() if given.target == "all" else [given.target]
    with ThreadPoolExecutor(given.jobs) as pool:
        codes = pool.map(
            lambda name: run_apart(name, given.seconds, given.seed, given.home), chosen
        )
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
