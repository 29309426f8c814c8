"""Old values: what a refusal, a Delete or a Discover makes of them (rows D4, D12)."""

from __future__ import annotations

import asyncio

import pytest

from lwm2m_fast.codec import Kind, Node
from lwm2m_fast.core.operations import Result
from lwm2m_fast.core.orders import Order
from lwm2m_fast.fleet.settings import Settings
from lwm2m_fast.store import Store
from lwm2m_fast.value_rows import TABLE_PATHS, TABLE_VALUES
from tests.value_kit import (
    UNIX,
    Scene,
    celsius,
    flush,
    senml,
)

REMOVING = ["4.01", "4.03", "4.04", "5.00", "5.01"]


@pytest.mark.parametrize("retains", [True, False])
@pytest.mark.parametrize("op", ["read", "write", "read_composite", "write_composite"])
@pytest.mark.parametrize("code", [*REMOVING, "4.05", "4.00", "5.03", ""])
def test_d12_a_refusal_removes_the_value_only_as_the_settings_say(
    memory: Store, code: str, op: str, retains: bool
) -> None:
    scene = Scene(memory)
    scene.settings.by_endpoint["dev-1"] = Settings(retains_values=retains)
    scene.send(senml(celsius(1.0), celsius(2.0, 1)))
    flush(scene)
    path = "/3303/0/5700"
    order = Order(
        op,
        path=None if op.endswith("composite") else path,
        paths=(path,) if op == "read_composite" else (),
        values={path: 1} if op == "write_composite" else None,
    )
    scene.values.answered(scene.targets.of("dev-1"), order, Result(False, code), UNIX + 9)
    goes = code in REMOVING and not retains
    kept = {"/3303/1/5700": 2.0} if goes else {"/3303/0/5700": 1.0, "/3303/1/5700": 2.0}
    assert scene.shown() == kept
    flush(scene)
    assert scene.shown() == kept
    assert scene.count("removed") == goes


@pytest.mark.parametrize("op", ["execute", "create", "observe", "delete", "discover"])
def test_d12_a_refusal_of_anything_else_removes_nothing(memory: Store, op: str) -> None:
    scene = Scene(memory)
    scene.settings.by_endpoint["dev-1"] = Settings(retains_values=False)
    scene.send(senml(celsius(1.0)))
    order = Order(op, path="/3303/0")
    scene.values.answered(scene.targets.of("dev-1"), order, Result(False, "4.04"), UNIX + 9)
    assert scene.shown() == {"/3303/0/5700": 1.0}


def discovered(*paths: str | None) -> Result:
    return Result(True, "2.05", links=[{"url": path, "path": path} for path in paths])


DISCOVERIES = [
    # asked, listed, what is left
    ("/3303", ("/3303", "/3303/0", "/3303/0/5700", "/3303/1", "/3303/1/5700"), (0, 1)),
    ("/3303", ("/3303", "/3303/0", "/3303/0/5700"), (0,)),
    ("/3303", ("/3303/0", "/3303/1", "/3303/1/5701"), (0,)),
    ("/3303", ("/3303/0", "/3303/1"), (0, 1)),
    ("/3303", ("/3303",), (0, 1)),
    ("/3303/0", ("/3303/0", "/3303/0/5701"), (1,)),
    ("/3303/0", ("/3303/0",), (0, 1)),
    ("/3303/0/5700", ("/3303/0/5700",), (0, 1)),
    ("/3", ("/3/0", "/3/0/1"), (0, 1)),
    ("/3303", (None,), (0, 1)),
]


@pytest.mark.parametrize("asked, listed, left", DISCOVERIES)
def test_d12_discover_removes_what_it_no_longer_lists(
    memory: Store, asked: str, listed: tuple[str | None, ...], left: tuple[int, ...]
) -> None:
    scene = Scene(memory)
    scene.settings.by_endpoint["dev-1"] = Settings(retains_values=False)
    scene.send(senml(celsius(0.0), celsius(1.0, 1)))
    flush(scene)
    target, order = scene.targets.of("dev-1"), Order("discover", path=asked)
    scene.values.answered(target, order, discovered(*listed), UNIX + 9)
    assert scene.shown() == {f"/3303/{n}/5700": float(n) for n in left}
    flush(scene)
    assert scene.shown() == {f"/3303/{n}/5700": float(n) for n in left}


def test_d12_discover_removes_nothing_of_a_device_that_retains(memory: Store) -> None:
    scene = Scene(memory)
    scene.send(senml(celsius(0.0), celsius(1.0, 1)))
    target, order = scene.targets.of("dev-1"), Order("discover", path="/3303")
    scene.values.answered(target, order, discovered("/3303/0", "/3303/0/5701"), UNIX + 9)
    assert len(scene.shown()) == 2


@pytest.mark.parametrize("retains", [True, False])
def test_d4_delete_removes_the_values_of_the_instance(store: Store, retains: bool) -> None:
    scene = Scene(store)
    scene.settings.by_endpoint["dev-1"] = Settings(retains_values=retains)
    scene.send(senml(celsius(0.0), celsius(1.0, 1), Node("/3303/1/5701", "C", Kind.STRING)))
    flush(scene)
    target, order = scene.targets.of("dev-1"), Order("delete", path="/3303/1")
    scene.values.answered(target, order, Result(True, "2.02"), UNIX + 9)
    assert scene.shown() == {"/3303/0/5700": 0.0}
    flush(scene)
    assert scene.start().listing("dev-1")[0]["path"] == "/3303/0/5700"
    assert len(list(store.state.load(TABLE_VALUES))) == 1


def test_what_is_heard_after_a_removal_is_kept(store: Store) -> None:
    scene = Scene(store)
    scene.send(senml(celsius(1.0)))
    target, order = scene.targets.of("dev-1"), Order("delete", path="/3303/0")
    scene.values.answered(target, order, Result(True, "2.02"), scene.now + 0.5)
    scene.send(senml(celsius(2.0)))
    flush(scene)
    assert scene.shown() == {"/3303/0/5700": 2.0}


def test_forgetting_a_device_leaves_no_row(store: Store) -> None:
    scene = Scene(store)
    scene.send(senml(celsius(1.0), celsius(2.0, 1)))
    flush(scene)
    assert scene.count("devices_current") == 1
    asyncio.run(scene.values.forget("dev-1", "/3303/1"))
    assert scene.shown() == {"/3303/0/5700": 1.0}
    scene.now += 1
    asyncio.run(scene.values.forget("dev-1"))
    assert scene.shown() == {}
    assert list(store.state.load(TABLE_VALUES)) == list(store.state.load(TABLE_PATHS)) == []
    assert scene.count("devices_current") == 0
