"""Leshan's event stream: names and data of each event, and the stream itself."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from fake_service import device
from leshan_service import Face, LeshanService, event

from lwm2m_fast.core.orders import Order
from lwm2m_fast.rest.events import EventStream
from lwm2m_fast.rest.leshan.events import HEARTBEAT_S, events, told


def heard(face: Face, kind: str, **data: Any) -> list[tuple[str, dict[str, Any]]]:
    """What the stream says for one event of ours."""
    context = face.app.state.context
    return [(one.name, one.data) for one in told(context, event(kind, data))]


def row(path: str, name: str, value: Any, time: float | None = None) -> dict[str, Any]:
    return {"path": path, "type": name, "value": value, "time": time}


# Registrations


def test_a_registration(face: Face) -> None:
    ((name, data),) = heard(face, "registered", **device("dev-1"))
    assert name == "REGISTRATION"
    assert data == face.get("/api/clients/dev-1").json()


def test_a_re_registration_is_a_deregistration_and_a_registration(face: Face) -> None:
    (old, new) = heard(face, "registered", **device("dev-1"), replaces="0ld")
    assert (old[0], old[1]["registrationId"]) == ("DEREGISTRATION", "0ld")
    assert (new[0], new[1]["registrationId"]) == ("REGISTRATION", "0aB1")


@pytest.mark.parametrize("kind", ["deregistered", "expired"])
def test_a_device_that_has_left(face: Face, kind: str) -> None:
    face.service.registered.clear()
    ((name, data),) = heard(face, kind, **device("dev-1"))
    assert (name, data["endpoint"]) == ("DEREGISTRATION", "dev-1")


def test_an_update_has_the_registration_and_what_is_new(face: Face) -> None:
    ((name, data),) = heard(face, "updated", **device("dev-1"))
    assert name == "UPDATED"
    assert data["registration"]["lastUpdate"] == 1700000100000
    assert data["update"] == {
        "registrationId": "0aB1",
        "address": "192.0.2.1:40000",
        "lifetime": 300,
        "alternatePath": "/",
        "objectLinks": [{"url": "/3/0", "attributes": {}}],
        "secure": False,
        "additionalAttributes": {},
    }


@pytest.mark.parametrize("kind, name", [("asleep", "SLEEPING"), ("awake", "AWAKE")])
def test_presence(face: Face, kind: str, name: str) -> None:
    assert heard(face, kind) == [(name, {"ep": "dev-1"})]


# What devices report


def test_a_notification(face: Face) -> None:
    said = heard(
        face, "notification", path="/3/0/9", observation=1, values=[row("/3/0/9", "INTEGER", 85)]
    )
    val = {"kind": "singleResource", "id": 9, "type": "INTEGER", "value": "85"}
    data = {"ep": "dev-1", "kind": "single", "res": "/3/0/9", "val": val}
    assert said == [("NOTIFICATION", {**data, "received": 1700000000500})]


def test_a_composite_notification(face: Face) -> None:
    values = [row("/3/0/9", "INTEGER", 85), row("/1/0/7", "STRING", "U")]
    ((name, data),) = heard(
        face, "notification", paths=["/3/0/9", "/1/0", "/4"], observation=1, values=values
    )
    assert name == "NOTIFICATION"
    assert (data["kind"], data["paths"]) == ("composite", ["/3/0/9", "/1/0", "/4"])
    assert {path: node["kind"] for path, node in data["val"].items()} == {
        "/3/0/9": "singleResource", "/1/0": "instance",
    }  # fmt: skip


def test_a_notification_with_moments_keeps_all_of_them(face: Face) -> None:
    values = [
        row("/3303/0/5700", "FLOAT", 1.5, 1700000000.0),
        row("/3303/0/5700", "FLOAT", 2.5, 1700000001.25),
    ]
    ((_, data),) = heard(face, "notification", path="/3303/0/5700", observation=1, values=values)
    assert data["val"]["value"] == "2.5"
    assert [(one["timestamp"], one["val"]["value"]) for one in data["timestamped"]] == [
        (1700000001250.0, "2.5"),
        (1700000000000.0, "1.5"),
    ]


def test_a_notification_that_cannot_be_read_is_told_as_an_error(face: Face) -> None:
    said = heard(face, "notification", path="/3/0/9", values=[], error="TLV: truncated")
    wanted = {
        "ep": "dev-1", "received": 1700000000500, "paths": ["/3/0/9"],
        "errormessage": "TLV: truncated",
    }  # fmt: skip
    assert said == [("NOTIFICATION_ERROR", wanted)]


def test_an_observation_that_the_device_ended(face: Face) -> None:
    said = heard(face, "observe_ended", path="/3303/0", observation=1, code="4.04")
    wanted = {
        "ep": "dev-1", "received": 1700000000500, "paths": ["/3303/0"], "status": "NOT_FOUND(404)",
    }  # fmt: skip
    assert said == [("OBSERVATION_ENDED", wanted)]


def test_a_send(face: Face) -> None:
    values = [row("/3/0/9", "INTEGER", 85), row("/3/0/6/0", "INTEGER", 1)]
    said = heard(face, "send", values=values, paths=["/3/0/9", "/3/0/6/0"])
    assert said == [
        (
            "SEND",
            {
                "ep": "dev-1",
                "val": {
                    "/3/0/9": {"kind": "singleResource", "id": 9, "type": "INTEGER", "value": "85"},
                    "/3/0/6/0": {
                        "kind": "resourceInstance", "id": 0, "type": "INTEGER", "value": "1",
                    },
                },
                "received": 1700000000500,
            },
        )
    ]  # fmt: skip


def test_a_send_has_the_newest_moment_and_beside_it_all(face: Face) -> None:
    values = [
        row("/3303/0/5700", "FLOAT", 1.5, 1700000000.0),
        row("/3303/0/5700", "FLOAT", 2.5, 1700000009.0),
        row("/3303/0/5701", "STRING", "Cel", 1700000009.0),
    ]
    ((_, data),) = heard(face, "send", values=values)
    assert [one["value"] for one in data["val"].values()] == ["2.5", "Cel"]
    assert [one["timestamp"] for one in data["timestamped"]] == [1700000009000.0, 1700000000000.0]
    assert list(data["timestamped"][1]["val"]) == ["/3303/0/5700"]


def test_a_send_that_cannot_be_read_is_told_as_an_error(face: Face) -> None:
    ((name, data),) = heard(face, "send", values=[], error="CBOR: truncated")
    assert (name, data["errormessage"]) == ("SEND_ERROR", "CBOR: truncated")


# Delayed requests


def operation(order: Order, state: str, **more: Any) -> dict[str, Any]:
    return LeshanService.operation_of("dev-1", order, 41, state, **more)


def test_a_delayed_request_that_was_answered(face: Face) -> None:
    order = Order("read", "/3/0/9", is_unchecked=True)
    result = {"code": "2.05", "values": [row("/3/0/9", "INTEGER", 85)]}
    said = heard(face, "operation", **operation(order, "SUCCESSFUL", result=result))
    val = {"kind": "singleResource", "id": 9, "type": "INTEGER", "value": "85"}
    response = {"status": "CONTENT(205)", "valid": True, "success": True, "failure": False}
    assert said == [
        (
            "REQUEST_RESPONSE",
            {
                "ep": "dev-1",
                "path": "/3/0/9",
                "requestId": "41",
                "delayed": True,
                "response": {**response, "content": val},
            },
        )
    ]


def test_a_delayed_request_that_was_refused(face: Face) -> None:
    order = Order("execute", "/3/0/4")
    result = {"code": "4.05", "error": "method not allowed"}
    ((_, data),) = heard(face, "operation", **operation(order, "FAILED", result=result))
    assert data["response"] == {
        "status": "METHOD_NOT_ALLOWED(405)", "valid": True, "success": False, "failure": True,
    }  # fmt: skip


def test_a_delayed_request_that_was_never_sent(face: Face) -> None:
    order = Order("read_composite", paths=("/3", "/1"))
    ((_, data),) = heard(face, "operation", **operation(order, "FAILED", reason="expired"))
    assert data["paths"] == ["/3", "/1"]
    assert data["response"] == {
        "valid": False, "success": False, "failure": True, "errormessage": "expired",
    }  # fmt: skip


@pytest.mark.parametrize(
    "state, more",
    [
        ("PENDING", {}),
        ("EXECUTING", {}),
        ("SUCCESSFUL", {"origin": "api"}),
        ("FAILED", {"origin": "post-registration"}),
        ("FAILED", {"order": {"op": "from the future"}}),
    ],
)
def test_other_changes_of_operations_are_not_told(
    face: Face, state: str, more: dict[str, Any]
) -> None:
    assert heard(face, "operation", **{**operation(Order("read", "/3"), state), **more}) == []


def test_an_event_that_leshan_does_not_have_is_not_told(face: Face) -> None:
    assert heard(face, "something_new", a=1) == []


# The stream


@pytest.mark.parametrize(
    "query, wanted",
    [("", None), ("?dev-1", None), ("?ep=", None), ("?ep=dev-1", "dev-1"), ("?ep=a%2Fb", "a/b")],
)
@pytest.mark.parametrize("path", ["/api/event", "/api/event/anything"])
def test_only_ep_filters(path: str, query: str, wanted: str | None) -> None:
    async def opened() -> list[str | None]:
        face = Face()
        closing: asyncio.Event = face.app.state.context.closing
        closing.set()
        parts = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode()}
        scope = {
            **parts, "query_string": query[1:].encode(), "http_version": "1.1", "root_path": "",
            "headers": [(b"authorization", b"Bearer secret-of-read")], "scheme": "http",
            "server": ("test", 80), "client": ("127.0.0.1", 1),
        }  # fmt: skip
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            return {}

        async def send(message: Any) -> None:
            sent.append(message)

        async with asyncio.timeout(5):
            await face.app(scope, receive, send)
        assert dict(sent[0]["headers"])[b"content-type"].startswith(b"text/event-stream")
        return face.service.subscribed

    assert asyncio.run(opened()) == [wanted]


def test_lines_are_as_zephyrs_suite_reads_them(face: Face) -> None:
    async def played() -> str:
        face.app.state.context.closing.clear()
        stream = await events(face.app.state.context, "default")
        assert isinstance(stream, EventStream)
        parts: list[bytes] = []
        connected, read = asyncio.Event(), asyncio.Event()

        async def receive() -> dict[str, Any]:
            await read.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            parts.append(message.get("body", b""))
            connected.set()
            if b"event: SEND" in parts[-1]:
                read.set()

        task = asyncio.create_task(stream({"type": "http"}, receive, send))  # type: ignore[arg-type]
        await connected.wait()
        queue = face.service.subscriptions[0].queue
        queue.put_nowait(event("something_new", {}))
        queue.put_nowait(event("registered", {**device("dev-1"), "replaces": "0ld"}))
        queue.put_nowait(event("send", {"values": [row("/3/0/9", "INTEGER", 85)]}))
        async with asyncio.timeout(5):
            await task
        return b"".join(parts).decode()

    lines = asyncio.run(played()).split("\n")
    names = [line for line in lines if line.startswith("event:")]
    assert names == ["event: DEREGISTRATION", "event: REGISTRATION", "event: SEND"]
    data = lines[lines.index("event: SEND") + 1]
    assert data.startswith("data: ")
    assert orjson.loads(data.removeprefix("data: "))["val"]["/3/0/9"]["value"] == "85"


def test_a_silent_stream_says_something_before_ten_seconds_are_over() -> None:
    assert HEARTBEAT_S < 10


def test_streams_beyond_the_limit_are_429_in_plain_text() -> None:
    face = Face(max_subscribers=2)
    face.counters["http_subscribers_current"] = 2
    answer = face.get("/api/event")
    assert answer.status_code == 429
    assert answer.headers["content-type"].startswith("text/plain")
