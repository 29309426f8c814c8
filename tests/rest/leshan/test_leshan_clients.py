"""Leshan's /api/clients: registrations, and the operations on one path."""

from __future__ import annotations

from typing import Any

import pytest
from leshan_service import Face, FakeResult, LeshanService, pack_of

from lwm2m_fast.codec import Kind, Node
from lwm2m_fast.core.orders import Order


def node(kind: str, number: int, name: str, value: Any) -> dict[str, Any]:
    member = "values" if kind == "multiResource" else "value"
    return {"id": number, "kind": kind, "type": name, member: value}


def known(*instances: int) -> dict[str, Any]:
    return {"version": None, "instances": list(instances)}


# Registrations


def test_all_clients_are_one_array() -> None:
    face = Face(LeshanService(*(f"dev-{i:03}" for i in range(600))))
    answer = face.get("/api/clients")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert [one["endpoint"] for one in answer.json()] == [f"dev-{i:03}" for i in range(600)]


def test_no_clients_are_an_empty_array() -> None:
    assert Face(LeshanService()).get("/api/clients").json() == []


def test_a_registration_has_the_members_of_leshan(face: Face) -> None:
    face.service.registered["dev-1"].update(
        links='</>;rt="oma.lwm2m";ct="60 110",</3/0>,</1>;ver=1.1,</1/0>',
        objects={"3": known(0), "1": known(0)},
        attributes={"vendor": "x"},
    )
    assert face.get("/api/clients/dev-1").json() == {
        "endpoint": "dev-1",
        "registrationId": "0aB1",
        "registrationDate": 1700000000000,
        "lastUpdate": 1700000100000,
        "address": "192.0.2.1:40000",
        "lwM2mVersion": "1.1",
        "lifetime": 300,
        "bindingMode": "U",
        "rootPath": "/",
        "objectLinks": [
            {"url": "/", "attributes": {"rt": '"oma.lwm2m"', "ct": '"60 110"'}},
            {"url": "/1", "attributes": {"ver": "1.1"}},
            {"url": "/1/0", "attributes": {}},
            {"url": "/3/0", "attributes": {}},
        ],
        "secure": False,
        "additionalRegistrationAttributes": {"vendor": "x"},
        "queuemode": False,
        "availableInstances": {"1": [0], "3": [0]},
    }


def test_a_text_message_number_is_shown_when_there_is_one(face: Face) -> None:
    face.service.registered["dev-1"]["sms"] = "123"
    assert face.get("/api/clients/dev-1").json()["smsNumber"] == "123"


def test_a_device_with_dtls_is_secure(face: Face) -> None:
    face.service.registered["dev-1"]["transport"] = "coaps"
    assert face.get("/api/clients/dev-1").json()["secure"] is True


@pytest.mark.parametrize("is_asleep", [True, False])
def test_only_a_device_in_queue_mode_sleeps(face: Face, is_asleep: bool) -> None:
    face.service.asleep = {"dev-1"} if is_asleep else set()
    assert "sleeping" not in face.get("/api/clients/dev-1").json()
    face.service.registered["dev-1"]["queue_mode"] = True
    shown = face.get("/api/clients/dev-1").json()
    assert (shown["queuemode"], shown["sleeping"]) == (True, is_asleep)


def test_links_that_are_not_strict_are_made_from_the_objects(face: Face) -> None:
    face.service.registered["dev-1"].update(
        links="</3/0>,,garbage", objects={"5": known(), "3": known(0, 1)}
    )
    links = face.get("/api/clients/dev-1").json()["objectLinks"]
    assert [link["url"] for link in links] == ["/3/0", "/3/1", "/5"]


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/api/clients/nobody"),
        ("GET", "/api/clients/nobody/3"),
        ("GET", "/api/clients/nobody/3/discover"),
        ("GET", "/api/clients/nobody/composite?paths=/3"),
        ("PUT", "/api/clients/nobody/3/0"),
        ("PUT", "/api/clients/nobody/3/0/attributes?pmin=1"),
        ("PUT", "/api/clients/nobody/composite"),
        ("POST", "/api/clients/nobody/3/0/4"),
        ("POST", "/api/clients/nobody/3"),
        ("POST", "/api/clients/nobody/3/observe"),
        ("POST", "/api/clients/nobody/composite/observe?paths=/3"),
        ("DELETE", "/api/clients/nobody/3/observe"),
        ("DELETE", "/api/clients/nobody/composite/observe?paths=/3"),
        ("DELETE", "/api/clients/nobody/3/0"),
        ("GET", "/api/objectspecs/nobody"),
    ],
)
def test_an_unknown_device_is_400_in_plain_text(face: Face, method: str, path: str) -> None:
    body = {"json": {"id": 0, "resources": []}} if path.endswith("/3") or "/0" in path else {}
    if path.endswith("composite"):
        body = {"json": {"/3/0/15": node("singleResource", 15, "STRING", "x")}}
    answer = face.ask(method, path, **body)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == "No registered client with id 'nobody'"


# Read and Discover


@pytest.mark.parametrize("path", ["/3", "/3/0", "/3/0/9", "/3/0/6/1", "/3/0/9/"])
def test_read_goes_to_any_depth(face: Face, path: str) -> None:
    answer = face.device("GET", path, role="read")
    assert answer.status_code == 200
    assert face.order == Order("read", path.rstrip("/"), is_unchecked=True)


def test_what_was_read_is_in_content(face: Face) -> None:
    face.says(Node("/3/0/9", 85))
    assert face.device("GET", "/3/0/9").json() == {
        "status": "CONTENT(205)",
        "valid": True,
        "success": True,
        "failure": False,
        "content": {"kind": "singleResource", "id": 9, "type": "INTEGER", "value": "85"},
    }


def test_a_refusal_of_the_device_is_200_with_failure(face: Face) -> None:
    face.service.result = FakeResult(False, "4.04", error="no such thing")
    answer = face.device("GET", "/3/0/99")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "NOT_FOUND(404)",
        "valid": True,
        "success": False,
        "failure": True,
        "errormessage": "no such thing",
    }


@pytest.mark.parametrize(
    "code, status",
    [
        ("4.01", "UNAUTHORIZED(401)"),
        ("4.05", "METHOD_NOT_ALLOWED(405)"),
        ("4.00", "BAD_REQUEST(400)"),
        ("5.00", "INTERNAL_SERVER_ERROR(500)"),
        ("4.29", "UNKNOWN(429)"),
    ],
)
def test_a_refusal_without_words_has_only_its_status(face: Face, code: str, status: str) -> None:
    face.service.result = FakeResult(False, code)
    assert face.device("GET", "/3").json() == {
        "status": status, "valid": True, "success": False, "failure": True,
    }  # fmt: skip


def test_an_answer_that_cannot_be_used_is_500(face: Face) -> None:
    face.service.result = FakeResult(False, "2.05", error="TLV: truncated")
    answer = face.device("GET", "/3")
    assert answer.status_code == 500
    assert answer.text == "Invalid Response: TLV: truncated"


def test_moments_are_told_beside_the_newest_value(face: Face) -> None:
    face.says(
        Node("/3303/0/5700", 1.0, Kind.FLOAT, 1_700_000_000_000_000_000),
        Node("/3303/0/5700", 2.5, Kind.FLOAT, 1_700_000_001_500_000_000),
    )
    shown = face.device("GET", "/3303/0/5700").json()
    assert shown["content"]["value"] == "2.5"
    assert [(one["timestamp"], one["content"]["value"]) for one in shown["timestamped"]] == [
        (1700000001500.0, "2.5"),
        (1700000000000.0, "1.0"),
    ]


def test_discover_lists_links_with_attributes(face: Face) -> None:
    face.service.result = FakeResult(
        links=[
            {"url": "/3/0", "attributes": {"pmin": "10", "pmax": 60}},
            {"url": "/3/0/6", "attributes": {"dim": "2"}},
            {"url": "/3/0/4", "attributes": {}},
            {"url": "/5", "attributes": {"ver": "1.1", "rt": "x", "flag": None}},
        ]
    )
    shown = face.device("GET", "/3/0/discover").json()
    assert face.order == Order("discover", "/3/0", is_unchecked=True)
    assert shown["status"] == "CONTENT(205)"
    assert shown["objectLinks"] == [
        {"url": "/3/0", "attributes": {"pmin": "10", "pmax": "60"}},
        {"url": "/3/0/6", "attributes": {"dim": "2"}},
        {"url": "/3/0/4", "attributes": {}},
        {"url": "/5", "attributes": {"ver": "1.1", "rt": '"x"', "flag": None}},
    ]


# Write


def test_write_of_a_resource_replaces(face: Face) -> None:
    face.service.result = FakeResult(code="2.04")
    answer = face.device(
        "PUT", "/3/0/15", json=node("singleResource", 15, "STRING", "Europe/Paris")
    )
    assert face.order == Order(
        "write", "/3/0/15", value="Europe/Paris", mode="replace", is_unchecked=True
    )
    assert answer.json() == {
        "status": "CHANGED(204)", "valid": True, "success": True, "failure": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "given, mode", [("true", "replace"), ("TRUE", "replace"), ("false", "update"), ("no", "update")]
)
def test_replace_false_is_an_update(face: Face, given: str, mode: str) -> None:
    body = {"id": 0, "resources": [node("singleResource", 15, "STRING", "x")]}
    assert face.device("PUT", f"/3/0?replace={given}", json=body).status_code == 200
    assert (face.order.mode, face.order.values) == (mode, {"15": "x"})


def test_write_of_an_instance_has_its_resources(face: Face) -> None:
    body = {
        "kind": "instance",
        "id": 0,
        "resources": [
            node("singleResource", 1, "INTEGER", "86400"),
            node("singleResource", 6, "BOOLEAN", True),
        ],
    }
    face.device("PUT", "/1/0", json=body)
    assert face.order.values == {"1": 86400, "6": True}
    assert face.order.value is None


def test_write_of_a_multiple_resource_has_its_instances(face: Face) -> None:
    face.device("PUT", "/16/0/0", json=node("multiResource", 0, "STRING", {"0": "aa", "3": "dd"}))
    assert face.order.value == {"0": "aa", "3": "dd"}


def test_write_of_a_resource_instance(face: Face) -> None:
    face.device("PUT", "/16/0/0/3", json=node("resourceInstance", 3, "STRING", "dd"))
    assert (face.order.path, face.order.value) == ("/16/0/0/3", "dd")


def test_plain_text_is_the_value_of_a_string_resource(face: Face) -> None:
    text = {"content": "Wärme", "headers": {"Content-Type": "text/plain; charset=utf-8"}}
    assert face.device("PUT", "/3/0/15", **text).status_code == 200
    assert face.order.value == "Wärme"


def test_plain_text_for_another_type_is_refused(face: Face) -> None:
    text = {"content": "5", "headers": {"Content-Type": "text/plain"}}
    answer = face.device("PUT", "/1/0/1", **text)
    assert answer.status_code == 400
    assert answer.text == "Invalid request: /1/0/1 is of type INTEGER, not STRING"
    assert not face.service.asked


@pytest.mark.parametrize("kind", ["application/xml", "", "text/plain"])
def test_another_media_type_is_refused(face: Face, kind: str) -> None:
    answer = face.device("PUT", "/3/0", content="<a/>", headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert answer.text == f"Invalid request: content type {kind!r} not supported for /3/0"


@pytest.mark.parametrize("path", ["/3", "/3/0/6/0/1", "/x/0", "/3/70000"])
def test_write_needs_two_to_four_ids(face: Face, path: str) -> None:
    answer = face.device("PUT", path, json=node("singleResource", 0, "STRING", ""))
    assert answer.status_code == 400
    assert answer.text.startswith("Invalid request: the path ")


def test_json_that_is_none_is_refused(face: Face) -> None:
    answer = face.device(
        "PUT", "/3/0/15", content=b'{"id":', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.text.startswith("Invalid request: the body is not JSON")


# Write-Attributes


def test_the_query_is_the_list_of_attributes(face: Face) -> None:
    answer = face.device("PUT", "/3303/0/5700/attributes?pmin=10&pmax=60&gt=2.5&lt&st=0.5")
    assert answer.status_code == 200
    assert face.order == Order(
        "write_attributes",
        "/3303/0/5700",
        attributes={"pmin": 10, "pmax": 60, "gt": 2.5, "lt": None, "st": 0.5},
        is_unchecked=True,
    )


@pytest.mark.parametrize("path", ["/3303", "/3303/0", "/3303/0/5700", "/16/0/0/1"])
def test_attributes_are_written_at_every_level(face: Face, path: str) -> None:
    assert face.device("PUT", f"{path}/attributes?pmin=1").status_code == 200
    assert face.order.path == path


@pytest.mark.parametrize(
    "query, why",
    [
        ("pmin=1&timeout=5", "timeout"),
        ("pmin=abc", "'abc' is not a number"),
        ("pmin=1e3", "'1e3' is not a number"),
        ("pmin=", "'' is not a number"),
        ("pmin=1&pmin=2", "'pmin' is given twice"),
        ("", "0 attributes"),
        ("&".join(f"a{i}=1" for i in range(17)), "17 attributes"),
    ],
)
def test_a_wrong_attribute_is_refused(face: Face, query: str, why: str) -> None:
    answer = face.device("PUT", f"/3303/0/attributes?{query}")
    assert answer.status_code == 400
    assert why in answer.text
    assert not face.service.asked


# Execute, Create, Delete


def test_execute_without_a_body_has_no_arguments(face: Face) -> None:
    face.service.result = FakeResult(code="2.04")
    assert face.device("POST", "/3/0/4").json()["status"] == "CHANGED(204)"
    assert face.order == Order("execute", "/3/0/4", is_unchecked=True)


def test_the_body_of_execute_is_its_arguments(face: Face) -> None:
    face.device("POST", "/3/0/4", content="0='1',2")
    assert face.order.arguments == "0='1',2"


def test_arguments_that_are_none_are_refused(face: Face) -> None:
    answer = face.device("POST", "/3/0/4", content="hello")
    assert answer.status_code == 400
    assert answer.text.startswith("Invalid request: ")


def test_create_with_the_id_in_the_node(face: Face) -> None:
    face.service.result = FakeResult(code="2.01")
    body = {"id": "7", "resources": [node("singleResource", 5701, "STRING", "Cel")]}
    assert face.device("POST", "/3303", json=body).json()["status"] == "CREATED(201)"
    assert (face.order.path, face.order.values) == ("/3303/7", {"5701": "Cel"})


def test_create_without_an_id_shows_where_it_is(face: Face) -> None:
    face.service.result = FakeResult(code="2.01", location="3303/5")
    body = {"resources": [node("singleResource", 5701, "STRING", "Cel")]}
    assert face.device("POST", "/3303", json=body).json() == {
        "status": "CREATED(201)",
        "valid": True,
        "success": True,
        "failure": False,
        "location": "3303/5",
    }
    assert (face.order.path, face.order.values) == ("/3303", {"5701": "Cel"})


def test_create_without_a_location_leaves_it_out(face: Face) -> None:
    face.service.result = FakeResult(code="2.01")
    assert "location" not in face.device("POST", "/3303", json={"resources": []}).json()


def test_create_takes_the_id_of_the_path(face: Face) -> None:
    face.device("POST", "/3303/5", json={"resources": []})
    assert (face.order.path, face.order.values) == ("/3303/5", {})


@pytest.mark.parametrize(
    "path, body, why",
    [
        ("/3303/5", {"id": 6, "resources": []}, "the id 6"),
        ("/3303", {"id": 3303, "instances": []}, "'obj' does not fit"),
        ("/3303", [], "not a JSON object"),
        ("/16", {"resources": [node("multiResource", 0, "STRING", {"0": "a"})]}, "give it an id"),
    ],
)
def test_a_create_that_is_none_is_refused(face: Face, path: str, body: Any, why: str) -> None:
    answer = face.device("POST", path, json=body)
    assert answer.status_code == 400
    assert why in answer.text


def test_four_ids_can_neither_be_executed_nor_created(face: Face) -> None:
    answer = face.device("POST", "/3/0/6/0")
    assert answer.status_code == 400
    assert "4 ids, not 1 to 3" in answer.text


def test_delete_of_an_instance(face: Face) -> None:
    face.service.result = FakeResult(code="2.02")
    assert face.device("DELETE", "/3303/5").json()["status"] == "DELETED(202)"
    assert face.order == Order("delete", "/3303/5", is_unchecked=True)


# Parameters


@pytest.mark.parametrize(
    "name, number",
    [
        ("TLV", 11542), ("JSON", 11543), ("SENML_JSON", 110), ("SENML_CBOR", 112), ("TEXT", 0),
        ("OPAQUE", 42), ("CBOR", 60), ("LINK", 40), ("senml_cbor", 112), ("nonsense", None),
        ("", None), ("None", None),
    ],
)  # fmt: skip
def test_formats_go_by_name_and_unknown_ones_are_none(
    face: Face, name: str, number: int | None
) -> None:
    face.says(Node("/3/0/9", 85))
    assert face.device("GET", f"/3/0/9?format={name}").status_code == 200
    assert face.order.format == number


def test_write_create_and_observe_have_a_format_too() -> None:
    resources = {"id": 0, "resources": []}
    for method, path, more in (
        ("PUT", "/3/0", {"json": resources}),
        ("POST", "/3303", {"json": resources}),
        ("POST", "/3/0/observe", {}),
    ):
        face = Face()
        face.device(method, f"{path}?format=SENML_JSON", **more)
        assert face.order.format == 110


@pytest.mark.parametrize(
    "given, seconds",
    [
        ("", 5.0), ("?timeout=30", 30.0), ("?timeout=1.5", 1.5), ("?timeout=abc", 5.0),
        ("?timeout=", 5.0), ("?timeout=-1", 5.0), ("?timeout=0", 5.0), ("?timeout=nan", 5.0),
        ("?timeout=600", 600.0), ("?timeout=601", 600.0), ("?timeout=0.1", 1.0),
        ("?timeout=1", 1.0),
    ],
)  # fmt: skip
def test_a_timeout_is_in_seconds_and_otherwise_five(face: Face, given: str, seconds: float) -> None:
    face.device("GET", f"/3{given}")
    assert face.timeout_s == seconds


def test_an_endpoint_may_have_any_characters() -> None:
    face = Face(LeshanService("urn:imei:1", "a/b c"))
    face.service.result = FakeResult(pack=pack_of(Node("/3/0/9", 1)))
    assert face.get("/api/clients/urn:imei:1/3/0/9").status_code == 200
    assert face.get("/api/clients/a%2Fb%20c/3/0/9").status_code == 200
    assert [asked[0] for asked in face.service.asked] == ["urn:imei:1", "a/b c"]
