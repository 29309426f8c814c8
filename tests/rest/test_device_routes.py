"""Devices over HTTP: naming them, listing them, reading from them."""

from __future__ import annotations

import pytest
from fake_service import Answer, Api, FakeService

from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import (
    DeviceAsleep,
    DeviceError,
    DeviceTimeout,
    QueueFull,
    RequestError,
    StoreError,
)
from lwm2m_fast.rest.direct import wants_octets
from lwm2m_fast.rest.paths import code_text


@pytest.mark.parametrize(
    ("raw", "endpoint"),
    [
        ("dev-1", "dev-1"),
        ("%64ev-1", "dev-1"),
        ("urn:imei:356938035643809", "urn:imei:356938035643809"),
        ("urn%3Aimei%3A356938035643809", "urn:imei:356938035643809"),
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("w%C3%A4rme-%CF%80", "wärme-π"),
    ],
)
def test_an_endpoint_is_one_percent_encoded_segment(api: Api, raw: str, endpoint: str) -> None:
    assert api.get(f"/api/v1/devices/{raw}").json()["endpoint"] == endpoint
    assert api.get(f"/api/v1/devices/{raw}/3/0/0").json()["endpoint"] == endpoint
    assert api.service.performed == [(endpoint, Order("read", path="/3/0/0"), 30.0)]


def test_a_plain_slash_ends_the_endpoint(api: Api) -> None:
    assert api.get("/api/v1/devices/a/b").status_code == 400
    assert api.service.performed == []


def test_an_endpoint_of_255_bytes_is_taken_and_one_of_256_refused() -> None:
    name = "é" * 127 + "x"
    api = Api(FakeService(name))
    assert api.get(f"/api/v1/devices/{name}").json()["endpoint"] == name
    answer = api.get(f"/api/v1/devices/{name}y")
    assert answer.status_code == 400
    assert "1 to 255 bytes" in answer.json()["detail"]


def test_an_endpoint_that_is_not_utf8_is_refused(api: Api) -> None:
    answer = api.get("/api/v1/devices/%FF")
    assert answer.status_code == 400
    assert "not UTF-8" in answer.json()["detail"]


def test_an_unknown_device_is_a_404_problem(api: Api) -> None:
    answer = api.get("/api/v1/devices/nobody")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:lwm2m-fast:problem:unknown-device",
        "title": "Not Found",
        "status": 404,
        "detail": "no device is registered as 'nobody'",
    }


def test_a_list_goes_on_from_its_cursor_to_its_end() -> None:
    api = Api(FakeService(*(f"dev-{i}" for i in range(5))))
    names: list[str] = []
    cursor: int | None = 0
    while cursor is not None:
        page = api.get(f"/api/v1/devices?limit=2&cursor={cursor}").json()
        names += [one["endpoint"] for one in page["devices"]]
        cursor = page["next_cursor"]
    assert names == [f"dev-{i}" for i in range(5)]


def test_a_list_can_be_narrowed_to_a_part_of_the_name(api: Api) -> None:
    page = api.get("/api/v1/devices", params={"contains": "imei:"}).json()
    assert [one["endpoint"] for one in page["devices"]] == ["urn:imei:356938035643809"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=1", 200),
        ("limit=0", 400),
        ("limit=1000", 200),
        ("limit=1001", 400),
        ("cursor=9223372036854775807", 200),
        ("cursor=9223372036854775808", 400),
        ("cursor=-1", 400),
        ("limit=many", 400),
        ("contains=" + "x" * 255, 200),
        ("contains=" + "x" * 256, 400),
    ],
)
def test_the_limits_of_a_list(api: Api, query: str, status: int) -> None:
    assert api.get(f"/api/v1/devices?{query}").status_code == status


def test_wrong_input_names_its_field_but_not_its_value(api: Api) -> None:
    answer = api.get("/api/v1/devices?limit=sesame")
    body = answer.json()
    assert body["type"] == "urn:lwm2m-fast:problem:input"
    assert [one["field"] for one in body["errors"]] == ["query.limit"]
    assert "sesame" not in answer.text


def test_a_registration_can_be_removed_once(api: Api) -> None:
    assert api.ask("DELETE", "/api/v1/devices/a%2Fb", "operate").status_code == 204
    assert api.ask("DELETE", "/api/v1/devices/a%2Fb", "operate").status_code == 404
    assert "a/b" not in api.service.registered


@pytest.mark.parametrize("path", ["3", "3/0", "3/0/7", "3/0/7/1", "65534", "0/0/0/65534"])
def test_every_depth_of_path_can_be_read(api: Api, path: str) -> None:
    assert api.get(f"/api/v1/devices/dev-1/{path}").status_code == 200
    assert api.service.performed[0][1].path == f"/{path}"


@pytest.mark.parametrize(
    "path",
    ["65535", "3/65535", "3/0/0/0/0", "x", "3/x", "3/-1", "3/0/", "3//0", "%D9%A3", "03%2F0x"],
)
def test_a_path_that_is_none_is_refused(api: Api, path: str) -> None:
    answer = api.get(f"/api/v1/devices/dev-1/{path}")
    assert answer.status_code == 400
    assert api.service.performed == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("timeout=0.1", 200),
        ("timeout=0.09", 400),
        ("timeout=600", 200),
        ("timeout=600.1", 400),
        ("timeout=nan", 400),
        ("timeout=inf", 400),
        ("accept=0", 200),
        ("accept=65535", 200),
        ("accept=65536", 400),
        ("accept=-1", 400),
    ],
)
def test_the_limits_of_a_read(api: Api, query: str, status: int) -> None:
    assert api.get(f"/api/v1/devices/dev-1/3/0/0?{query}").status_code == status


def test_timeout_and_accept_reach_the_device(api: Api) -> None:
    api.get("/api/v1/devices/dev-1/3/0?timeout=2.5&accept=110")
    order = Order("read", path="/3/0", format=110)
    assert api.service.performed == [("dev-1", order, 2.5)]


@pytest.mark.parametrize(
    ("answer", "value", "payload_hex"),
    [
        (Answer(69, 0, "Wärme".encode()), "Wärme", "57c3a4726d65"),
        (Answer(69, 0, b"\xff"), None, "ff"),
        (Answer(69, 0, b""), "", ""),
        (Answer(69, 40, b"</3/0>"), "</3/0>", "3c2f332f303e"),
        (Answer(69, 42, b"\x00\xff"), "00ff", "00ff"),
        (Answer(69, 11542, b"\xc1\x00\x05"), None, "c10005"),
        (Answer(69, None, b"12"), None, "3132"),
    ],
)
def test_text_and_opaque_have_a_value_and_everything_else_its_bytes(
    api: Api, answer: Answer, value: str | None, payload_hex: str
) -> None:
    api.service.answer = answer
    body = api.get("/api/v1/devices/dev-1/3/0/0").json()
    assert {name: one for name, one in body.items() if name not in ("values", "error")} == {
        "endpoint": "dev-1",
        "path": "/3/0/0",
        "code": "2.05",
        "content_format": answer.content_format,
        "value": value,
        "payload_hex": payload_hex,
        "etag": None,
    }


def test_raw_bytes_come_with_their_content_format(api: Api) -> None:
    api.service.answer = Answer(69, 11542, b"\xc1\x00\x05", b"\x01\x02")
    wanted = {"Accept": "application/octet-stream"}
    answer = api.get("/api/v1/devices/dev-1/3/0/0", headers=wanted)
    assert answer.content == b"\xc1\x00\x05"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-format"] == "11542"
    assert answer.headers["etag"] == '"0102"'


def test_raw_bytes_without_a_format_have_no_content_format_header(api: Api) -> None:
    api.service.answer = Answer(69, None, b"x")
    wanted = {"Accept": "application/octet-stream"}
    assert "content-format" not in api.get("/api/v1/devices/dev-1/3", headers=wanted).headers


@pytest.mark.parametrize(
    ("accept", "octets"),
    [
        ("application/octet-stream", True),
        ("Application/Octet-Stream;q=0.9, */*", True),
        ("application/json, application/octet-stream", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_raw_bytes_are_sent_only_when_asked_for_without_json(accept: str, octets: bool) -> None:
    assert wants_octets(accept) is octets


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (0x80, 502),  # 4.00
        (0x81, 403),  # 4.01
        (0x83, 403),  # 4.03
        (0x84, 404),  # 4.04
        (0x85, 405),  # 4.05
        (0x86, 406),  # 4.06
        (0xA0, 502),  # 5.00
        (0xA3, 502),  # 5.03
    ],
)
def test_a_refusal_of_the_device_tells_its_coap_code(api: Api, code: int, status: int) -> None:
    api.service.answer = Answer(code, None, b"no such thing\x1b[2J")
    answer = api.get("/api/v1/devices/dev-1/3/0/0")
    assert answer.status_code == status
    body = answer.json()
    assert body["coap_code"] == code_text(code)
    assert body["type"] == "urn:lwm2m-fast:problem:device-refused"
    assert "no such thing" in body["detail"]
    assert "\x1b" not in body["detail"]


def test_a_code_that_is_no_answer_is_a_bad_gateway(api: Api) -> None:
    api.service.answer = Answer(0, None, b"")  # an empty message
    answer = api.get("/api/v1/devices/dev-1/3/0/0")
    assert answer.status_code == 502
    assert answer.json()["coap_code"] == "0.00"
    assert "no answer to read" in answer.json()["detail"]


def test_the_diagnostic_of_a_refusal_is_cut_at_200_bytes(api: Api) -> None:
    api.service.answer = Answer(0x80, None, b"y" * 201)
    detail = api.get("/api/v1/devices/dev-1/3").json()["detail"]
    assert detail.count("y") - "the device answered 4.00".count("y") == 200


@pytest.mark.parametrize(
    ("error", "status", "kind", "retry_after"),
    [
        (QueueFull("'dev-1'", 16), 429, "queue-full", "1"),
        (DeviceTimeout("'dev-1' did not answer within 30 s"), 504, "device-timeout", None),
        (DeviceError("'dev-1' answered with a reset"), 502, "device", None),
        (DeviceAsleep("dev-1"), 409, "device-asleep", None),
        (RequestError("the server is stopping"), 400, "request", None),
        (StoreError("disk full"), 503, "store", "5"),
    ],
)
def test_a_failed_read_is_a_problem_with_its_status(
    api: Api, error: Exception, status: int, kind: str, retry_after: str | None
) -> None:
    api.service.answer = error
    answer = api.get("/api/v1/devices/dev-1/3/0/0")
    assert answer.status_code == status
    assert answer.json()["type"] == f"urn:lwm2m-fast:problem:{kind}"
    assert answer.json()["detail"] == str(error)
    assert answer.headers.get("retry-after") == retry_after


def test_a_bug_shows_nothing_of_our_inside(api: Api) -> None:
    api.service.answer = ZeroDivisionError("inner secret")
    answer = api.get("/api/v1/devices/dev-1/3/0/0")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "inner secret" not in answer.text
