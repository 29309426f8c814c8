"""Devices that are overdue, as the service shows them (requirement R8)."""

from __future__ import annotations

from typing import Any

from queue_kit import QueueWorld

from lwm2m_fast.queue.durable import Durable
from lwm2m_fast.service import RunningServer
from lwm2m_fast.sink.stream import StreamSink
from lwm2m_fast.store.memory import MemoryFleet


class Store:
    """As much of a store as is asked for."""

    fleet = MemoryFleet()


def service_of(world: QueueWorld) -> RunningServer:
    service = RunningServer(world.engine, Store(), StreamSink(1), dict)  # type: ignore[arg-type]
    assert world.operating is not None
    keeper: Any = world.keeper
    durable: Durable = keeper
    service.attach_operations(world.operating, durable)
    return service


def shown(world: QueueWorld, endpoint: str = "dev-1") -> tuple[str, int | None]:
    """As GET /devices/{endpoint} and GET /devices have it, which are the same."""
    service = service_of(world)
    one = service.device(endpoint)
    assert one is not None
    assert service.devices(0, 10, endpoint) == ([one], None)
    return one["availability"], one["required_interval_s"]


def test_the_interval_follows_the_lifetime_through_an_update():
    world = QueueWorld()
    device = world.device()
    location = device.register(lifetime=300)
    assert shown(world) == ("available", 420)
    device.update(location, query=["lt=600"])
    assert shown(world) == ("available", 720)


def test_a_device_that_is_kept_beyond_its_interval_is_unavailable_until_it_is_heard():
    world = QueueWorld(grace_s=14_400.0)
    device = world.device()
    location = device.register(lifetime=300)
    world.after(420)
    assert shown(world) == ("available", 420)
    world.after(0.1)
    assert shown(world) == ("unavailable", 420)
    device.update(location)
    assert shown(world) == ("available", 420)


def test_a_configured_interval_stays_when_the_lifetime_changes():
    world = QueueWorld()
    device = world.device()
    location = device.register(lifetime=86_400)
    world.settings_changed(
        "dev-1", autoManageAvailabilityRequiredInterval=False, availabilityRequiredInterval=10
    )
    assert shown(world) == ("available", 600)
    device.update(location, query=["lt=43200"])
    world.after(601)
    assert shown(world) == ("unavailable", 600)


def test_an_interval_that_is_not_managed_and_not_set_is_never_missed():
    world = QueueWorld()
    world.device().register(lifetime=86_400)
    world.settings_changed("dev-1", autoManageAvailabilityRequiredInterval=False)
    world.after(86_000)
    assert shown(world) == ("available", None)


def test_a_restart_forgets_nothing_of_it():
    world = QueueWorld(grace_s=14_400.0)
    world.device().register(lifetime=300)
    world.after(120)
    again = world.restarted(after_s=350, grace_s=14_400.0)
    assert shown(again) == ("unavailable", 420)


def test_a_device_that_nobody_knows_has_no_state():
    assert service_of(QueueWorld()).device("dev-1") is None
