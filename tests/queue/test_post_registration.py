"""The list that runs on each full Register (requirements Q4, Q5; 1.9)."""

from __future__ import annotations

import pytest
from queue_kit import QueueWorld, answer_all, answer_next, asked

from lwm2m_fast.errors import QueueFull, RequestError, StoreError
from lwm2m_fast.queue import post_registration


class Put:
    """Durable.put(), for the list."""

    def __init__(self, world: QueueWorld) -> None:
        self.world = world

    async def put(self, changes) -> None:
        if self.world.keeper.problem is not None:
            raise StoreError(self.world.keeper.problem)
        self.world.fleet.apply(changes)


def set_list(world: QueueWorld, *commands: str, tenant: str = "default") -> list[str]:
    return world.do(world.operating.post_registration.replace(commands, Put(world), tenant))


def test_the_list_runs_on_each_full_register_and_not_on_an_update():
    world = QueueWorld()
    assert set_list(world, "read /3/0/0", " ", "read /3/0/1") == ["read /3/0/0", "read /3/0/1"]
    device = world.device()
    location = device.register()
    assert answer_all(device) == ["/3/0/0", "/3/0/1"]
    device.update(location)
    device.hear_nothing()
    device.register()
    assert answer_all(device) == ["/3/0/0", "/3/0/1"]
    assert [o["origin"] for o in world.desk.operations("dev-1")] == ["post-registration"] * 4


def test_it_runs_for_every_device():
    world = QueueWorld()
    set_list(world, "read /3/0/0")
    for number in range(3):
        device = world.device(f"192.0.2.{number}:5683")
        device.register(f"dev-{number}")
        assert answer_all(device) == ["/3/0/0"]


def test_ten_of_25_that_wait_go_before_the_list_and_the_rest_later():
    world = QueueWorld()
    set_list(world, "read /3/0/19", "read /3/0/20")
    ids = world.submit("dev-1", *[f"/3303/0/{5000 + n}" for n in range(25)])
    device = world.device()
    device.register()
    order = answer_all(device)
    assert order[:10] == [f"/3303/0/{5000 + n}" for n in range(10)]
    assert order[10:12] == ["/3/0/19", "/3/0/20"]
    assert order[12:] == [f"/3303/0/{5000 + n}" for n in range(10, 25)]
    assert {world.state("dev-1", each) for each in ids} == {"SUCCESSFUL"}


def test_what_an_earlier_register_left_of_it_is_superseded():
    world = QueueWorld()
    set_list(world, "read /3/0/0", "read /3/0/1")
    device = world.device()
    device.register()
    assert asked(device) == "/3/0/0"
    device.register()
    assert answer_all(device) == ["/3/0/0", "/3/0/1"]
    reasons = [(o["state"], o["reason"]) for o in world.desk.operations("dev-1")]
    assert reasons == [("SUCCESSFUL", None)] * 2 + [("FAILED", "superseded")] * 2


def test_a_device_that_never_answers_does_not_fill_its_queue_with_it():
    world = QueueWorld(queue={"max_operations_per_device": 3})
    set_list(world, "read /3/0/0", "read /3/0/1")
    device = world.device()
    for _ in range(20):
        device.register()
        device.hear_all()
    waiting = world.desk.operations("dev-1", states=frozenset({"PENDING", "EXECUTING"}))
    assert len(waiting) == 2


def test_a_full_queue_gets_no_list():
    world = QueueWorld(queue={"max_operations_per_device": 2})
    set_list(world, "read /3/0/0")
    world.submit("dev-1", "/3/0/1", "/3/0/2")
    device = world.device()
    device.register()
    assert answer_all(device) == ["/3/0/1", "/3/0/2"]
    assert world.operating.counters()["post_registration_not_queued"] == 1


def test_a_sleeping_device_gets_the_rest_of_it_when_it_wakes():
    world = QueueWorld()
    set_list(world, "read /3/0/0", "read /3/0/1")
    device = world.device()
    location = device.register(lifetime=86400, query=["at=1000"])
    device.hear()
    world.after(200)
    device.hear_all()
    device.update(location)
    assert answer_all(device) == ["/3/0/0", "/3/0/1"]


def test_it_survives_a_restart():
    world = QueueWorld()
    set_list(world, "read /3/0/0")
    world = world.restarted()
    assert world.operating.post_registration.commands("default") == ["read /3/0/0"]
    device = world.device()
    device.register("dev-9")
    assert answer_next(device) == "/3/0/0"
    assert set_list(world) == []
    device.register("dev-9")
    device.hear_nothing()


@pytest.mark.parametrize("bad", ["fly /3", "help", "serialization TLV", "read"])
def test_what_is_no_order_is_refused_and_the_list_stays(bad):
    world = QueueWorld()
    set_list(world, "read /3/0/0")
    with pytest.raises(RequestError, match=r"^commands\[1\]: "):
        set_list(world, "read /3/0/1", bad)
    assert world.operating.post_registration.commands("default") == ["read /3/0/0"]


def test_a_list_has_a_bound():
    world = QueueWorld()
    assert len(set_list(world, *["read /3/0/0"] * 100)) == 100
    with pytest.raises(RequestError, match="101 commands, allowed are at most 100"):
        set_list(world, *["read /3/0/0"] * 101)
    with pytest.raises(RequestError, match="8192"):
        set_list(world, "write /3/0/14 " + "x" * 8192)


def test_a_list_that_cannot_be_kept_is_not_used():
    world = QueueWorld()
    world.keeper.problem = "no space left"
    with pytest.raises(StoreError):
        set_list(world, "read /3/0/0")
    assert world.operating.post_registration.commands("default") == []


def test_each_tenant_has_a_list_of_its_own():
    world = QueueWorld()
    world.owners = {"ours": "acme", "theirs": "beta"}
    set_list(world, "read /3/0/0")
    set_list(world, "read /3/0/1", "read /3/0/2", tenant="acme")
    wanted = {"ours": ["/3/0/1", "/3/0/2"], "theirs": [], "of-nobody": ["/3/0/0"]}

    def heard(world: QueueWorld) -> dict[str, list[str]]:
        found = {}
        for number, name in enumerate(wanted):
            device = world.device(f"192.0.2.{number}:5683")
            device.register(name)
            found[name] = answer_all(device)
        return found

    assert heard(world) == wanted
    assert world.operating.counters()["post_registration_lists_current"] == 2
    later = world.restarted()
    later.owners = world.owners
    assert heard(later) == wanted
    assert later.operating.post_registration.commands("beta") == []
    # The end of one is no other's.
    set_list(later, tenant="default")
    assert heard(later) == wanted | {"of-nobody": []}


def test_lists_are_bounded_in_number(monkeypatch):
    monkeypatch.setattr(post_registration, "MAX_TENANTS", 2)
    world = QueueWorld()
    for tenant in ("acme", "beta"):
        set_list(world, "read /3/0/0", tenant=tenant)
    with pytest.raises(QueueFull):
        set_list(world, "read /3/0/0", tenant="gamma")
    set_list(world, "read /3/0/1", tenant="beta")
    set_list(world, tenant="gamma")
    set_list(world, tenant="acme")
    assert set_list(world, "read /3/0/0", tenant="gamma") == ["read /3/0/0"]


def test_a_device_whose_owner_cannot_be_known_gets_no_list():
    world = QueueWorld()
    set_list(world, "read /3/0/0")

    def broken(endpoint: str) -> str:
        raise StoreError("the disk is gone")

    world.owner_of = broken
    device = world.device()
    device.register()
    device.hear_nothing()
    assert world.operating.counters()["post_registration_not_queued"] == 1


def test_a_store_that_cannot_be_read_now_does_not_reach_the_register(monkeypatch):
    world = QueueWorld()
    set_list(world, "read /3/0/0")
    device = world.device()
    device.register()
    asked(device)
    part = world.operating.post_registration
    device.inbox.clear()
    broken = StoreError("the disk is gone")

    def cannot(endpoint: str, operation_id: int) -> None:
        raise broken

    with monkeypatch.context() as patched:
        patched.setattr(world.operating.dispatch.delivery, "current", cannot)
        device.register()  # World fails on what the engine or a listener raises
    assert part.counters()["post_registration_not_superseded"] == 1
    device.inbox.clear()
    device.register()
    assert set(answer_all(device)) == {"/3/0/0"}
    waiting = frozenset({"PENDING", "EXECUTING"})
    assert world.desk.operations("dev-1", states=waiting) == []


@pytest.mark.parametrize("row", [b"no json", b"7", b"[7]", b'["of another version /3"]'])
def test_a_list_that_cannot_be_read_keeps_nobody_from_starting(row):
    world = QueueWorld()
    set_list(world, "read /3/0/0")
    world.fleet.put(post_registration.NAMESPACE, [(b"acme", row)])
    world = world.restarted()
    assert world.operating.unusable == 1
    part = world.operating.post_registration
    assert (part.commands("default"), part.commands("acme")) == (["read /3/0/0"], [])
