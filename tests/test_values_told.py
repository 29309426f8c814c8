"""What listeners are told of reports, and that nothing is made for nobody."""

from __future__ import annotations

import asyncio

import pytest

from lwm2m_fast.store import Store, open_store
from tests.store.store_kit import Config
from tests.value_kit import (
    CHANGED,
    DEAD,
    SENML_CBOR,
    TEXT,
    UNIX,
    Scene,
    Sink,
    celsius,
    senml,
)


@pytest.fixture
def memory() -> Store:
    return open_store("memory", "", Config())


def flush(scene: Scene) -> None:
    asyncio.run(scene.values.flush())


def test_nothing_is_made_for_nobody(memory: Store) -> None:
    deaf, other = Sink(listens=False), Sink("dev-2")
    scene = Scene(memory, deaf, other)
    scene.registry.observe(1, "dev-1", "/3303/0/5700")
    assert scene.notify(1, b"1") == []
    assert scene.send(senml(celsius(1.0))) == []
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
    (event,) = scene.send(senml(*nodes))
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
