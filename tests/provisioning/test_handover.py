"""Which transactions of configured devices note that a name has changed hands."""

from __future__ import annotations

import asyncio

import pytest
from provisioning_kit import NO_SEC, Provisioned

from lwm2m_fast.errors import StoreError
from lwm2m_fast.provisioning.device_rows import LISTED
from lwm2m_fast.provisioning.handover import HANDOVER, Handovers
from lwm2m_fast.store.base import FleetChange
from lwm2m_fast.store.memory import MemoryFleet


class Scene:
    def __init__(self) -> None:
        self.fleet = MemoryFleet()
        self.notes = Handovers(self.fleet)
        self.parts = Provisioned(self.notes)

    def do(self, coroutine: object) -> None:
        asyncio.run(coroutine)  # type: ignore[arg-type]

    def noted(self) -> list[list[str]]:
        """Since the last time."""
        return [self.notes.names(ticket) for ticket in self.notes.take()]

    def add(self, tenant: str) -> None:
        self.do(self.parts.face.add(NO_SEC, tenant))

    def is_listed(self) -> bool:
        return self.fleet.get(LISTED, b"d-1") is not None


def test_what_a_tenant_gets_and_what_anybody_loses_is_noted_in_that_transaction() -> None:
    scene = Scene()
    scene.add("default")
    assert scene.noted() == []
    scene.do(scene.parts.face.remove("d-1", "default"))
    assert scene.noted() == [["d-1"]]
    scene.add("acme")
    assert scene.noted() == [["d-1"]]
    scene.do(scene.parts.face.change("d-1", {"lwm2mRequestTimeout": 20000}, "acme"))
    assert scene.noted() == []
    scene.do(scene.parts.face.remove("d-1", "acme", keeps_route=True))
    assert scene.noted() == [["d-1"]]
    scene.do(scene.parts.devices.cleanup("d-1", "acme"))
    assert scene.noted() == [["d-1"]]
    assert scene.parts.registry.route("d-1") is None


def test_a_name_is_somebodys_also_where_its_row_cannot_be_read() -> None:
    scene = Scene()
    assert not scene.notes.is_configured("d-1")
    scene.fleet.put("device", [(b"d-1", b"changed on the disk")])
    assert scene.notes.is_configured("d-1")


@pytest.mark.parametrize("size", [1, 255])
def test_names_of_any_size_and_kind_are_read_back(size: int) -> None:
    scene = Scene()
    names = ["\0" * size, "\u00e9" * (size // 2) or "x"]
    scene.notes.apply([("device", name.encode(), None) for name in names])
    assert scene.noted() == [names]
    assert scene.notes.names(b"none") == []


def test_a_place_on_the_list_goes_with_the_tenant_who_had_it_given_and_no_other() -> None:
    scene = Scene()
    scene.fleet.put(LISTED, [(b"d-1", b""), (b"d-2", b"")])
    scene.add("default")
    assert scene.is_listed()
    scene.do(scene.parts.face.remove("d-1", "default"))
    assert scene.is_listed()  # nothing has changed hands
    scene.add("acme")
    assert not scene.is_listed()
    scene.fleet.put(LISTED, [(b"d-1", b"")])
    scene.do(scene.parts.face.remove("d-1", "acme"))
    assert not scene.is_listed()
    assert scene.fleet.get(LISTED, b"d-2") is not None


def test_a_transaction_that_fails_leaves_no_note() -> None:
    class Full(MemoryFleet):
        def apply(self, changes: list[FleetChange]) -> None:  # type: ignore[override]
            raise StoreError("full")

    fleet = Full()
    notes = Handovers(fleet)
    with pytest.raises(StoreError):
        notes.apply([("device", b"d-1", None)])
    assert notes.take() == []


def test_tickets_go_on_behind_those_of_the_run_before() -> None:
    fleet = MemoryFleet()
    Handovers(fleet).apply([("device", b"d-1", None)])
    later = Handovers(fleet)
    later.apply([("device", b"d-2", None)])
    assert [later.names(ticket) for ticket in later.take()] == [["d-1"], ["d-2"]]
    assert len(list(fleet.scan(HANDOVER))) == 2
