"""Last values in the store: bounds, failures, and what a crash leaves."""

from __future__ import annotations

import asyncio

import pytest

from lwm2m_fast import value_rows, values
from lwm2m_fast.codec import Kind, Node, Pack, decode, encode
from lwm2m_fast.core.operations import Result
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import StoreError
from lwm2m_fast.store import Store
from lwm2m_fast.store.changes import put
from lwm2m_fast.value_rows import TABLE_PATHS, TABLE_VALUES
from tests.value_kit import (
    Scene,
    celsius,
    flush,
    senml,
)


def test_beyond_the_bound_the_oldest_value_of_a_device_goes(store: Store) -> None:
    scene = Scene(store, max_values_per_device=3)
    for number in (1, 2, 3):
        scene.send(senml(Node(f"/3303/0/{number}", number, Kind.INTEGER)))
    flush(scene)
    assert scene.count("evicted") == 0
    scene.send(senml(Node("/3303/0/1", 9, Kind.INTEGER)))  # so that 2 is the oldest
    flush(scene)
    scene.send(senml(Node("/3303/0/4", 4, Kind.INTEGER)))
    assert set(scene.shown()) == {"/3303/0/1", "/3303/0/3", "/3303/0/4"}
    flush(scene)
    assert set(scene.shown()) == {"/3303/0/1", "/3303/0/3", "/3303/0/4"}
    assert scene.count("evicted") == 1
    assert len(list(store.state.load(TABLE_VALUES))) == 3


@pytest.mark.parametrize("size, fits", [(64, True), (65, False)])
def test_a_value_past_its_bound_is_not_kept(store: Store, size: int, fits: bool) -> None:
    scene = Scene(store, max_value_bytes=64)
    scene.send(senml(celsius(1.0), Node("/3303/0/5701", "x" * size, Kind.STRING)))
    flush(scene)
    assert ("/3303/0/5701" in scene.shown()) == fits
    assert "/3303/0/5700" in scene.shown()
    assert scene.count("too_large") == (not fits)


def test_beyond_the_bound_no_further_device_has_values(store: Store) -> None:
    scene = Scene(store, max_valued_devices=1)
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    scene.registry.register("dev-2")
    scene.registry.observe(2, "dev-2", "/3303/0/5700")
    scene.notify(1, b"1")
    scene.notify(2, b"2")
    flush(scene)
    assert scene.shown(endpoint="dev-2") == {}
    assert scene.count("device_refused") == 1
    scene.notify(1, b"3")
    flush(scene)
    assert scene.shown() == {"/3303/0/5700": 3.0}
    asyncio.run(scene.values.forget("dev-1"))
    scene.notify(2, b"4")
    flush(scene)
    assert scene.shown(endpoint="dev-2") == {"/3303/0/5700": 4.0}
    scene.start()
    assert scene.count("devices_current") == 1, "counted anew at the start"


def test_at_the_bound_of_unflushed_reports_the_oldest_go(memory: Store) -> None:
    scene = Scene(memory, max_unflushed_reports=64)
    for number in range(1, 66):
        scene.registry.observe(number, "dev-1", f"/3303/0/{number}")
        scene.notify(number, b"%d" % number)
    assert scene.count("unflushed") == 64
    assert scene.count("reports_dropped") == 1
    assert "/3303/0/1" not in scene.shown()
    assert {"/3303/0/2", "/3303/0/65"} <= scene.shown().keys()


def read_pack(order: Order, value: int) -> Pack:
    assert order.path is not None
    payload = encode(60, [Node(order.path, value, Kind.INTEGER)], order.path)
    return decode(60, payload, order.path)


def test_at_the_bound_what_was_read_and_is_read_again_is_kept(memory: Store) -> None:
    scene = Scene(memory, max_unflushed_reports=64)
    orders = [Order("read", path=f"/3303/0/{number}") for number in range(1, 129)]

    def read(order: Order, value: int) -> None:
        result = Result(True, "2.05", read_pack(order, value), content_format=60)
        scene.values.read(["dev-1"], [order], [result], scene.now)

    for order in orders:
        read(order, 1)
    assert scene.count("unflushed") == 64
    dropped = scene.count("reports_dropped")
    assert dropped == 64
    assert scene.values._batch.newest.keys() == {
        item.kind for item in scene.values._batch.items.values()
    }
    read(orders[0], 2)  # is a new one
    read(orders[-1], 3)  # is in the place of the one before it
    assert scene.count("unflushed") == 64
    assert {"/3303/0/1": 2, "/3303/0/128": 3}.items() <= scene.shown().items()
    flush(scene)
    assert {"/3303/0/1": 2, "/3303/0/128": 3}.items() <= scene.shown().items()
    assert len(scene.shown()) == 64


def test_reads_of_several_kinds_keep_apart_and_the_newest_of_each(memory: Store) -> None:
    scene = Scene(memory)
    orders = [Order("read", path=f"/3303/0/{number}") for number in (1, 2)]
    for value in range(6):  # by turns, so that the one renewed last is never the next
        for order in orders:
            result = Result(True, "2.05", read_pack(order, value), content_format=60)
            scene.values.read(["dev-1", "dev-2"], [order] * 2, [result] * 2, scene.now + value)
    assert scene.count("unflushed") == 4
    for endpoint in ("dev-1", "dev-2"):
        assert scene.shown(endpoint=endpoint) == {"/3303/0/1": 5, "/3303/0/2": 5}
    assert {each["time"] for each in scene.values.listing("dev-1")} == {scene.now + 5}


def test_the_bytes_of_unflushed_reports_are_bounded(
    memory: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "MAX_UNFLUSHED_BYTES", 10_000)
    scene = Scene(memory)
    scene.registry.observe(1, "dev-1", "/3/0/1")
    for _ in range(50):  # the same one again and again is little
        scene.notify(1, b"x" * 1000)
    assert scene.count("reports_dropped") == 0
    for number in range(2, 52):
        scene.registry.observe(number, "dev-1", f"/3303/0/{number}")
        scene.notify(number, b"x" * 1000)
    held = sum(len(item[4]) for item in scene.values._batch.items.values())
    assert held <= 10_000
    assert scene.count("reports_dropped") == 51 - held // 1000


def test_half_full_is_flushed_before_the_interval_is_over(memory: Store) -> None:
    async def act() -> None:
        scene = Scene(memory, max_unflushed_reports=64, values_flush_s=60.0)
        scene.values.start()
        for number in range(1, 33):
            scene.registry.observe(number, "dev-1", f"/3303/0/{number}")
            scene.notify(number, b"1")
        async with asyncio.timeout(10):
            while scene.count("flushes") == 0:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert scene.count("unflushed") == 0
        await scene.values.close()

    asyncio.run(act())


# Keeping


def test_the_interval_flushes_by_itself(memory: Store) -> None:
    async def act() -> None:
        scene = Scene(memory, values_flush_s=0.05)
        scene.values.start()
        scene.send(senml(celsius(1.0)))
        async with asyncio.timeout(10):
            while scene.count("flushes") == 0:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert len(list(memory.state.load(TABLE_VALUES))) == 1
        await scene.values.close()

    asyncio.run(act())


def test_a_graceful_stop_keeps_what_was_heard(store: Store) -> None:
    async def act() -> None:
        scene = Scene(store, values_flush_s=60.0)
        scene.values.start()
        await asyncio.sleep(0)
        scene.send(senml(celsius(1.0)))
        await scene.values.close()
        scene.start()
        assert scene.shown() == {"/3303/0/5700": 1.0}

    asyncio.run(act())


def test_a_killed_process_loses_the_last_interval_and_nothing_before(store: Store) -> None:
    scene = Scene(store)
    scene.send(senml(celsius(1.0)))
    flush(scene)
    scene.send(senml(celsius(2.0), celsius(3.0, 1)))
    scene.start()  # a new process, which knows what the store has
    assert scene.shown() == {"/3303/0/5700": 1.0}


def test_what_the_store_refuses_waits_and_newer_values_win(store: Store) -> None:
    scene = Scene(store)
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    scene.registry.observe(2, "dev-1", "/3303/1/5700")
    scene.notify(1, b"1")
    scene.notify(2, b"2")
    scene.error = StoreError("no space")
    with pytest.raises(StoreError, match="no space"):
        flush(scene)
    assert scene.count("flush_failures") == 1
    assert scene.count("devices_current") == 0
    scene.notify(1, b"3")
    assert scene.shown() == {"/3303/0/5700": 3.0, "/3303/1/5700": 2.0}
    scene.error = None
    flush(scene)
    assert scene.start().listing("dev-1")[0]["value"] == 3.0
    assert scene.shown() == {"/3303/0/5700": 3.0, "/3303/1/5700": 2.0}
    assert scene.count("devices_current") == 1


def test_a_failing_store_is_logged_once_and_tried_again(
    memory: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async def act() -> None:
        scene = Scene(memory, values_flush_s=0.05)
        scene.error = StoreError("no space")
        scene.values.start()
        scene.send(senml(celsius(1.0)))
        async with asyncio.timeout(10):
            while scene.count("flush_failures") < 2:  # noqa: ASYNC110
                await asyncio.sleep(0)
            scene.error = None
            while scene.count("flushes") == 0:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await scene.values.close()

    asyncio.run(act())
    assert caplog.text.count("last values cannot be kept now: no space") == 1


def test_a_flush_that_is_cancelled_loses_nothing(memory: Store) -> None:
    async def act() -> None:
        scene = Scene(memory)
        never = asyncio.Event()

        async def stuck(changes: bytes) -> None:
            await never.wait()

        scene.values._keep = stuck
        scene.send(senml(celsius(1.0)))
        task = asyncio.ensure_future(scene.values.flush())
        async with asyncio.timeout(10):
            while scene.values._going is None:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert scene.shown() == {"/3303/0/5700": 1.0}, "shown while it is under way"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert scene.shown() == {"/3303/0/5700": 1.0}
        scene.values._keep = scene.keep
        await scene.values.flush()
        assert len(list(memory.state.load(TABLE_VALUES))) == 1

    asyncio.run(act())


def test_many_values_go_to_the_store_in_pieces(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(value_rows, "BLOB_BYTES", 200)
    scene = Scene(store)
    scene.send(senml(*[Node(f"/3303/0/{n}", n, Kind.INTEGER) for n in range(50)]))
    flush(scene)
    assert len(scene.blobs) > 5
    assert max(map(len, scene.blobs)) < 200 + 450
    assert len(scene.shown()) == 50


@pytest.mark.parametrize("cut", range(1, 8))
def test_wherever_a_crash_cuts_a_flush_what_is_left_is_sound(
    memory: Store, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    monkeypatch.setattr(value_rows, "BLOB_BYTES", 1)
    scene = Scene(memory)
    scene.send(senml(celsius(1.0), celsius(2.0, 1)))
    flush(scene)
    target, order = scene.targets.of("dev-1"), Order("delete", path="/3303/0")
    scene.values.answered(target, order, Result(True, "2.02"), scene.now)
    scene.now += 1
    scene.send(senml(*[Node(f"/3303/1/{n}", n, Kind.INTEGER) for n in range(4)]))
    scene.blobs.clear()

    async def cut_off(changes: bytes) -> None:
        if len(scene.blobs) == cut:
            raise StoreError("killed")
        await scene.keep(changes)

    scene.values._keep = cut_off
    try:
        flush(scene)
    except StoreError:
        assert cut < 6
    scene.start()
    paths = {row for _, row in memory.state.load(TABLE_PATHS)}
    keys = {key[-8:] for key, _ in memory.state.load(TABLE_VALUES)}
    listed = {row[at : at + 8] for row in paths for at in range(0, len(row), 8)}
    assert keys <= listed, "no row without its path"
    assert len(scene.shown()) == len(keys)


@pytest.mark.parametrize(
    "row",
    [
        b"",
        b"\1\3\x32",
        b"\2\3\x32" + bytes(16),  # another form
        b"\1\0\x32" + bytes(16),  # no origin
        b"\1\3\x30" + bytes(16),  # no value
        b"\1\3\x3f" + bytes(16),  # no kind
        b"\1\3\x52" + bytes(16),  # too deep
        b"\1\3\x12" + bytes(16),  # too shallow
        b"\1\3\x32" + bytes(15),  # an integer of seven bytes
        b"\1\3\x35" + bytes(8) + b"\2",  # no boolean
        b"\1\3\x31" + bytes(8) + b"\xff",  # no text
    ],
)
def test_a_damaged_row_is_passed_over(store: Store, row: bytes) -> None:
    scene = Scene(store)
    scene.send(senml(celsius(1.0), celsius(2.0, 1)))
    flush(scene)
    ((key, _), _) = sorted(store.state.load(TABLE_VALUES))
    store.state.apply(put(TABLE_VALUES, key, row))
    assert scene.shown() == {"/3303/1/5700": 2.0}


@pytest.mark.parametrize("size", [0, 1, 7, 9, 15])
def test_a_damaged_list_of_paths_gives_what_can_be_read(store: Store, size: int) -> None:
    scene = Scene(store)
    scene.send(senml(celsius(1.0), celsius(2.0, 1)))
    flush(scene)
    ((key, row),) = store.state.load(TABLE_PATHS)
    store.state.apply(put(TABLE_PATHS, key, row[:size]))
    assert len(scene.shown()) == size // 8
    scene.send(senml(celsius(3.0)))
    flush(scene)
    assert scene.shown()["/3303/0/5700"] == 3.0


def test_what_is_given_up_leaves_nothing_behind_while_no_flush_succeeds(memory: Store) -> None:
    scene = Scene(memory, max_unflushed_reports=64)
    scene.error = StoreError("no space")
    orders = [Order("read", path=f"/3303/0/{number}") for number in range(1, 65)]
    for value in range(8):  # each failed flush parts what was read before from what is read then
        for order in orders:
            result = Result(True, "2.05", read_pack(order, value), content_format=60)
            scene.values.read(["dev-1"], [order], [result], scene.now + value)
        with pytest.raises(StoreError):
            flush(scene)
    batch = scene.values._batch
    assert scene.count("unflushed") == len(batch.items) == 64
    assert sorted(batch.keys["dev-1"]) == sorted(batch.items)
