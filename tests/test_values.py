"""Last values: what is heard is shown at once, and kept a moment later."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lwm2m_fast import value_rows, values
from lwm2m_fast.codec import Kind, Node, ObjectLink, encode
from lwm2m_fast.core.ask import Report
from lwm2m_fast.core.operations import Result
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import RequestError
from lwm2m_fast.store import Store
from lwm2m_fast.value_rows import TABLE_VALUES
from tests.value_kit import (
    LWM2M_CBOR,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    TLV,
    UNIX,
    Scene,
    celsius,
    flush,
    senml,
)


def pack(*nodes: Node):
    from lwm2m_fast.codec import decode

    return decode(SENML_CBOR, senml(*nodes), "/")


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
    scene.send(senml(celsius(1.0, 0, new), celsius(2.0, 0, old)))
    flush(scene)
    (value,) = scene.values.listing("dev-1")
    assert (value["value"], value["time"], value["origin"]) == (1.0, UNIX - 30, "SEND")


def test_of_sends_of_the_same_values_the_newest_is_flushed(memory: Store) -> None:
    scene = Scene(memory)
    for number in range(100):
        scene.send(senml(celsius(float(number))))
    scene.send(senml(celsius(-1.0, 1)))
    assert scene.values.counters()["values_unflushed"] == 2
    assert scene.shown() == {"/3303/0/5700": 99.0, "/3303/1/5700": -1.0}
    flush(scene)
    scene.send(senml(celsius(7.0)))
    flush(scene)
    assert scene.shown() == {"/3303/0/5700": 7.0, "/3303/1/5700": -1.0}


def test_a_send_is_read_once(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(memory)
    count = 0

    def counting(read: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object) -> object:
            nonlocal count
            count += 1
            return read(*arguments)

        return counted

    for place in (values, value_rows):
        monkeypatch.setattr(place, "decode_report", counting(place.decode_report))
    scene.send(senml(celsius(1.0)))
    flush(scene)
    assert scene.shown() == {"/3303/0/5700": 1.0}
    assert count == 1


@pytest.mark.parametrize("content_format", [SENML_JSON, SENML_CBOR, LWM2M_CBOR])
def test_a_send_in_each_format_is_kept(memory: Store, content_format: int) -> None:
    scene = Scene(memory)
    scene.send(encode(content_format, [celsius(1.0)]), content_format)
    assert scene.shown() == {"/3303/0/5700": 1.0}
    flush(scene)
    assert scene.values.listing("dev-1")[0]["origin"] == "SEND"


def test_a_send_after_a_delete_in_the_same_moment_is_not_deleted(memory: Store) -> None:
    scene = Scene(memory)
    scene.send(senml(celsius(1.0)))
    order = Order("delete", path="/3303/0")
    scene.values.answered(scene.targets.of("dev-1"), order, Result(True, "2.02"), scene.now + 1)
    scene.send(senml(celsius(2.0)))
    assert scene.shown() == {"/3303/0/5700": 2.0}
    scene.values.answered(scene.targets.of("dev-1"), order, Result(True, "2.02"), scene.now)
    assert scene.shown() == {}
    flush(scene)
    assert scene.shown() == {}


def test_a_report_that_nobody_judged_is_read_all_the_same(memory: Store) -> None:
    scene = Scene(memory)
    report = Report(scene.slot, 0, 0, SENML_CBOR, senml(celsius(1.0)), UNIX, -1)
    scene.values.reports([tuple(report)])
    assert scene.shown() == {"/3303/0/5700": 1.0}
    scene.values.reports([tuple(report._replace(payload=b"\xff"))])
    flush(scene)
    assert scene.count("undecodable") == 1
    scene.registry.objects.clear()
    scene.values.reports([tuple(report)])
    assert scene.count("reports_orphaned") == 1
    assert scene.shown() == {"/3303/0/5700": 1.0}
