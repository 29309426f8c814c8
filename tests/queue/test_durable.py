"""The thread that keeps rows in groups."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from lwm2m_fast.errors import StoreError
from lwm2m_fast.queue.durable import Durable
from lwm2m_fast.store.base import FleetChange
from lwm2m_fast.store.memory import MemoryFleet


class Fleet(MemoryFleet):
    """Applies when it may; fails when it must."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()
        self.may.set()
        self.error: Exception | None = None
        self.groups: list[int] = []

    def apply(self, changes: Sequence[FleetChange]) -> None:
        assert self.may.wait(10)
        if self.error is not None:
            raise self.error
        self.groups.append(len(changes))
        super().apply(changes)


def row(number: int) -> FleetChange:
    return ("space", b"%04d" % number, b"x")


def run(act) -> None:
    async def played() -> None:
        fleet = Fleet()
        durable = Durable(fleet)
        async with asyncio.timeout(10):
            await act(fleet, durable)
            await durable.stop()

    asyncio.run(played())


def test_what_was_put_is_kept_when_put_returns():
    async def act(fleet, durable):
        await durable.put([row(1), row(2)])
        assert fleet.get("space", b"0002") == b"x"

    run(act)


def test_what_waits_meanwhile_goes_in_one_transaction_and_in_order():
    async def act(fleet, durable):
        fleet.may.clear()
        order = []
        for number in range(100):
            durable.keep([row(number)], lambda error, number=number: order.append(number))
        last = asyncio.ensure_future(durable.put([row(100)]))
        await asyncio.sleep(0)
        fleet.may.set()
        await last
        assert order == list(range(100))
        assert sum(fleet.groups) == 101
        assert len(fleet.groups) <= 3

    run(act)


@pytest.mark.parametrize("error", [StoreError("full"), ValueError("broken")])
def test_what_the_store_refuses_is_an_error_and_the_next_is_kept(error):
    async def act(fleet, durable):
        fleet.error = error
        with pytest.raises(StoreError, match=str(error)):
            await durable.put([row(1)])
        assert durable.problem is not None
        fleet.error = None
        await durable.put([row(2)])
        assert durable.problem is None
        assert [key for key, _ in fleet.scan("space")] == [b"0002"]

    run(act)


def test_what_must_be_kept_is_tried_until_it_is_and_before_what_comes_later():
    async def act(fleet, durable):
        fleet.error = StoreError("full")
        told = []
        durable.keep([row(1)], told.append, must=True)
        with pytest.raises(StoreError):
            await durable.put([row(2)])
        assert told == []
        fleet.error = None
        await durable.put([row(3)])
        assert told == [None]
        assert [key for key, _ in fleet.scan("space")] == [b"0001", b"0003"]

    run(act)


def test_a_fault_of_one_that_is_told_reaches_no_other():
    async def act(fleet, durable):
        met = []
        asyncio.get_running_loop().set_exception_handler(lambda _, said: met.append(said))
        fleet.may.clear()
        told = []

        def failing(error):
            raise ZeroDivisionError

        durable.keep([row(1)], failing)
        durable.keep([row(2)], failing)
        durable.keep([row(3)], told.append)
        fleet.may.set()
        await durable.put([row(4)])
        assert told == [None]
        assert [type(each["exception"]) for each in met] == [ZeroDivisionError] * 2
        assert durable.counters()["fleet_commit_faults"] == 2

    run(act)


def test_stopping_keeps_what_was_given():
    async def act(fleet, durable):
        durable.keep([row(1)])
        await durable.stop()
        assert fleet.get("space", b"0001") == b"x"
        assert durable.counters()["fleet_rows_written"] == 1

    run(act)


def test_stopping_ends_although_the_store_fails():
    async def act(fleet, durable):
        fleet.error = StoreError("full")
        told = []
        durable.keep([row(1)], told.append, must=True)
        began = time.monotonic()
        await durable.stop()
        await asyncio.sleep(0)
        assert time.monotonic() - began < 5
        assert isinstance(told[0], StoreError)

    run(act)
