"""All benches, one after the other: python -m bench [--quick | --full] [NAME ...]

--quick runs one short round of each, to see that everything works; --full takes the rounds that
figures are quoted from. A NAME is server, reports, queue, growth, dtls, flood, provisioning,
million, crash, store, codec, model, instructions, or micro: those of pytest-benchmark.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

# name -> (words for --quick, words for a plain run, words for --full)
BENCHES: dict[str, tuple[list[str], list[str], list[str]]] = {
    "server": (["--quick"], ["--rounds", "3"], ["--rounds", "9"]),
    "reports": (["--quick"], ["--rounds", "3"], ["--rounds", "9"]),
    "queue": (["--quick"], ["--rounds", "3"], ["--rounds", "9"]),
    "growth": (["--quick"], ["--rounds", "3"], ["--rounds", "9"]),
    "dtls": (["--quick"], ["--rounds", "3"], ["--rounds", "9"]),
    "flood": (["--quick"], ["--rounds", "3"], ["--rounds", "9"]),
    "provisioning": (["--quick"], ["--rounds", "1"], ["--rounds", "3"]),
    "million": (["--quick"], [], []),
    "crash": (["--quick"], ["--rounds", "3"], ["--rounds", "9"]),
    "store": (["--quick"], [], []),
    "codec": (["--quick"], [], []),
    "model": (["--quick"], [], []),
    "instructions": (["--quick"], [], []),
    "micro": (["--benchmark-disable"], [], []),
}

HERE = Path(__file__).parent


def module(name: str) -> list[str]:
    """What python -m runs."""
    if (HERE / name).is_dir():
        return ["pytest", f"bench/{name}"]
    return [f"bench.bench_{name}" if (HERE / f"bench_{name}.py").exists() else f"bench.{name}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true")
    length.add_argument("--full", action="store_true")
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES], metavar="NAME")
    chosen = parser.parse_args()
    column = 0 if chosen.quick else 2 if chosen.full else 1
    failed = []
    for name in chosen.names or BENCHES:
        print(f"== {name}", flush=True)
        words = [sys.executable, "-m", *module(name), *BENCHES[name][column]]
        if subprocess.run(words, cwd=HERE.parent).returncode:
            failed.append(name)
    if failed:
        print(f"ended with an error: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
