"""Operations belong to the tenant that had the device's name when they were asked for: they are
neither shown to the next owner nor done to its device (queue/ownership.py; rows P14, A4)."""

from __future__ import annotations

import pytest
from queue_kit import QueueWorld, answer_next, asked

from lwm2m_fast.core.operation import HISTORY_ROWS, history_key
from lwm2m_fast.core.orders import parse_order
from lwm2m_fast.errors import StoreError, UnknownOperation

NAME = "dev-1"


def scene(owner: str = "acme") -> tuple[QueueWorld, int]:
    """A device of a tenant that has answered one operation."""
    world = QueueWorld()
    world.owners[NAME] = owner
    device = world.device()
    device.register(lifetime=86400)
    (operation,) = world.submit(NAME, "/3/0/9")
    answer_next(device)
    assert world.states(NAME) == [(operation, "SUCCESSFUL")]
    return world, operation


def ids(world: QueueWorld) -> list[int]:
    return [number for number, _ in world.states(NAME)]


@pytest.mark.parametrize(
    "owner, following", [("acme", "beta"), ("acme", None), ("default", "beta")]
)
def test_the_next_owner_of_a_name_finds_nothing_of_the_former(
    owner: str, following: str | None
) -> None:
    world, operation = scene(owner)
    before = dict(world.owners)
    world.owners = {NAME: following} if following else {}
    assert ids(world) == []
    assert world.desk.operation(NAME, operation) is None
    with pytest.raises(UnknownOperation):
        world.do(world.desk.wait(NAME, operation, 0.0))
    with pytest.raises(UnknownOperation):
        world.do(world.desk.cancel(NAME, operation))
    (own,) = world.submit(NAME, "/3/0/0")
    assert ids(world) == [own]
    # And each finds its own again when it has the name again.
    world.owners = before
    assert ids(world) == [operation]
    assert world.desk.operation(NAME, operation) is not None


def test_it_is_so_after_a_restart_too() -> None:
    world, operation = scene()
    later = world.restarted()
    later.owners[NAME] = "acme"
    assert ids(later) == [operation]
    later.owners[NAME] = "beta"
    assert ids(later) == []


def test_what_older_versions_kept_is_of_who_runs_the_server() -> None:
    world, operation = scene("default")
    row = world.fleet.get(HISTORY_ROWS, history_key(NAME, operation))
    assert row is not None
    assert b"tenant" not in row
    world.owners[NAME] = "acme"
    assert ids(world) == []


@pytest.mark.parametrize("is_awake", [True, False], ids=["in line", "behind a silent one"])
def test_what_waits_is_not_done_to_the_next_owners_device(is_awake: bool) -> None:
    world = QueueWorld()
    world.owners[NAME] = "acme"
    device = world.device()
    if not is_awake:
        device.register(lifetime=86400)
    waiting = world.submit(NAME, "/3/0/1", "/3/0/2")
    if not is_awake:
        assert asked(device) == "/3/0/1"
    world.owners[NAME] = "beta"
    (own,) = world.submit(NAME, "/3/0/9")
    device.register(lifetime=86400)
    while device.inbox:
        assert answer_next(device) == "/3/0/9"
    assert world.states(NAME) == [(own, "SUCCESSFUL")]
    world.owners[NAME] = "acme"
    assert [world.state(NAME, each) for each in waiting] == ["FAILED", "FAILED"]
    assert {world.shown_operation(NAME, each)["reason"] for each in waiting} == {"cancelled"}


def test_the_next_owner_is_not_told_what_becomes_of_it() -> None:
    world = QueueWorld()
    world.engine.tells = True
    world.owners[NAME] = "acme"
    device = world.device()
    device.register(lifetime=86400)
    world.submit(NAME, "/3/0/9")
    heard = device.hear()
    world.owners[NAME] = "beta"
    world.told.clear()
    device.answer(heard, "2.05", options=[(12, b"")], payload=b"7")
    assert [event for event in world.told if event.kind == "operation"] == []


def test_an_owner_that_cannot_be_known_gets_nothing_sent() -> None:
    world = QueueWorld()
    world.owners[NAME] = "acme"
    (waiting,) = world.submit(NAME, "/3/0/9")

    def broken(endpoint: str) -> str:
        raise StoreError("the disk is gone")

    world.owner_of = broken
    device = world.device()
    device.register(lifetime=86400)
    device.hear_nothing()
    world.owner_of = world.owners.__getitem__
    world.tick()
    assert asked(device) == "/3/0/9"
    assert world.state(NAME, waiting) == "EXECUTING"


def test_a_device_that_is_gone_for_good_leaves_nothing_to_be_done_to_the_next() -> None:
    world, done = scene()
    device = world.device()
    device.register(lifetime=86400)
    attributes = {"op": "write_attributes", "path": "/3/0/9", "attributes": {"pmin": 5}}
    world.submit(NAME, attributes)
    answer_next(device, code="2.04")
    waiting = world.submit(NAME, "/3/0/1", "/3/0/2")
    assert world.operating is not None
    world.operating.forget(NAME, "gone")
    world.finish_turn()
    assert {world.shown_operation(NAME, each)["reason"] for each in waiting} == {"gone"}
    assert done in ids(world)  # what has ended stays
    device.inbox.clear()
    device.register(lifetime=86400)
    device.hear_nothing()


def test_a_file_that_is_named_is_one_of_the_devices_owner() -> None:
    world = QueueWorld()
    world.files = {"image": b"of the server", "acme/image": b"of acme"}
    for number, (name, owner) in enumerate((("dev-1", "acme"), ("dev-2", "default"))):
        world.owners[name] = owner
        device = world.device(f"192.0.2.{number}:5683")
        device.register(name, lifetime=86400)
        world.submit(name, {"op": "write", "path": "/5/0/0", "value": {"file": "image"}})
        assert device.hear().payload == (b"of acme" if owner == "acme" else b"of the server")


def test_an_owner_that_cannot_be_known_leaves_nothing_reserved() -> None:
    world = QueueWorld(queue={"max_operations_per_device": 2})
    order = parse_order({"op": "read", "path": "/3/0/9"})

    def broken(endpoint: str) -> str:
        if endpoint == NAME:
            raise StoreError("the disk is gone")
        return "acme"

    known = world.owner_of
    world.owner_of = broken
    for _ in range(3):
        with pytest.raises(StoreError):
            world.submit(NAME, "/3/0/9")
        with pytest.raises(StoreError):
            world.do(world.desk.submit_many(["dev-0", NAME], [order]))
    world.owner_of = known
    for name in (NAME, "dev-0"):
        assert len(world.submit(name, "/3/0/1", "/3/0/2")) == 2
