"""What a device's profile wants observed is asked for after each full Register (I3, I4, I6)."""

from __future__ import annotations

from typing import Any

import pytest
from queue_kit import QueueWorld, path_of

from lwm2m_fast.codec import decode
from lwm2m_fast.core.orders import order_json, parse_order
from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.profiles import read
from lwm2m_fast.queue.profile_observing import orders_of

OBSERVE, CONTENT_FORMAT, QUERY = 6, 12, 15
SENML_CBOR = 112
LINKS = b'</>;ct="60 110 112",</1/0>,</3/0>,</3303/0>,</3303/1>'
PATHS = ["/3/0/9", "/3303/0/5700", "/3303/1/5700", "/3303/2/5700", "/3304/0/5700"]
THERE = PATHS[:3]


class Profiles:
    """Who has which."""

    def __init__(self, **own: Any) -> None:
        self.by_name: dict[str, Any] = {}
        self.error: StoreError | None = None
        if own:
            self.give("dev-1", **own)

    def give(self, endpoint: str, **own: Any) -> None:
        self.by_name[endpoint] = read({"observeAttr": {"observe": PATHS, **own}})

    @property
    def uses_profiles(self) -> bool:
        return bool(self.by_name)

    def profile_of(self, endpoint: str) -> Any:
        if self.error is not None:
            raise self.error
        return self.by_name.get(endpoint)


def world_of(profiles: Profiles, **parts: Any) -> QueueWorld:
    return QueueWorld(profiles=profiles, **parts)


def register(device: Any, name: str = "dev-1", **parts: Any) -> str:
    return device.register(name, lifetime=86400, payload=LINKS, **parts)


def agree_to_all(device: Any) -> list[str]:
    """Do what is asked; a line for each request."""
    asked = []
    while device.inbox:
        heard = device.hear()
        if heard.option(OBSERVE) is None:
            queries = sorted(value for number, value in heard.options if number == QUERY)
            asked.append(f"{path_of(heard)}?{b'&'.join(queries).decode()}")
            device.answer(heard, "2.04")
            continue
        if heard.code == "0.01":
            asked.append(path_of(heard))
            options, payload = [(OBSERVE, b"\x01"), (CONTENT_FORMAT, b"")], b"7"
        else:
            asked.append(" ".join(str(node.path) for node in decode(SENML_CBOR, heard.payload)))
            options = [(OBSERVE, b"\x01"), (CONTENT_FORMAT, bytes([SENML_CBOR]))]
            payload = b"\x80"
        device.answer(heard, options=options, payload=payload)
    return asked


def test_it_is_asked_for_after_a_register_and_not_after_an_update() -> None:
    world = world_of(Profiles(observeStrategy="SINGLE"))
    device = world.device()
    location = register(device)
    assert agree_to_all(device) == THERE
    device.update(location)
    device.hear_nothing()
    assert {o["origin"] for o in world.desk.operations("dev-1")} == {"post-registration"}
    assert {o["state"] for o in world.desk.operations("dev-1")} == {"SUCCESSFUL"}


@pytest.mark.parametrize(
    ("strategy", "requests"),
    [
        ("SINGLE", THERE),
        ("COMPOSITE_ALL", [" ".join(THERE)]),
        ("COMPOSITE_BY_OBJECT", [THERE[0], " ".join(THERE[1:])]),
    ],
)
def test_the_strategy_says_how_many_requests_there_are(strategy: str, requests: list[str]) -> None:
    world = world_of(Profiles(observeStrategy=strategy))
    device = world.device()
    register(device)
    assert agree_to_all(device) == requests
    observations = world.engine.observations("dev-1")
    assert [each["state"] for each in observations] == ["active"] * len(requests)


@pytest.mark.parametrize("strategy", ["SINGLE", "COMPOSITE_ALL", "COMPOSITE_BY_OBJECT"])
def test_a_device_that_registers_anew_is_asked_once_and_not_twice(strategy: str) -> None:
    attributes = {"/3303/0/5700": {"pmin": 5}}
    world = world_of(Profiles(observeStrategy=strategy, attributeLwm2m=attributes))
    device = world.device()
    register(device)
    first = agree_to_all(device)
    for _ in range(3):
        register(device)
        assert agree_to_all(device) == first
    count = len({"SINGLE": THERE, "COMPOSITE_ALL": [1]}.get(strategy, [1, 2]))
    assert len(world.engine.observations("dev-1")) == count


def test_after_it_has_left_it_is_asked_for_everything_again() -> None:
    world = world_of(Profiles(observeStrategy="SINGLE"))
    device = world.device()
    location = register(device)
    assert agree_to_all(device) == THERE
    device.leave(location)
    register(device)
    assert agree_to_all(device) == THERE


def test_attributes_go_before_what_they_are_for() -> None:
    attributes = {
        "/3303/1/5700": {"pmin": 5, "pmax": 60, "gt": 20.5},
        "/3304/0/5700": {"pmin": 1},  # which the device does not have
        "/3/0/9": {},
    }
    world = world_of(Profiles(attributeLwm2m=attributes))
    device = world.device()
    register(device)
    assert agree_to_all(device) == ["/3303/1/5700?gt=20.5&pmax=60&pmin=5", *THERE]


def test_it_comes_behind_the_list_of_all_devices() -> None:
    profiles = Profiles(observeStrategy="SINGLE")
    world = world_of(profiles)
    assert world.operating is not None
    world.operating.post_registration._take("default", ["execute /3/0/4"])
    device, other = world.device(), world.device("192.0.2.7:5683")
    register(device)
    assert agree_to_all(device) == ["/3/0/4?", *THERE]
    register(other, "dev-2")
    assert agree_to_all(other) == ["/3/0/4?"]


def test_what_an_earlier_register_left_of_it_is_superseded() -> None:
    world = world_of(Profiles(observeStrategy="SINGLE"))
    device = world.device()
    for _ in range(20):
        register(device)
        device.hear_all()
    waiting = world.desk.operations("dev-1", states=frozenset({"PENDING", "EXECUTING"}))
    assert len(waiting) <= len(THERE)


def test_a_changed_profile_counts_from_the_next_register_on() -> None:
    profiles = Profiles(observeStrategy="SINGLE")
    world = world_of(profiles)
    device = world.device()
    register(device)
    agree_to_all(device)
    profiles.give("dev-1", observe=["/3/0/9", "/3/0/13"])
    register(device)
    assert agree_to_all(device) == [*THERE, "/3/0/13"]  # again what was, then what is new


def test_a_device_without_a_profile_gets_nothing() -> None:
    world = world_of(Profiles(observeStrategy="SINGLE"))
    device = world.device("192.0.2.7:5683")
    register(device, "dev-2")
    device.hear_nothing()


def test_as_long_as_no_device_has_one_nothing_hears_of_registers() -> None:
    profiles = Profiles()
    world = world_of(profiles)
    assert world.operating is not None
    assert not world.engine.hears_registers
    profiles.give("dev-1")
    world.operating.post_registration.look()
    assert world.engine.hears_registers
    profiles.by_name.clear()
    world.operating.post_registration.look()
    assert not world.engine.hears_registers


def test_a_profile_that_cannot_be_read_is_counted_and_the_device_served() -> None:
    profiles = Profiles(observeStrategy="SINGLE")
    profiles.error = StoreError("the row was changed on the disk")
    world = world_of(profiles)
    assert world.operating is not None
    device = world.device()
    register(device)
    device.hear_nothing()
    assert world.operating.counters()["profiles_not_read"] == 1


def test_a_full_queue_gets_nothing_of_it() -> None:
    profiles = Profiles(observeStrategy="SINGLE")
    world = world_of(profiles, queue={"max_operations_per_device": 2})
    assert world.operating is not None
    device = world.device()
    register(device)
    device.hear_nothing()
    assert world.operating.counters()["post_registration_not_queued"] == 3


def test_objects_and_instances_may_be_observed_too() -> None:
    profile = read({"observeAttr": {"observe": ["/3303", "/3303/1", "/9", "/3303/5"]}})
    objects = {"3303": {"instances": [0, 1]}, "9": {"instances": []}}
    paths = [order.path for order in orders_of(profile, objects, set())]
    assert paths == ["/9", "/3303", "/3303/1"]
    held = {frozenset(["/3303"]), frozenset(["/9"])}
    assert [order.path for order in orders_of(profile, objects, held)] == ["/3303/1"]


@pytest.mark.parametrize("strategy", ["COMPOSITE_ALL", "COMPOSITE_BY_OBJECT"])
def test_more_paths_than_a_request_may_have_become_several_that_can_be_sent(strategy: str) -> None:
    paths = [f"/3303/{number}/5700" for number in range(250)]
    observe = {"observe": [*paths, "/3303/65535/5700"], "observeStrategy": strategy}
    profile = read({"observeAttr": observe})
    objects = {"3303": {"version": "1.0", "instances": []}}
    orders = orders_of(profile, objects, set())
    assert [len(each.paths) for each in orders] == [100, 100, 50]
    assert [path for each in orders for path in each.paths] == paths
    assert [parse_order(order_json(each)).paths for each in orders] == [e.paths for e in orders]
    held = {frozenset(orders[1].paths)}
    assert orders_of(profile, objects, held) == [orders[0], orders[2]]


def test_a_profile_with_more_than_fits_does_not_keep_the_list_away() -> None:
    world = world_of(Profiles(observeStrategy="SINGLE"), queue={"max_operations_per_device": 3})
    assert world.operating is not None
    part = world.operating.post_registration
    part._take("default", ["execute /3/0/4"])
    device = world.device()
    register(device)
    assert agree_to_all(device) == ["/3/0/4?"]
    assert part.not_queued == len(THERE)
    part._take("default", [])
    register(device)
    assert agree_to_all(device) == THERE
