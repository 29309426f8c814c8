"""Doing one thing to a device at once: HTTP's methods as LwM2M has them."""

from __future__ import annotations

from typing import Any

import pytest
from fake_service import Answer, Api

from lwm2m_fast.errors import DeviceAsleep

ROOT = "/api/v1/devices/dev-1"


def performed(api: Api) -> dict[str, Any]:
    """The one order that reached the device, without what was left out."""
    ((_, order, _),) = api.service.performed
    names = ("op", "path", "value", "values", "arguments", "mode", "format")
    return {name: getattr(order, name) for name in names if getattr(order, name) is not None}


def test_a_read_has_typed_values_beside_the_payload(api: Api) -> None:
    api.service.answer = Answer(69, 0, b"87")
    body = api.get(f"{ROOT}/3/0/9").json()
    assert [(one["path"], one["value"]) for one in body["values"]] == [("/3/0/9", 87)]
    assert (body["value"], body["payload_hex"], body["error"]) == ("87", "3837", None)


def test_a_payload_that_is_no_value_is_still_shown(api: Api) -> None:
    api.service.answer = Answer(69, 0, b"many")
    body = api.get(f"{ROOT}/3/0/9").json()
    assert body["values"] == []
    assert body["value"] == "many"
    assert body["error"]


def test_put_on_a_resource_writes_its_value(api: Api) -> None:
    answer = api.ask("PUT", f"{ROOT}/3/0/15", "operate", json="Europe/Berlin")
    assert answer.status_code == 200
    wanted = {"endpoint": "dev-1", "path": "/3/0/15", "code": "2.04", "location": None}
    assert answer.json() == wanted
    assert performed(api) == {"op": "write", "path": "/3/0/15", "value": "Europe/Berlin"}


def test_put_on_an_instance_writes_its_resources(api: Api) -> None:
    api.ask("PUT", f"{ROOT}/3/0?format=11543", "operate", json={"14": "+01:00"})
    values = {"14": "+01:00"}
    assert performed(api) == {"op": "write", "path": "/3/0", "values": values, "format": 11543}


def test_put_of_octets_writes_opaque(api: Api) -> None:
    octets = {"Content-Type": "application/octet-stream"}
    api.ask("PUT", f"{ROOT}/5/0/0", "operate", content=b"\x00\xff", headers=octets)
    assert performed(api) == {"op": "write", "path": "/5/0/0", "value": {"hex": "00ff"}}


def test_post_on_an_instance_leaves_the_other_resources(api: Api) -> None:
    api.ask("POST", f"{ROOT}/3/0", "operate", json={"14": "+01:00"})
    values = {"14": "+01:00"}
    assert performed(api) == {"op": "write", "path": "/3/0", "values": values, "mode": "update"}


@pytest.mark.parametrize("arguments", [b"", b"0='reboot',1"])
def test_post_on_a_resource_executes_it(api: Api, arguments: bytes) -> None:
    text = {"Content-Type": "text/plain; charset=utf-8"}
    answer = api.ask("POST", f"{ROOT}/3/0/4", "operate", content=arguments, headers=text)
    assert answer.status_code == 200
    given = {"arguments": arguments.decode()} if arguments else {}
    assert performed(api) == {"op": "execute", "path": "/3/0/4", **given}


def test_post_of_json_on_a_resource_updates_it(api: Api) -> None:
    api.ask("POST", f"{ROOT}/3/0/11", "operate", json={"0": 1})
    value = {"0": 1}
    assert performed(api) == {"op": "write", "path": "/3/0/11", "value": value, "mode": "update"}


@pytest.mark.parametrize(
    ("more", "given"),
    [
        ({}, {}),
        ({"json": {"5750": "lamp"}}, {"values": {"5750": "lamp"}}),
        ({"json": {"7": {"5750": "lamp"}}}, {"values": {"7": {"5750": "lamp"}}}),
    ],
)
def test_post_on_an_object_creates_an_instance(
    api: Api, more: dict[str, Any], given: dict[str, Any]
) -> None:
    api.service.location = "3303/5"
    answer = api.ask("POST", f"{ROOT}/3303", "operate", **more)
    assert answer.status_code == 201
    assert answer.json()["location"].strip("/") == "3303/5"
    assert performed(api) == {"op": "create", "path": "/3303", **given}


def test_delete_removes_an_instance(api: Api) -> None:
    answer = api.ask("DELETE", f"{ROOT}/3303/5", "operate")
    assert (answer.status_code, answer.json()["code"]) == (200, "2.02")
    assert performed(api) == {"op": "delete", "path": "/3303/5"}


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("PUT", "3/0/15", b"{"),
        ("PUT", "3/0/15", b"null"),
        ("PUT", "3/0", b"3"),
        ("PUT", "3/0/x", b"3"),
        ("POST", "3/0", b""),
        ("POST", "3/0/4", b"\xff"),
        ("POST", "3/0/4", b"0='"),
        ("POST", "3303", b"[]"),
        ("DELETE", "65535", b""),
    ],
)
def test_what_cannot_be_understood_does_not_reach_the_device(
    api: Api, method: str, path: str, content: bytes
) -> None:
    answer = api.ask(method, f"{ROOT}/{path}", "operate", content=content)
    assert answer.status_code == 400
    assert answer.json()["detail"]
    assert api.service.performed == []


@pytest.mark.parametrize(
    ("code", "status"), [(0x80, 502), (0x81, 403), (0x84, 404), (0x85, 405), (0xA0, 502)]
)
def test_a_refusal_of_a_write_tells_its_coap_code(api: Api, code: int, status: int) -> None:
    api.service.answer = Answer(code, None, b"not here\x1b[2J")
    answer = api.ask("PUT", f"{ROOT}/3/0/15", "operate", json="x")
    assert answer.status_code == status
    assert answer.json()["coap_code"] == f"{code >> 5}.{code & 31:02}"
    assert "not here" in answer.json()["detail"]
    assert "\x1b" not in answer.json()["detail"]


def test_an_answer_that_fits_no_write_is_a_bad_gateway(api: Api) -> None:
    api.service.answer = Answer(69, 0, b"x")
    answer = api.ask("PUT", f"{ROOT}/3/0/15", "operate", json="x")
    assert answer.status_code == 502
    assert answer.json()["coap_code"] == "2.05"


def test_a_sleeping_device_is_a_conflict_that_names_the_way_out(api: Api) -> None:
    api.service.answer = DeviceAsleep("dev-1")
    answer = api.ask("POST", f"{ROOT}/3/0/4", "operate")
    assert answer.status_code == 409
    assert "an operation waits for it" in answer.json()["detail"]
