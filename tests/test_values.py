"""Last values: what is heard is shown at once, kept a moment later, bounded, and told in full."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from lwm2m_fast import value_rows, values
from lwm2m_fast.codec import Kind, Node, ObjectLink, encode
from lwm2m_fast.core.ask import Report
from lwm2m_fast.core.operations import Result
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import RequestError, StoreError
from lwm2m_fast.fleet.settings import Settings
from lwm2m_fast.store import BACK_ENDS, Store, open_store
from lwm2m_fast.store.changes import put
from lwm2m_fast.value_rows import TABLE_PATHS, TABLE_VALUES
from tests.store.store_kit import Config
from tests.value_kit import (
    CHANGED,
    DEAD,
    LWM2M_CBOR,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    TLV,
    UNIX,
    Scene,
    Sink,
    celsius,
    senml,
)


@pytest.fixture(params=sorted(BACK_ENDS))
def store(request: pytest.FixtureRequest, tmp_path: FilePath) -> Iterator[Store]:
    opened = open_store(request.param, str(tmp_path), Config())
    yield opened
    opened.close()


@pytest.fixture
def memory() -> Store:
    return open_store("memory", "", Config())


def flush(scene: Scene) -> None:
    asyncio.run(scene.values.flush())


def pack(*nodes: Node):
    from lwm2m_fast.codec import decode

    return decode(SENML_CBOR, senml(*nodes), "/")


# Hearing and showing


def test_a_notification_is_shown_at_once_and_after_a_flush_the_same(store: Store) -> None:
    scene = Scene(store)
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    scene.notify(1, b"21.5")
    before = scene.values.listing("dev-1")
    assert before == [
        {
            "path": "/3303/0/5700",
            "type": "FLOAT",
            "value": 21.5,
            "time": UNIX + 1,
            "origin": "NOTIFICATION",
            "object": "Temperature",
            "name": "Sensor Value",
            "units": None,
            "operations": "R",
        }
    ]
    assert list(store.state.load(TABLE_VALUES)) == []
    flush(scene)
    assert scene.values.listing("dev-1") == before
    assert len(list(store.state.load(TABLE_VALUES))) == 1
    assert scene.count("unflushed") == 0


def test_a_newer_report_takes_the_place_of_the_older(store: Store) -> None:
    scene = Scene(store)
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    for n in range(10):
        scene.notify(1, b"%d" % n)
    assert scene.count("unflushed") == 1
    flush(scene)
    scene.notify(1, b"99")
    assert scene.shown() == {"/3303/0/5700": 99.0}
    flush(scene)
    assert scene.shown() == {"/3303/0/5700": 99.0}
    assert scene.count("stored") == 2


def test_every_kind_of_value_survives_the_store(store: Store) -> None:
    nodes = [
        Node("/3303/0/1", "grün", Kind.STRING),
        Node("/3303/0/2", -(2**63), Kind.INTEGER),
        Node("/3303/0/3", 2**64 - 1, Kind.UNSIGNED_INTEGER),
        Node("/3303/0/4", -0.5, Kind.FLOAT),
        Node("/3303/0/5", True, Kind.BOOLEAN),
        Node("/3303/0/6", b"\0\xff", Kind.OPAQUE),
        Node("/3303/0/7", 1_700_000_000, Kind.TIME),
        Node("/3303/0/8", ObjectLink(3, 65535), Kind.OBJLNK),
        Node("/3303/0/9", "</3>", Kind.CORELNK),
        Node("/3303/0/10/65535", 7, Kind.INTEGER),
        Node("/3303/0/11/0", 8, Kind.INTEGER),
    ]
    scene = Scene(store)
    target = scene.targets.of("dev-1")
    from lwm2m_fast.codec.pack import pack_nodes

    result = Result(True, "2.05", pack_nodes(b"", SENML_CBOR, nodes))
    scene.values.answered(target, Order("read", path="/3303/0"), result, UNIX)
    flush(scene)
    listing = scene.start().listing("dev-1")
    assert [(each["path"], each["type"], each["value"]) for each in listing] == [
        ("/3303/0/1", "STRING", "grün"),
        ("/3303/0/2", "INTEGER", -(2**63)),
        ("/3303/0/3", "UNSIGNED_INTEGER", 2**64 - 1),
        ("/3303/0/4", "FLOAT", -0.5),
        ("/3303/0/5", "BOOLEAN", True),
        ("/3303/0/6", "OPAQUE", {"hex": "00ff"}),
        ("/3303/0/7", "TIME", 1_700_000_000),
        ("/3303/0/8", "OBJLNK", "3:65535"),
        ("/3303/0/9", "CORELNK", "</3>"),
        ("/3303/0/10/65535", "INTEGER", 7),
        ("/3303/0/11/0", "INTEGER", 8),
    ]
    assert {each["origin"] for each in listing} == {"READ_RESPONSE"}


@pytest.mark.parametrize(
    "op, origin",
    [
        ("read", "READ_RESPONSE"),
        ("read_composite", "READ_RESPONSE"),
        ("observe", "OBSERVATION_RESPONSE"),
        ("observe_composite", "OBSERVATION_RESPONSE"),
    ],
)
def test_an_answer_with_values_updates_them(memory: Store, op: str, origin: str) -> None:
    scene = Scene(memory)
    result = Result(True, "2.05", pack(celsius(1.0)))
    order = Order(op, path="/3303/0/5700", paths=("/3303/0/5700",))
    scene.values.answered(scene.targets.of("dev-1"), order, result, UNIX)
    (value,) = scene.values.listing("dev-1")
    assert (value["value"], value["origin"], value["time"]) == (1.0, origin, UNIX)


def test_what_was_heard_last_counts_whatever_brought_it(store: Store) -> None:
    scene = Scene(store)
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    scene.notify(1, b"1")
    target, order = scene.targets.of("dev-1"), Order("read", path="/3303/0/5700")
    scene.now += 1
    scene.values.answered(target, order, Result(True, "2.05", pack(celsius(2.0))), scene.now)
    assert scene.shown() == {"/3303/0/5700": 2.0}
    scene.notify(1, b"3")  # in the place of the first, which the Read had followed
    assert scene.shown() == {"/3303/0/5700": 3.0}
    flush(scene)
    assert scene.shown() == {"/3303/0/5700": 3.0}


def test_a_listing_is_of_what_lies_below_a_path(store: Store) -> None:
    scene = Scene(store)
    scene.send(senml(celsius(1.0), celsius(2.0, 1), Node("/3/0/9", 50, Kind.INTEGER)))
    flush(scene)
    scene.send(senml(celsius(3.0, 1)))
    assert scene.shown() == {"/3/0/9": 50, "/3303/0/5700": 1.0, "/3303/1/5700": 3.0}
    assert scene.shown("/3303") == {"/3303/0/5700": 1.0, "/3303/1/5700": 3.0}
    assert scene.shown("/3303/1/5700") == {"/3303/1/5700": 3.0}
    assert scene.shown("/4") == {}
    assert scene.shown(endpoint="dev-2") == {}
    for bad in ("/x", "3303/0/5700/0/1", "/70000"):
        with pytest.raises(RequestError, match="path"):
            scene.values.listing("dev-1", bad)


def test_values_outlive_the_registration(store: Store) -> None:
    scene = Scene(store)
    scene.send(senml(celsius(1.0)))
    del scene.registry.objects["dev-1"]
    flush(scene)
    (value,) = scene.values.listing("dev-1")
    assert (value["value"], value["name"], value["operations"]) == (1.0, "Sensor Value", "R")


def test_a_report_is_kept_though_its_device_leaves_before_the_flush(store: Store) -> None:
    scene = Scene(store)
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    scene.notify(1, b"1")
    scene.registry.observations.clear()
    scene.registry.objects.clear()
    flush(scene)
    assert scene.shown() == {"/3303/0/5700": 1.0}


def test_a_report_of_nobody_is_counted_and_nothing_else(memory: Store) -> None:
    scene = Scene(memory)
    scene.notify(77, b"1")
    assert scene.count("reports_orphaned") == 1
    scene.registry.observe(1, "gone", "/3303/0/5700")
    scene.notify(1, b"1")
    assert scene.count("reports_orphaned") == 2
    assert scene.count("unflushed") == 0


def test_a_composite_notification_updates_all_its_values(store: Store) -> None:
    scene = Scene(store)
    scene.registry.observe(1, "dev-1", "/3303/0/5700", "/3/0/9", composite=True)
    scene.notify(1, senml(celsius(1.0), Node("/3/0/9", 50, Kind.INTEGER)), SENML_CBOR)
    flush(scene)
    assert scene.shown() == {"/3/0/9": 50, "/3303/0/5700": 1.0}


def test_the_types_are_those_of_the_device(store: Store) -> None:
    scene = Scene(store)
    scene.registry.observe(1, "dev-1", "/3/0")
    nodes = [Node("/3/0/9", 50, Kind.INTEGER), Node("/3/0/13", 1, Kind.TIME)]
    scene.notify(1, encode(TLV, nodes, "/3/0"), TLV)
    flush(scene)
    types = {each["path"]: each["type"] for each in scene.values.listing("dev-1")}
    assert types == {"/3/0/9": "INTEGER", "/3/0/13": "TIME"}


@pytest.mark.parametrize(
    "payload, content_format", [(b"warm", TEXT), (b"", -1), (b"\xff", SENML_CBOR), (b"x", 9999)]
)
def test_what_cannot_be_read_is_counted_and_the_old_value_stays(
    store: Store, payload: bytes, content_format: int
) -> None:
    scene = Scene(store)
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    scene.notify(1, b"1")
    flush(scene)
    scene.notify(1, payload, content_format)
    assert scene.shown() == {"/3303/0/5700": 1.0}
    flush(scene)
    assert scene.shown() == {"/3303/0/5700": 1.0}
    assert scene.count("undecodable") == 1
    assert scene.count("unflushed") == 0


def test_a_fault_of_ours_in_one_report_does_not_keep_the_others(
    memory: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene(memory)
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    scene.registry.observe(2, "dev-1", "/3303/1/5700")
    scene.notify(1, b"1")
    scene.notify(2, b"2")
    read = value_rows.decode_report

    def faulty(target: object, context: object, report: Report) -> object:
        if report.observation == 1:
            raise RuntimeError("a fault")
        return read(target, context, report)  # type: ignore[arg-type]

    monkeypatch.setattr(value_rows, "decode_report", faulty)
    flush(scene)
    assert scene.shown() == {"/3303/1/5700": 2.0}
    assert scene.count("faults") == 1
    assert "a report could not be kept" in caplog.text


# Send


def test_a_send_keeps_the_newest_of_several_moments(store: Store) -> None:
    scene = Scene(store)
    old, new = (int(UNIX) - 60) * 10**9, (int(UNIX) - 30) * 10**9
    code, _ = scene.send(senml(celsius(1.0, 0, new), celsius(2.0, 0, old)))
    assert code == 0
    flush(scene)
    (value,) = scene.values.listing("dev-1")
    assert (value["value"], value["time"], value["origin"]) == (1.0, UNIX - 30, "SEND")


def test_a_send_is_read_once(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(memory)
    read = values.decode_report
    count = 0

    def counting(*arguments: object) -> object:
        nonlocal count
        count += 1
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(values, "decode_report", counting)
    monkeypatch.setattr(value_rows, "decode_report", counting)
    scene.send(senml(celsius(1.0)))
    flush(scene)
    assert scene.shown() == {"/3303/0/5700": 1.0}
    assert count == 1


@pytest.mark.parametrize("content_format", [SENML_JSON, SENML_CBOR, LWM2M_CBOR])
def test_a_send_in_each_format_is_taken_or_refused(memory: Store, content_format: int) -> None:
    scene = Scene(memory)
    good = encode(content_format, [celsius(1.0)])
    assert scene.send(good, content_format)[0] == 0
    assert scene.shown() == {"/3303/0/5700": 1.0}
    assert scene.send(b"\xffgarbage", content_format)[0] == 0x80
    unknown = encode(content_format, [celsius(1.0), celsius(1.0, 2)])
    assert scene.send(unknown, content_format)[0] == 0x84
    assert scene.count("sends_malformed") == 1
    assert scene.count("sends_unregistered") == 1
    assert scene.shown() == {"/3303/0/5700": 1.0}, "nothing of a refused one is kept"


def test_a_send_of_a_device_that_has_gone_is_not_found(memory: Store) -> None:
    scene = Scene(memory)
    scene.registry.objects.clear()
    assert scene.values.judge(scene.slot, SENML_CBOR, senml(celsius(1.0))) == 0x84


def test_a_send_of_an_object_without_instances_is_not_found(memory: Store) -> None:
    scene = Scene(memory)
    scene.registry.register("dev-1", {3303: []})
    assert scene.send(senml(celsius(1.0)))[0] == 0x84


def test_what_was_judged_and_never_reported_is_passed_over(memory: Store) -> None:
    scene = Scene(memory)
    scene.values.judge(scene.slot, SENML_CBOR, senml(celsius(1.0)))
    scene.send(senml(celsius(2.0)))
    assert scene.shown() == {"/3303/0/5700": 2.0}


def test_a_report_that_nobody_judged_is_read_all_the_same(memory: Store) -> None:
    scene = Scene(memory)
    report = Report(scene.slot, 0, 0, SENML_CBOR, senml(celsius(1.0)), UNIX, -1)
    scene.values.reports([report])
    assert scene.shown() == {"/3303/0/5700": 1.0}
    scene.values.reports([report._replace(payload=b"\xff")])
    scene.registry.objects.clear()
    scene.values.reports([report])
    assert scene.count("sends_malformed") == 1
    assert scene.count("reports_orphaned") == 1


# Old values


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


# Bounds


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


# Telling


def test_nothing_is_made_for_nobody(memory: Store) -> None:
    deaf, other = Sink(listens=False), Sink("dev-2")
    scene = Scene(memory, deaf, other)
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    assert scene.notify(1, b"1") == []
    assert scene.send(senml(celsius(1.0))) == (0, [])
    assert scene.notify(1, b"", code=DEAD) == []


def test_a_notification_is_told_with_its_values(memory: Store) -> None:
    scene = Scene(memory, Sink("dev-1"))
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    (event,) = scene.notify(1, b"21.5")
    assert (event.kind, event.endpoint, event.at) == ("notification", "dev-1", UNIX + 1)
    assert event.data == {
        "observation": 1,
        "sequence": 7,
        "path": "/3303/0/5700",
        "content_format": TEXT,
        "values": [{"path": "/3303/0/5700", "type": "FLOAT", "value": 21.5, "time": None}],
    }
    flush(scene)
    assert scene.shown() == {"/3303/0/5700": 21.5}


def test_each_notification_is_told_in_order_though_the_last_is_kept(memory: Store) -> None:
    scene = Scene(memory, Sink())
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    told = [scene.notify(1, b"%d" % n)[0].data["values"][0]["value"] for n in range(3)]
    assert told == [0.0, 1.0, 2.0]
    assert scene.count("unflushed") == 1


def test_a_composite_notification_names_its_paths(memory: Store) -> None:
    scene = Scene(memory, Sink())
    scene.registry.observe(1, "dev-1", "/3303/0/5700", "/3/0/9", composite=True)
    (event,) = scene.notify(1, senml(celsius(1.0)), SENML_CBOR, code=CHANGED)
    assert event.data["paths"] == ["/3/0/9", "/3303/0/5700"]
    assert "path" not in event.data


@pytest.mark.parametrize(
    "payload, content_format, shown",
    [(b"warm", TEXT, TEXT), (b"21", -1, None), (b"\xff", SENML_CBOR, SENML_CBOR)],
)
def test_what_cannot_be_read_is_told_with_the_reason(
    memory: Store, payload: bytes, content_format: int, shown: int | None
) -> None:
    scene = Scene(memory, Sink())
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    (event,) = scene.notify(1, payload, content_format)
    assert event.data["values"] == []
    assert event.data["content_format"] == shown
    assert event.data["payload_hex"] == payload.hex()
    assert event.data["error"]


def test_the_end_of_an_observation_is_told(memory: Store) -> None:
    scene = Scene(memory, Sink())
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    scene.notify(1, b"1")
    (event,) = scene.notify(1, b"gone", code=DEAD)
    assert event.kind == "observe_ended"
    assert event.data["code"] == "4.04"
    assert event.data["path"] == "/3303/0/5700"
    assert bytes.fromhex(event.data["payload_hex"]) == b"gone"
    assert scene.shown() == {"/3303/0/5700": 1.0}, "what was heard before stays"
    del scene.registry.observations[1]
    flush(scene)
    (event,) = scene.notify(1, b"", code=DEAD)
    assert (event.endpoint, event.data["paths"]) == ("dev-1", [])
    assert scene.count("observations_ended") == 2


def test_a_send_is_told_with_every_moment(memory: Store) -> None:
    scene = Scene(memory, Sink())
    moments = [(int(UNIX) - 10 * n) * 10**9 for n in range(3)]
    nodes = [celsius(float(n), 0, moment) for n, moment in enumerate(moments)]
    _, (event,) = scene.send(senml(*nodes))
    assert event.kind == "send"
    assert event.data == {
        "paths": ["/3303/0/5700"],
        "content_format": SENML_CBOR,
        "values": [
            {"path": "/3303/0/5700", "type": "FLOAT", "value": float(n), "time": UNIX - 10 * n}
            for n in range(3)
        ],
    }


def test_an_unreadable_payload_is_shown_to_a_bound(memory: Store) -> None:
    scene = Scene(memory, Sink())
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    (event,) = scene.notify(1, b"x" * 5000)
    assert len(event.data["payload_hex"]) == 2 * 4096
    assert event.data["payload_bytes"] == 5000
