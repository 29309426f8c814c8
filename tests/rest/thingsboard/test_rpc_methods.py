"""Every RPC method: what is asked of the device, and what the caller is told (requirement D15)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from rpc_service import Answer, Rpc

from lwm2m_fast.core.orders import Order
from lwm2m_fast.rest.thingsboard.methods import METHODS

CONTENT, CREATED, NOT_FOUND, NOT_ALLOWED = 69, 65, 132, 133
PACK = b'[{"bn":"/3/0/","n":"9","v":95},{"n":"0","vs":"Anvil"}]'

# Method, parameters -> the order (unchecked, as the device decides) and the result's name.
PLAIN: list[tuple[str, dict[str, Any], Order, str]] = [
    ("Read", {"id": "/3_1.1/0/9"}, Order("read", "/3/0/9"), "CONTENT"),
    ("Read", {"id": "/3/0"}, Order("read", "/3/0"), "CONTENT"),
    ("Read", {"key": "batteryLevel"}, Order("read", "/3/0/9"), "CONTENT"),
    ("Discover", {"id": "/3_1.1/0"}, Order("discover", "/3/0"), "CONTENT"),
    ("Observe", {"id": "/3_1.1/0/9"}, Order("observe", "/3/0/9"), "CONTENT"),
    ("Observe", {"key": "batteryLevel"}, Order("observe", "/3/0/9"), "CONTENT"),
    ("ObserveCancel", {"id": "/3/0/9"}, Order("cancel_observe", "/3/0/9"), "CONTENT"),
    ("ObserveCancel", {"key": "batteryLevel"}, Order("cancel_observe", "/3/0/9"), "CONTENT"),
    ("ObserveCancelAll", {}, Order("cancel_observe", "/"), "CONTENT"),
    (
        "ReadComposite",
        {"ids": ["/3_1.1/0/9", "/5/0"]},
        Order("read_composite", paths=("/3/0/9", "/5/0")),
        "CONTENT",
    ),
    (
        "ReadComposite",
        {"keys": ["batteryLevel", "manufacturer"]},
        Order("read_composite", paths=("/3/0/9", "/3/0/0")),
        "CONTENT",
    ),
    (
        "ObserveComposite",
        {"keys": ["batteryLevel", "manufacturer"]},
        Order("observe_composite", paths=("/3/0/9", "/3/0/0")),
        "CONTENT",
    ),
    (
        "ObserveCompositeCancel",
        {"ids": ["/5/0", "/3/0/9"]},
        Order("cancel_composite", paths=("/5/0", "/3/0/9")),
        "CONTENT",
    ),
    (
        "WriteReplace",
        {"id": "/3_1.1/0/14", "value": "+01:00"},
        Order("write", "/3/0/14", value="+01:00"),
        "CHANGED",
    ),
    (
        "WriteReplace",
        {"key": "utcOffset", "value": "+01:00"},
        Order("write", "/3/0/14", value="+01:00"),
        "CHANGED",
    ),
    (
        "WriteReplace",
        {"id": "/19/0/0", "value": {"0": "00ff", "1": "AP8="}},
        Order("write", "/19/0/0", value={"0": {"hex": "00ff"}, "1": {"hex": "00ff"}}),
        "CHANGED",
    ),
    (
        "WriteReplace",
        {"id": "/19/0/0/1", "value": "00ff"},
        Order("write", "/19/0/0/1", value={"hex": "00ff"}),
        "CHANGED",
    ),
    (
        "WriteUpdate",
        {"id": "/3/0", "value": {"14": "+02:00", "15": "Europe/Kyiv"}},
        Order(
            "write", "/3/0", values={"14": "+02:00", "15": "Europe/Kyiv"}, mode="update"
        ),
        "CHANGED",
    ),
    (
        "WriteUpdate",
        {"id": "/19/0/0", "value": {"1": "00ff"}},
        Order("write", "/19/0/0", value={"1": {"hex": "00ff"}}, mode="update"),
        "CHANGED",
    ),
    (
        "WriteComposite",
        {"nodes": {"/3_1.1/0/14": "+03:00", "timezone": "Asia/Tokyo", "/19/1/0": {"0": "aa"}}},
        Order(
            "write_composite",
            values={"/3/0/14": "+03:00", "/3/0/15": "Asia/Tokyo", "/19/1/0/0": {"hex": "aa"}},
        ),
        "CHANGED",
    ),
    (
        "WriteAttributes",
        {"id": "/3/0/9", "attributes": {"pmin": 10, "pmax": 60}},
        Order("write_attributes", "/3/0/9", attributes={"pmin": 10, "pmax": 60}),
        "CHANGED",
    ),
    ("Delete", {"id": "/3303_1.1/1"}, Order("delete", "/3303/1"), "DELETED"),
]  # fmt: skip
CHECKED: list[tuple[str, dict[str, Any], Order, str]] = [
    ("Execute", {"id": "/3/0/4"}, Order("execute", "/3/0/4"), "CHANGED"),
    (
        "Execute",
        {"id": "/5/0/2", "value": "2='60'"},
        Order("execute", "/5/0/2", arguments="2='60'"),
        "CHANGED",
    ),
    ("Execute", {"id": "/5/0/2", "value": 5}, Order("execute", "/5/0/2", arguments="5"), "CHANGED"),
]


def written(method: str, params: dict[str, Any]) -> str:
    return f"{method} {json.dumps(params)}"


@pytest.fixture
def rpc() -> Rpc:
    made = Rpc()
    made.service.answers = {
        "read": Answer(CONTENT, 110, PACK),
        "observe": Answer(CONTENT, 110, PACK),
        "read_composite": Answer(CONTENT, 110, PACK),
        "observe_composite": Answer(CONTENT, 110, PACK),
        "discover": Answer(CONTENT, 40, b"</3/0>;dim=2;lwm2m=1.1,</3/0/9>;pmin=10"),
        "create": Answer(CREATED, None, b""),
    }
    return made


@pytest.mark.parametrize(
    "method, params, order, result", PLAIN, ids=[written(*row[:2]) for row in PLAIN]
)
def test_a_method_asks_one_thing_and_is_answered_with_the_name_of_a_code(
    rpc: Rpc, method: str, params: dict[str, Any], order: Order, result: str
) -> None:
    if method in ("Read", "Observe"):
        rpc.service.answers |= {
            op: Answer(CONTENT, 110, b'[{"bn":"/3/0/9","v":95}]') for op in ("read", "observe")
        }
    if method.endswith("Composite"):
        value = Answer(CONTENT, 110, b'[{"bn":"/3/0/9","v":95}]')
        rpc.service.answers |= {"read_composite": value, "observe_composite": value}
    if method == "ObserveCompositeCancel":
        rpc.service.observe("/3/0/9", "/5/0", is_composite=True)
    told = rpc.ask(method, **params)
    assert told["result"] == result, told
    assert "error" not in told
    asked = rpc.asked
    assert asked.is_unchecked
    assert (asked.op, asked.path, asked.paths, asked.mode) == (
        order.op, order.path, order.paths, order.mode
    )  # fmt: skip
    assert (asked.value, asked.values, asked.attributes) == (
        order.value, order.values, order.attributes
    )  # fmt: skip


@pytest.mark.parametrize(
    "method, params, order, result", CHECKED, ids=[written(*row[:2]) for row in CHECKED]
)
def test_what_is_executed_must_be_executable(
    rpc: Rpc, method: str, params: dict[str, Any], order: Order, result: str
) -> None:
    assert rpc.ask(method, **params)["result"] == result
    assert rpc.asked == order


def test_every_method_has_a_test() -> None:
    tested = {row[0] for row in PLAIN + CHECKED}
    assert set(METHODS) == tested | {"DiscoverAll", "ObserveReadAll", "Create"}


# What is told


def test_a_value_is_told_as_the_node_in_words(rpc: Rpc) -> None:
    one = "LwM2mSingleResource [id=9, value=95, type=INTEGER]"
    rpc.service.answers["read"] = Answer(CONTENT, 110, b'[{"bn":"/3/0/9","v":95}]')
    assert rpc.ask("Read", id="/3/0/9")["value"] == one
    rpc.service.answers["read"] = Answer(CONTENT, 110, PACK)
    instance = rpc.ask("Read", id="/3/0")["value"]
    assert instance == (
        f"LwM2mObjectInstance [id=0, resources={{9={one}, "
        "0=LwM2mSingleResource [id=0, value=Anvil, type=STRING]}]"
    )
    assert rpc.ask("Read", id="/3")["value"] == f"LwM2mObject [id=3, instances={{0={instance}}}]"


def test_a_multiple_resource_is_told_with_its_instances(rpc: Rpc) -> None:
    pack = b'[{"bn":"/19/0/0/","n":"0","vd":"AP8"},{"n":"2","vd":"qg"}]'
    rpc.service.answers["read"] = Answer(CONTENT, 110, pack)
    assert rpc.ask("Read", id="/19/0/0")["value"] == (
        "LwM2mMultipleResource [id=0, values={"
        "0=LwM2mResourceInstance [id=0, value=00ff, type=OPAQUE], "
        "2=LwM2mResourceInstance [id=2, value=aa, type=OPAQUE]}, type=OPAQUE]"
    )


def test_a_composite_value_has_every_path_and_what_is_missing_is_null(rpc: Rpc) -> None:
    rpc.service.answers["read_composite"] = Answer(CONTENT, 110, b'[{"bn":"/3/0/9","v":95}]')
    assert rpc.ask("ReadComposite", ids=["/3/0/9", "/5/0/3"])["value"] == (
        "{/3/0/9=LwM2mSingleResource [id=9, value=95, type=INTEGER], /5/0/3=null}"
    )


def test_links_are_told_as_a_list_in_text(rpc: Rpc) -> None:
    assert json.loads(rpc.ask("Discover", id="/3/0")["value"]) == [
        "</3/0>;dim=2;lwm2m=1.1", "</3/0/9>;pmin=10"
    ]  # fmt: skip


def test_all_links_come_from_the_registration_and_the_device_is_not_asked(rpc: Rpc) -> None:
    told = rpc.ask("DiscoverAll")
    assert told["result"] == "CONTENT"
    assert json.loads(told["value"]) == [
        "</1/0>", "</3>;ver=1.1", "</3/0>", "</5/0>", "</19>;ver=1.0", "</19/0>", "</19/1>",
        "</3303>;ver=1.1", "</3303/0>", "</3303/1>",
    ]  # fmt: skip
    assert not rpc.service.submitted


def test_what_is_observed_is_listed_and_the_device_is_not_asked(rpc: Rpc) -> None:
    assert rpc.ask("ObserveReadAll") == {"result": "CONTENT", "value": "[]"}
    rpc.service.observe("/3/0/9")
    rpc.service.observe("/5/0/3", "/5/0/5", is_composite=True)
    assert rpc.ask("ObserveReadAll")["value"] == (
        "[SingleObservation:/3/0/9, CompositeObservation:[/5/0/3, /5/0/5]]"
    )
    assert not rpc.service.submitted


def test_a_cancellation_is_told_with_the_number_of_what_ended(rpc: Rpc) -> None:
    assert rpc.ask("ObserveCancel", id="/3/0/9") == {"result": "CONTENT", "value": "1"}


# Create


def test_a_new_instance_is_told_with_its_place(rpc: Rpc) -> None:
    told = rpc.ask("Create", id="/19_1.0", value={"0": {"0": "00AC"}, "1": 1})
    assert told == {"result": "CREATED", "value": "/19/2"}
    assert rpc.asked == Order(
        "create", "/19", values={"0": {"0": {"hex": "00AC"}}, "1": 1}, is_unchecked=True
    )


@pytest.mark.parametrize("name", ["0", "/19/5/0", "/19_1.0/5/0"])
def test_its_resources_may_be_nodes(rpc: Rpc, name: str) -> None:
    told = rpc.ask("Create", id="/19/5", nodes={name: {"0": "00ac"}})
    assert told["result"] == "CREATED"
    assert rpc.asked.path == "/19/5"
    assert rpc.asked.values == {"0": {"0": {"hex": "00ac"}}}


@pytest.mark.parametrize(
    "params, said",
    [
        ({"id": "/3"}, "one instance only"),
        ({"id": "/19/5"}, r"mandatory resources are missing: 0 \(Data\)"),
        ({"id": "/19/5/0", "value": {}}, "is a resource; an object or an object instance"),
        ({"id": "/3341", "value": {}}, "has no object 3341"),
        ({"id": "/0"}, "object 0"),
        ({"id": "/19/5", "nodes": {"/19/4/0": {"0": "00"}}}, "no resource below /19/5"),
        ({"id": "/19/5", "value": 7}, "value: an object is needed"),
    ],
)
def test_what_cannot_be_created_is_a_bad_request(
    rpc: Rpc, params: dict[str, Any], said: str
) -> None:
    told = rpc.ask("Create", **params)
    assert told["result"] == "BAD_REQUEST"
    assert re.search(said, told["error"]), told
    assert not rpc.service.submitted
