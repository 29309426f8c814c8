"""The command line that the whole-server benches share."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from bench import servers


@dataclass(frozen=True, kw_only=True)
class Options:
    """How often and how long to measure, and what."""

    rounds: int
    """Interleaved rounds; medians are taken over them."""
    seconds: float
    """Measured time of one case in one round, after half a second of warming up."""
    subject: str
    """"ours", or "ceiling" to prove the rig where the server is not built."""
    devices: int
    """Size of the large fleet, for the benches that have one."""
    quick: bool

    def recipe(self, data_dir: Path) -> servers.Recipe:
        """The server that is judged; its data goes to `data_dir`."""
        return servers.ours(data_dir) if self.subject == "ours" else servers.ceiling()


def parse(
    description: str,
    devices: int = 0,
    words: list[str] | None = None,
    *,
    quick_devices: int | None = None,
) -> Options:
    """Read the command line; `devices` is the bench's own large fleet, `quick_devices` that of a
    short round in which nobody asked for another."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.5, help="measured per case and round")
    parser.add_argument("--quick", action="store_true", help="one short round: does it all work?")
    parser.add_argument(
        "--subject", choices=["ours", "ceiling"], default="ours", help="what is judged"
    )
    parser.add_argument("--devices", type=int, default=devices, help="size of the large fleet")
    read = parser.parse_args(words)
    if read.quick:
        read.rounds, read.seconds = 1, min(read.seconds, 1.0)
        if quick_devices is not None and read.devices == devices:
            read.devices = quick_devices
    return Options(**vars(read))
