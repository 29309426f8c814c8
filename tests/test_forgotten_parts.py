"""Each part that holds something under a device's name: the next owner of the name finds nothing of
it, and it is on disk when the part says so."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from lwm2m_fast.bootstrap.outcome_rows import OutcomeRows, reader
from lwm2m_fast.bootstrap.outcomes import Outcome, Outcomes
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.errors import StoreError, UnknownDevice
from lwm2m_fast.forgetting import CLAIMED, REMOVED, Why
from lwm2m_fast.forgotten_parts import Parts
from lwm2m_fast.provisioning.device_rows import LISTED
from lwm2m_fast.queue.durable import Durable
from lwm2m_fast.store import Store
from lwm2m_fast.store.memory import MemoryFleet, MemoryState
from tests.scenario.scripted import CON, POST, RST, World
from tests.secure_kit import Secured, play
from tests.value_kit import Scene as ValueScene
from tests.value_kit import celsius, flush, senml

BROKEN = StoreError("the disk is gone")
BOTH = pytest.mark.parametrize("why", [REMOVED, CLAIMED], ids=["removed", "claimed"])


def parts(**given: Any) -> Parts:
    """Those of a server of which there is only what is `given`."""
    names = (
        "engine",
        "side",
        "bootstrap",
        "outcome_rows",
        "operating",
        "durable",
        "fleet",
        "values",
    )
    return Parts(*(given.get(name) for name in names))  # type: ignore[arg-type]


# The registration, its observations, requests under way


@BOTH
def test_a_registration_ends_with_its_observations_and_with_what_is_under_way(why: Why) -> None:
    async def act(secured: Secured) -> None:
        world = secured.world
        device = world.device()
        location = device.register()
        observed = device.observed()
        world.engine.start("dev-1", CoapRequest(1, (b"3", b"0", b"1")), 60.0, world.now)
        world.finish_turn()
        asked = device.hear()
        part = parts(engine=world.engine, side=secured.side)
        assert await part._registrations(["dev-1", "nobody"], why) == 1

        assert secured.reasons() == [why.registration]
        assert [answer.outcome for answer in world.answers] != []
        assert "answered" not in {answer.outcome for answer in world.answers}
        device.answer(asked, "2.05", payload=b"late")
        assert "answered" not in {answer.outcome for answer in world.answers}
        device.notify(observed.token, 2, kind=CON)
        assert device.hear().type == RST
        with pytest.raises(UnknownDevice):
            world.engine.observations("dev-1")
        # It finds out at its next Update, and begins anew, without them.
        device.ask(POST, location)
        assert world.engine.device("dev-1") is None
        device.register()
        assert world.engine.observations("dev-1") == []

    play(act)


def test_a_registration_that_the_store_cannot_let_go_of_is_an_error() -> None:
    async def act(secured: Secured) -> None:
        secured.world.device().register()
        secured.world.engine.store_works = False
        part = parts(engine=secured.world.engine, side=secured.side)
        with pytest.raises(StoreError, match="1 registration"):
            await part._registrations(["dev-1"], REMOVED)

    play(act)


def test_a_device_of_the_same_name_that_registers_meanwhile_stays() -> None:
    async def act(secured: Secured) -> None:
        world = secured.world
        device = world.device()
        device.register()

        async def kept() -> None:
            device.register()

        secured.side.attach_turns(world.finish_turn, secured.published.extend, kept)
        part = parts(engine=world.engine, side=secured.side)
        assert await part._registrations(["dev-1"], CLAIMED) == 1
        assert world.engine.device("dev-1") is not None

    play(act)


# Its place on the list of those that may register


def test_who_is_on_the_list_no_longer_may_not_register() -> None:
    fleet = MemoryFleet()
    fleet.put(LISTED, [(b"stays", b"")])
    world = World(policy="provisioned")
    world.engine.allow(["gone", "stays"])
    asyncio.run(parts(engine=world.engine, fleet=fleet)._places(["gone", "stays"], REMOVED))
    device = world.device()
    device.register("gone", expected="4.03")
    device.register("stays")


# Bootstraps


class Boots:
    """What came of bootstraps, over a store that can fail."""

    def __init__(self) -> None:
        self.state = MemoryState()
        self.error: Exception | None = None
        self.outcomes = Outcomes(row=reader(self.state))
        self.rows = OutcomeRows(self.outcomes, self._keep)
        self.ended: list[str] = []
        self.parts = parts(bootstrap=self, outcome_rows=self.rows)

    async def _keep(self, changes: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.state.apply(changes)

    def forget(self, name: str) -> None:
        self.ended.append(name)
        self.outcomes.forget(name)


@BOTH
def test_what_came_of_a_bootstrap_has_left_the_disk(why: Why) -> None:
    async def act() -> None:
        boots = Boots()
        boots.outcomes.note("dev-1", Outcome("failed", 1.0, "no", ()))
        boots.outcomes.note("dev-2", Outcome("failed", 1.0, "no", ()))
        await boots.rows.flush()
        boots.rows.tick()
        assert await boots.parts._bootstraps(["dev-1"], why) > 0  # so that it is made safe
        assert boots.outcomes.of("dev-1") is None
        assert [key for key, _ in boots.state.load(7)] == [b"dev-2"]
        # One under way is the next owner's, where there is one.
        assert boots.ended == (["dev-1"] if why.is_gone else [])

    asyncio.run(act())


def test_what_came_of_a_bootstrap_and_cannot_leave_the_disk_is_an_error() -> None:
    async def act() -> None:
        boots = Boots()
        boots.outcomes.note("dev-1", Outcome("failed", 1.0, "no", ()))
        await boots.rows.flush()
        boots.error = BROKEN
        with pytest.raises(StoreError):
            await boots.parts._bootstraps(["dev-1"], REMOVED)
        assert boots.outcomes.of("dev-1") is None

    asyncio.run(act())


def test_a_fault_of_ours_in_writing_what_came_of_bootstraps_is_no_success() -> None:
    async def act() -> None:
        boots = Boots()
        boots.outcomes.note("dev-1", Outcome("failed", 1.0, "no", ()))
        await boots.rows.flush()
        boots.error = RuntimeError("a fault of ours")
        with pytest.raises(RuntimeError):
            await boots.parts._bootstraps(["dev-1"], REMOVED)
        boots.error = None
        await boots.parts._bootstraps(["dev-1"], REMOVED)
        assert list(boots.state.load(7)) == []

    asyncio.run(act())


def test_rows_are_written_by_one_at_a_time() -> None:
    async def act() -> None:
        boots = Boots()
        for number in range(300):
            boots.outcomes.note(f"dev-{number}", Outcome("failed", 1.0, "no", ()))
        boots.rows.tick()
        await asyncio.gather(boots.rows.flush(), boots.rows.flush())
        assert boots.outcomes.unwritten == 0
        assert len(list(boots.state.load(7))) == 300

    asyncio.run(act())


# Operations and attributes


class Fleet(MemoryFleet):
    error: StoreError | None = None

    def apply(self, changes: Any) -> None:
        if self.error is not None:
            raise self.error
        super().apply(changes)


@BOTH
def test_operations_end_by_name_although_one_cannot_be_read_and_are_on_disk_then(why: Why) -> None:
    async def act() -> None:
        fleet = Fleet()
        fleet.put("pending", [(b"b", b"x")])
        durable = Durable(fleet)
        called: list[tuple[str, str]] = []

        def end(name: str, reason: str, kept: Any) -> None:
            called.append((name, reason))
            if name == "a":
                raise BROKEN
            durable.keep([("pending", name.encode(), None)], kept)

        wrong = SimpleNamespace()
        operating = SimpleNamespace(**{"forget" if why.is_gone else "disown": end})
        part = parts(operating=operating, durable=durable, fleet=wrong)
        async with asyncio.timeout(10):
            with pytest.raises(StoreError, match="disk is gone"):
                await part._operations(["a", "b"], why)
            assert called == [("a", why.operation), ("b", why.operation)]
            assert fleet.get("pending", b"b") is None
            assert await part._operations(["b"], why) == 1
            fleet.error = StoreError("full")
            with pytest.raises(StoreError, match="full"):
                await part._operations(["b"], why)
            await durable.stop()

    asyncio.run(act())


# Last values


def test_last_values_have_left_the_disk_and_those_that_come_later_are_there(memory: Store) -> None:
    scene = ValueScene(memory)
    scene.send(senml(celsius(20.0)))
    flush(scene)
    scene.send(senml(celsius(21.0)))
    part = parts(values=scene.values)
    assert asyncio.run(part._last_values(["dev-1", "nobody"], REMOVED)) == 1
    assert scene.shown() == {}
    assert list(memory.state.load(4)) == list(memory.state.load(5)) == []
    scene.send(senml(celsius(22.0)))
    assert scene.shown() == {"/3303/0/5700": 22.0}


def test_the_registration_is_the_first_that_goes_so_that_nothing_comes_in_behind() -> None:
    names = [part.name for part in parts().all()]
    assert names[0] == "registrations" and names[-1] == "last values"
    assert len(set(names)) == 5
