"""The same orders for many devices."""

from __future__ import annotations

import asyncio

import pytest
from queue_kit import QueueWorld, answer_next

from lwm2m_fast.core.orders import parse_order
from lwm2m_fast.errors import QueueFull, RequestError, StoreError
from lwm2m_fast.queue.desk import SLICE

READ = parse_order({"op": "read", "path": "/3/0/9"})


def submit_many(world: QueueWorld, *names: str, orders=(READ,), **terms):
    return world.do(world.desk.submit_many(names, orders, **terms))


def show(world: QueueWorld, batch_id: int, **page):
    return world.do(world.desk.batch(batch_id, **page))


def progress(shown) -> tuple[int, int, int, int]:
    return shown["total"], shown["done"], shown["failed"], shown["pending"]


def test_a_batch_tells_how_far_it_has_come_and_what_came_of_each_device():
    world = QueueWorld()
    devices = [world.device(f"192.0.2.{number}:5683") for number in range(3)]
    for number, device in enumerate(devices):
        device.register(f"dev-{number}")
    batch = submit_many(world, "dev-0", "dev-1", "dev-2", "offline")
    assert progress(show(world, batch["id"])) == (4, 0, 0, 4)
    answer_next(devices[0])
    answer_next(devices[1], "4.04")
    shown = show(world, batch["id"])
    assert progress(shown) == (4, 1, 1, 2)
    assert [(each["endpoint"], each["operations"][0]["state"]) for each in shown["results"]] == [
        ("dev-0", "SUCCESSFUL"),
        ("dev-1", "FAILED"),
        ("dev-2", "EXECUTING"),
        ("offline", "PENDING"),
    ]
    assert shown["next"] is None


def test_a_device_with_a_full_queue_is_refused_by_itself():
    world = QueueWorld(queue={"max_operations_per_device": 1})
    world.submit("full", "/3")
    batch = submit_many(world, "full", "free")
    assert progress(batch) == (2, 0, 1, 1)
    assert "already has 1 requests" in batch["results"][0]["error"]
    assert batch["results"][1]["operations"][0]["state"] == "PENDING"


def test_a_device_that_is_named_twice_is_asked_once():
    world = QueueWorld()
    assert submit_many(world, "a", "b", "a")["devices"] == 2


def test_results_come_in_pages():
    world = QueueWorld()
    names = [f"dev-{number:05}" for number in range(2500)]
    batch = submit_many(world, *names)
    found, after = [], 0
    while after is not None:
        page = show(world, batch["id"], after=after, limit=400)
        found += [each["endpoint"] for each in page["results"]]
        after = page["next"]
    assert found == names


def test_a_batch_has_bounds():
    world = QueueWorld()
    with pytest.raises(RequestError, match="10001 devices"):
        submit_many(world, *[str(number) for number in range(10_001)])
    with pytest.raises(RequestError, match="0 devices"):
        submit_many(world)
    with pytest.raises(RequestError, match="100000 operations"):
        submit_many(world, *[str(number) for number in range(101)], orders=[READ] * 1000)
    with pytest.raises(RequestError, match="bytes"):
        submit_many(world, "good", "x" * 256)
    assert world.states("good") == []


def test_the_oldest_batch_that_has_ended_makes_room():
    world = QueueWorld(queue={"max_batches": 2})
    device = world.device()
    device.register()
    first = submit_many(world, "dev-1")["id"]
    answer_next(device)
    second = submit_many(world, "elsewhere")["id"]
    third = submit_many(world, "elsewhere")["id"]
    assert [each["id"] for each in world.desk.batches()] == [third, second]
    assert show(world, first) is None
    with pytest.raises(QueueFull):
        submit_many(world, "elsewhere")
    assert len(world.states("elsewhere")) == 2
    assert len(list(world.fleet.scan("batches"))) == 4


@pytest.mark.parametrize("ended", [1, 2])
def test_batches_that_come_at_once_each_take_the_place_of_another(ended: int):
    """Or are refused before anything of them is kept: an operation is in its line or nowhere."""
    world = QueueWorld(queue={"max_batches": 2})
    device = world.device()
    device.register()
    for name in ["dev-1"] * ended + ["elsewhere"] * (2 - ended):
        submit_many(world, name)
        if name == "dev-1":
            answer_next(device)

    async def at_once():
        asks = [world.desk.submit_many([name], [READ]) for name in ("a", "b")]
        return await asyncio.gather(*asks, return_exceptions=True)

    outcomes = world.do(at_once())
    assert [isinstance(each, QueueFull) for each in outcomes] == [False, ended == 1]
    assert len(world.desk.batches()) == 2
    assert len(list(world.fleet.scan("batches"))) == 4
    assert [len(world.operating.dispatch.pending.line(name)) for name in "ab"] == [1, ended - 1]


def test_a_batch_that_the_store_refuses_is_none():
    world = QueueWorld()
    world.keeper.problem = "no space left"
    with pytest.raises(StoreError):
        submit_many(world, "a", "b")
    world.keeper.problem = None
    assert world.desk.batches() == []
    assert world.states("a") == []
    submit_many(world, "a")


def test_progress_is_counted_anew_after_a_restart():
    world = QueueWorld()
    devices = [world.device(f"192.0.2.{number}:5683") for number in range(3)]
    for number, device in enumerate(devices):
        device.register(f"dev-{number}", lifetime=86400)
    batch = submit_many(world, "dev-0", "dev-1", "dev-2")
    answer_next(devices[0])
    answer_next(devices[1], "4.04")
    world = world.restarted()
    assert progress(show(world, batch["id"])) == (3, 1, 1, 1)
    device = world.device(devices[2].address)
    device.update("rd/" + world.shown("dev-2")["registration_id"])
    answer_next(device)
    assert progress(show(world, batch["id"])) == (3, 2, 1, 0)
    assert submit_many(world, "dev-0")["id"] == batch["id"] + 1


def test_a_large_batch_lets_others_have_the_loop():
    """While it is prepared, while its rows are made, and while its operations join their lines."""
    world = QueueWorld()
    names = [f"dev-{number}" for number in range(10 * SLICE)]

    async def submitting():
        task = asyncio.create_task(world.desk.submit_many(names, [READ]))
        turns = 0
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        return turns, await task

    turns, shown = world.do(submitting())
    assert turns >= 30
    assert shown["pending"] == len(names) == world.operating.counters()["operations_waiting"]


@pytest.mark.parametrize("problem", [None, "no space left"])
def test_a_batch_that_is_being_kept_goes_its_way_when_its_caller_leaves(problem):
    world = QueueWorld()
    world.keeper.holds = True

    async def leaving():
        task = asyncio.create_task(world.desk.submit_many(["a", "b"], [READ] * 3))
        for _ in range(10):
            await asyncio.sleep(0)
        assert world.keeper.calls == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        world.keeper.problem = problem
        world.keeper.release()
        for _ in range(10):
            await asyncio.sleep(0)

    world.keeper.calls = 0
    world.do(leaving())
    assert world.operating.counters()["operations_waiting"] == (6 if problem is None else 0)
    assert len(world.desk.batches()) == (1 if problem is None else 0)
    world.keeper.problem = None
    most = 997 if problem is None else 1000  # no place is lost
    assert len(world.submit("a", *["/3/0/1"] * most)) == most
    with pytest.raises(QueueFull):
        world.submit("a", "/3/0/1")


@pytest.mark.parametrize("row", [b"no json", b"[1]", b'{"of another version": 1}'])
def test_a_batch_that_cannot_be_read_keeps_nobody_from_starting(row):
    world = QueueWorld()
    first = submit_many(world, "dev-1")
    world.fleet.put("batches", [(first["id"].to_bytes(8, "big") + bytes(4), row)])
    world = world.restarted()
    assert world.operating.unusable == 1
    assert submit_many(world, "dev-1")["id"] == first["id"] + 1
