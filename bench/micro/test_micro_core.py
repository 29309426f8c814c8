"""A batch of 64 datagrams through the core, with a store that never fails.

From Python objects and back to them, which is most of it: `python -m bench instructions` counts the
core alone.
"""

from __future__ import annotations

from typing import Any

import pytest

from bench import instructions

BATCH = instructions.BATCH
Fleet = tuple[instructions.Core, dict[str, list[bytes]]]


@pytest.fixture
def fleet() -> Fleet:
    """A core in which a batch of devices has registered, and where each may be found."""
    core = instructions.Core()
    batch = [(instructions.address(n), instructions.register(n, 1)) for n in range(BATCH)]
    answers = core.turn(batch, instructions.unmarked)
    return core, {source: instructions.location(answer) for source, answer in answers}


@pytest.mark.parametrize("act", instructions.ACTS)
def test_a_batch(benchmark: Any, fleet: Fleet, act: str) -> None:
    core, paths = fleet
    build, mid = instructions.ACTS[act], 1

    def batch() -> tuple[tuple[list[tuple[str, bytes]]], dict[str, Any]]:
        nonlocal mid
        mid = mid % 65535 + 1
        if act == "register again":  # a new id each time
            core.now += 300.0
        return ([(who, build(n, mid, path)) for n, (who, path) in enumerate(paths.items())],), {}

    def turn(datagrams: list[tuple[str, bytes]]) -> int:
        return len(core.turn(datagrams, instructions.unmarked))

    benchmark.extra_info["datagrams"] = BATCH
    assert benchmark.pedantic(turn, setup=batch, rounds=200, warmup_rounds=20) == BATCH
