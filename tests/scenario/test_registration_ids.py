"""Whose a registration is, by the id that its device was given (LwM2M TS 1.2, section 6.2.1)."""

from __future__ import annotations

import pytest
from scripted import World


def test_an_id_is_its_devices_as_long_as_it_is_registered() -> None:
    world = World()
    ids = {}
    for number, name in enumerate(("dev-1", "dev-ä"), 1):
        ids[name] = world.device(f"192.0.2.{number}:5683").register(name).removeprefix("rd/")
    assert {name: world.engine.endpoint_by_id(one) for name, one in ids.items()} == {
        "dev-1": "dev-1", "dev-ä": "dev-ä",
    }  # fmt: skip
    world.engine.deregister("dev-1", world.now)
    assert world.engine.endpoint_by_id(ids["dev-1"]) is None
    assert world.engine.endpoint_by_id(ids["dev-ä"]) == "dev-ä"


def test_a_former_id_is_nobodys() -> None:
    world = World()
    device = world.device()
    former, now = (device.register().removeprefix("rd/") for _ in range(2))
    assert former != now
    assert world.engine.endpoint_by_id(former) is None
    assert world.engine.endpoint_by_id(now) == "dev-1"


@pytest.mark.parametrize("wrong", ["", "x", "A" * 13, "!" * 14, "é" * 7, "\ud800", "A" * 100])
def test_what_is_no_id_is_nobodys(wrong: str) -> None:
    world = World()
    number = world.device().register().removeprefix("rd/")
    assert world.engine.endpoint_by_id(wrong) is None
    other_shard = "B" + number[1:]
    assert number[0] == "A" and world.engine.endpoint_by_id(other_shard) is None
    last = "A" if number[-1] != "A" else "B"
    assert world.engine.endpoint_by_id(number[:-1] + last) is None
