"""What Zephyr's interoperability suite asks of a Leshan, request by request, and what it then does
with the answer. Its requests are made here as it makes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from leshan_service import Face, FakeResult

from lwm2m_fast.codec import Node
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.operations import build, target_of
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import DeviceTimeout
from lwm2m_fast.model import Model, built_in

QUERY = "timeout=10&format=SENML_CBOR"
JSON = {"content-type": "application/json"}

ZEPHYR = {
    "endpoint": "dev-1",
    "lwm2m_version": "1.1",
    "content_formats": [110, 112, 60, 0, 42, 11542, 11543],
    "objects": {
        "0": {"version": None, "instances": [0]},
        "1": {"version": "1.1", "instances": [0]},
        "3": {"version": "1.1", "instances": [0]},
        "5": {"version": None, "instances": [0]},
        "16": {"version": None, "instances": [0]},
        "3303": {"version": None, "instances": [0]},
    },
    "root": "/",
}


@pytest.fixture
def zephyr() -> Face:
    """A face that has no tokens, as the suite sends none."""
    return Face(leshan_open=True)


def asked(zephyr: Face, method: str, path: str, **more: Any) -> Any:
    """A request without a token; what the suite makes of the answer."""
    headers = {"Host": "localhost:8080", **more.pop("headers", {})}
    answer = zephyr.ask(method, f"/api{path}", None, headers=headers, **more)
    if not 200 <= answer.status_code < 300:
        raise RuntimeError(f"{answer.status_code}: {answer.text}")
    return json.loads(answer.text) if answer.text else None


def sent(order: Order) -> CoapRequest:
    """The request that the real core makes of an order of this face."""
    return build(order, target_of(ZEPHYR, Model(built_in())))


def test_the_probe_at_the_start_is_a_list(zephyr: Face) -> None:
    assert asked(zephyr, "GET", f"/security/clients?{QUERY}") == []


def test_registrations_have_the_fields_that_it_compares(zephyr: Face) -> None:
    shown = asked(zephyr, "GET", f"/clients/dev-1?{QUERY}")
    assert shown["lifetime"] == 300
    assert shown["lastUpdate"] > shown["registrationDate"] > 10**12
    assert shown["registrationId"] == "0aB1"
    assert (shown["queuemode"], shown["secure"]) == (False, False)


@pytest.mark.parametrize(
    "name, number",
    [
        ("TLV", 11542), ("JSON", 11543), ("TEXT", 0), ("CBOR", 60), ("OPAQUE", 42),
        ("SENML_JSON", 110), ("SENML_CBOR", 112), ("None", None),
    ],
)  # fmt: skip
def test_reads_in_every_format(zephyr: Face, name: str, number: int | None) -> None:
    zephyr.says(Node("/3/0/0", "Zephyr"))
    shown = asked(zephyr, "GET", f"/clients/dev-1/3/0/0?timeout=10&format={name}")
    assert shown["content"]["value"] == "Zephyr"
    if number not in (None, 42):  # octets are refused for a text, as they should be
        assert sent(zephyr.order).accept == number


@pytest.mark.parametrize(
    "path, body",
    [
        ("3/0/15", {"id": "15", "kind": "singleResource", "value": "x", "type": "string"}),
        ("1/0/1", {"id": "1", "kind": "singleResource", "value": 86400, "type": "integer"}),
        ("1/0/6", {"id": "6", "kind": "singleResource", "value": True, "type": "boolean"}),
        ("3/0/13", {"id": "13", "kind": "singleResource", "value": 1700000000000, "type": "time"}),
        ("16/0/0/0", {"id": "0", "kind": "resourceInstance", "value": "x", "type": "string"}),
    ],
)
def test_writes_with_ids_as_text_and_types_in_small_letters(
    zephyr: Face, path: str, body: dict[str, Any]
) -> None:
    zephyr.service.result = FakeResult(code="2.04")
    shown = asked(
        zephyr, "PUT", f"/clients/dev-1/{path}?{QUERY}", content=json.dumps(body), headers=JSON
    )
    assert shown["status"] == "CHANGED(204)"
    assert (sent(zephyr.order).method, sent(zephyr.order).content_format) == (3, 112)


@pytest.mark.parametrize("replace, method", [("true", 3), ("false", 2)])
def test_an_instance_is_replaced_or_updated(zephyr: Face, replace: str, method: int) -> None:
    resources = [
        {"id": 0, "kind": "multiResource", "values": {"0": "a", "1": "b"}, "type": "string"}
    ]
    body = {"kind": "instance", "id": 0, "resources": resources}
    url = f"/clients/dev-1/16/0?{QUERY}&replace={replace}"
    asked(zephyr, "PUT", url, content=json.dumps(body), headers=JSON)
    assert sent(zephyr.order).method == method


def test_an_instance_is_created_with_its_id_in_the_node_only(zephyr: Face) -> None:
    zephyr.service.result = FakeResult(code="2.01")
    resources = [{"id": 0, "kind": "multiResource", "values": {"0": "a"}, "type": "string"}]
    body = json.dumps({"kind": "instance", "id": 1, "resources": resources})
    shown = asked(zephyr, "POST", f"/clients/dev-1/16?{QUERY}", content=body, headers=JSON)
    assert shown["status"] == "CREATED(201)"
    request = sent(zephyr.order)
    assert (request.method, request.path) == (2, (b"16",))


def test_execute_has_neither_body_nor_parameters(zephyr: Face) -> None:
    zephyr.service.result = FakeResult(code="2.04")
    assert asked(zephyr, "POST", "/clients/dev-1/3/0/4")["status"] == "CHANGED(204)"
    assert sent(zephyr.order).method == 2


@pytest.mark.parametrize(
    "method, path, code, status",
    [
        ("GET", "/0/0", "4.01", "UNAUTHORIZED(401)"),
        ("GET", "/3/0/4", "4.05", "METHOD_NOT_ALLOWED(405)"),
        ("POST", "/3/0/0", "4.05", "METHOD_NOT_ALLOWED(405)"),
        ("DELETE", "/3/0", "4.05", "METHOD_NOT_ALLOWED(405)"),
    ],
)
def test_a_refusal_is_the_devices_own(
    zephyr: Face, method: str, path: str, code: str, status: str
) -> None:
    zephyr.service.result = FakeResult(False, code)
    assert asked(zephyr, method, f"/clients/dev-1{path}")["status"] == status
    assert sent(zephyr.order).method  # we do not stand in its way


def test_a_read_only_resource_is_written_for_the_device_to_refuse(zephyr: Face) -> None:
    zephyr.service.result = FakeResult(False, "4.05")
    body = json.dumps({"id": "0", "kind": "singleResource", "value": "x", "type": "string"})
    shown = asked(zephyr, "PUT", f"/clients/dev-1/3/0/0?{QUERY}", content=body, headers=JSON)
    assert shown["status"] == "METHOD_NOT_ALLOWED(405)"
    assert sent(zephyr.order).method == 3


def test_attributes_are_written_down_to_a_resource_instance(zephyr: Face) -> None:
    zephyr.service.result = FakeResult(code="2.04")
    for path in ("1", "1/0", "1/0/1", "16/0/0/0"):
        zephyr.service.asked.clear()
        asked(zephyr, "PUT", f"/clients/dev-1/{path}/attributes?pmin=10&pmax=60")
        assert sent(zephyr.order).query == (b"pmin=10", b"pmax=60")


def test_an_attribute_is_taken_away(zephyr: Face) -> None:
    asked(zephyr, "PUT", "/clients/dev-1/1/0/1/attributes?pmin")
    assert sent(zephyr.order).query == (b"pmin",)


def test_discover_gives_links_by_url(zephyr: Face) -> None:
    links = [{"url": "/3/0", "attributes": {"ver": "1.1"}}, {"url": "/3/0/0", "attributes": {}}]
    zephyr.service.result = FakeResult(links=links)
    shown = asked(zephyr, "GET", "/clients/dev-1/3/0/discover")
    assert {one["url"]: one["attributes"] for one in shown["objectLinks"]} == {
        "/3/0": {"ver": "1.1"}, "/3/0/0": {},
    }  # fmt: skip
    assert sent(zephyr.order).accept == 40


@pytest.mark.parametrize("paths", ["/", "/1/0/1,/3/0/11/0", "/3", "/3/0"])
def test_composite_reads_to_any_depth_and_of_the_root(zephyr: Face, paths: str) -> None:
    zephyr.says(Node("/3/0/11/0", 0), Node("/1/0/1", 300))
    url = f"/clients/dev-1/composite?pathformat=SENML_CBOR&nodeformat=SENML_CBOR&paths={paths}"
    assert asked(zephyr, "GET", url)["status"] == "CONTENT(205)"
    request = sent(zephyr.order)
    assert (request.method, request.content_format, request.accept) == (5, 112, 112)


def test_a_composite_write(zephyr: Face) -> None:
    zephyr.service.result = FakeResult(code="2.04")
    body = {
        "/1/0/1": {"id": 1, "kind": "singleResource", "value": 60, "type": "integer"},
        "/16/0/0": {"id": 0, "kind": "multiResource", "values": {"0": "aa"}, "type": "string"},
        "/16/0/0/3": {"id": 3, "kind": "resourceInstance", "value": "dd", "type": "string"},
    }
    url = "/clients/dev-1/composite?pathformat=SENML_JSON&nodeformat=SENML_JSON&timeout=10"
    assert asked(zephyr, "PUT", url, json=body)["status"] == "CHANGED(204)"
    assert (sent(zephyr.order).method, sent(zephyr.order).content_format) == (7, 110)


def test_observe_has_an_empty_body(zephyr: Face) -> None:
    zephyr.says(Node("/1/0/1", 300))
    url = f"/clients/dev-1/1/0/1/observe?{QUERY}"
    assert asked(zephyr, "POST", url, content="", headers=JSON)["content"]["value"] == "300"
    assert sent(zephyr.order).observe == 0


def test_cancelling_an_observation_has_an_empty_answer(zephyr: Face) -> None:
    assert asked(zephyr, "DELETE", "/clients/dev-1/1/0/1/observe") is None
    assert asked(zephyr, "DELETE", "/clients/dev-1/composite/observe?paths=/1,/3") is None


def test_a_blockwise_write_of_5_kb_that_is_tried_again(zephyr: Face) -> None:
    body = json.dumps({"id": "0", "kind": "singleResource", "value": "ab" * 5000, "type": "opaque"})
    url = "/clients/dev-1/5/0/0?timeout=1&format=OPAQUE"
    zephyr.service.result = DeviceTimeout("no answer")
    with pytest.raises(RuntimeError, match="504"):
        asked(zephyr, "PUT", url, content=body, headers=JSON)
    assert zephyr.timeout_s == 1.0
    zephyr.service.result = FakeResult(code="2.04")
    assert asked(zephyr, "PUT", url, content=body, headers=JSON)["success"] is True
    assert sent(zephyr.service.asked[0][1]).payload == b"\xab" * 5000


def test_deleting_a_device_of_the_security_store_is_no_error(zephyr: Face) -> None:
    assert asked(zephyr, "DELETE", "/security/clients/dev-1")["message"] == "not_found"
