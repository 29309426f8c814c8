"""Orders as CoAP requests: levels, formats, and what is refused before sending."""

from __future__ import annotations

from typing import Any

import pytest

from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.operations import (
    OPERATIONS,
    build,
)
from lwm2m_fast.core.orders import SHAPES, Order
from lwm2m_fast.errors import RequestError
from tests.core.order_kit import (
    CBOR,
    DELETE,
    GET,
    JSON,
    LINK,
    LWM2M_CBOR,
    OCTETS,
    OLD_JSON,
    OLD_TLV,
    POST,
    PUT,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    TLV,
    VERSIONS,
    refused,
    request,
    segments,
    target,
    values,
)

ROOT_LEVEL, OBJECT, INSTANCE, RESOURCE, RESOURCE_INSTANCE = range(5)
AT = {
    ROOT_LEVEL: "/",
    OBJECT: "/3442",
    INSTANCE: "/3442/0",
    RESOURCE: "/3442/0/1120",
    RESOURCE_INSTANCE: "/3442/0/1120/1",
}
MORE: dict[str, dict[str, Any]] = {
    "write": {"value": 5},
    "execute": {},
    "write_attributes": {"attributes": {"pmin": 1}},
}
SENML = (SENML_JSON, SENML_CBOR)


# Levels


LEVELS: list[tuple[str, str, set[int], set[int], set[int]]] = [
    # operation, mode, and the levels it has in LwM2M 1.0, 1.1 and 1.2
    ("read", "", {1, 2, 3}, {1, 2, 3, 4}, {1, 2, 3, 4}),
    ("observe", "", {1, 2, 3}, {1, 2, 3, 4}, {1, 2, 3, 4}),
    ("cancel_observe", "", {1, 2, 3}, {1, 2, 3, 4}, {1, 2, 3, 4}),
    ("write", "replace", {2, 3}, {2, 3, 4}, {2, 3, 4}),
    ("write", "update", {2}, {2, 3}, {2, 3}),
    ("execute", "", {3}, {3}, {3}),
    ("create", "", {1, 2}, {1, 2}, {1, 2}),
    ("delete", "", {2}, {2}, {2, 4}),
    ("discover", "", {1, 2, 3}, {1, 2, 3}, {1, 2, 3}),
    ("write_attributes", "", {1, 2, 3}, {1, 2, 3, 4}, {1, 2, 3, 4}),
]


@pytest.mark.parametrize("depth", AT)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("row", LEVELS, ids=lambda row: f"{row[0]} {row[1]}".strip())
def test_an_operation_has_its_levels_in_each_release(
    row: tuple[str, str, set[int], set[int], set[int]], version: str, depth: int
) -> None:
    op, mode, *by_release = row
    fields = dict(MORE.get(op, {}))
    if op == "write":
        kind = {INSTANCE: {"values": {"120": 5}}, RESOURCE: {"value": {"0": 5}}}
        fields = kind.get(depth, {"value": 5})
        fields["mode"] = mode
    path = "/3442/0/3" if op == "execute" and depth == RESOURCE else AT[depth]
    where = target(version)
    if depth in by_release[VERSIONS.index(version)]:
        made = request(where, op, path, **fields)
        wanted = segments(path)[:1] if op == "create" else segments(path)
        assert made.path == wanted and not made.is_absolute
    else:
        assert f"{op}: {path} is " in refused(where, op, path, **fields)


def test_a_level_of_a_later_release_is_named() -> None:
    assert "takes LwM2M 1.1" in refused(target("1.0"), "read", "/3442/0/1120/1")
    assert "takes LwM2M 1.2" in refused(target("1.1"), "delete", "/3442/0/1120/1")
    assert "takes" not in refused(target("1.2"), "execute", "/3")


def test_every_operation_has_a_row_and_a_shape() -> None:
    assert OPERATIONS.keys() == SHAPES.keys()
    with pytest.raises(RequestError, match="op: 'reboot' is not known"):
        build(Order("reboot"), target())


# Read, Observe: what is accepted


@pytest.mark.parametrize(
    ("version", "offers", "path", "accept"),
    [
        ("1.0", (), "/3442/0/110", TLV),
        ("1.0", (), "/3442/0", TLV),
        ("1.0", (OLD_TLV, OLD_JSON), "/3442/0", OLD_TLV),
        ("1.0", (TLV, JSON), "/3442", TLV),
        ("1.0", (), "/3442/0/150", TLV),
        ("1.1", (), "/3442/0/110", TEXT),
        ("1.1", (), "/3442/0/150", OCTETS),
        ("1.1", (), "/3442/0/180", TEXT),
        ("1.1", (), "/3442/0/1110/0", TEXT),
        ("1.1", (), "/3442/0/1110", None),
        ("1.1", (), "/3442", None),
        ("1.1", (), "/9999/0/1", None),
        ("1.1", SENML, "/3442/0", SENML_CBOR),
        ("1.1", (SENML_JSON,), "/3442/0/110", SENML_JSON),
        ("1.1", (CBOR, *SENML), "/3442/0/110", CBOR),
        ("1.1", (CBOR, *SENML), "/3442/0/1110", SENML_CBOR),
        ("1.1", (TLV,), "/3442/0", TLV),
        ("1.2", (LWM2M_CBOR,), "/3442/0", LWM2M_CBOR),
        ("1.2", (LWM2M_CBOR, SENML_CBOR), "/3442/0", SENML_CBOR),
        ("1.2", (CBOR,), "/9999/0/1", CBOR),
    ],
)
@pytest.mark.parametrize("op", ["read", "observe", "cancel_observe"])
def test_what_a_device_speaks_is_asked_for(
    op: str, version: str, offers: tuple[int, ...], path: str, accept: int | None
) -> None:
    made = request(target(version, offers), op, path)
    observe = {"read": None, "observe": 0, "cancel_observe": 1}[op]
    assert made == CoapRequest(GET, segments(path), accept=accept, observe=observe)


FORCED = {
    "TLV": TLV, "JSON": JSON, "CBOR": CBOR, "TEXT": TEXT, "OPAQUE": OCTETS,
    "SENML_JSON": SENML_JSON, "SENML_CBOR": SENML_CBOR,
}  # fmt: skip
HOLD_ONE = {TEXT, OCTETS, CBOR}


@pytest.mark.parametrize("number", FORCED.values(), ids=FORCED)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_forced_serialization_is_accept_and_content_format(version: str, number: int) -> None:
    where = target(version, forced=number)
    assert request(where, "read", "/3442/0/150").accept == number
    made = request(where, "write", "/3442/0/150", value={"hex": "00ff"})
    assert made.content_format == number
    assert values(made, "/3442/0/150") == {"/3442/0/150": b"\x00\xff"}
    several = request(where, "read", "/3442/0").accept
    assert (several == number) is (number not in HOLD_ONE)


def test_an_order_may_say_what_the_device_would_be_configured_for() -> None:
    where = target("1.1", forced=TLV)
    assert request(where, "read", "/3/0/9", serialization="SENML_JSON").accept == SENML_JSON
    assert request(where, "read", "/3/0/9").accept == TLV
    automatic = request(where, "read", "/3/0/9", serialization="DEFAULT")
    assert automatic.accept == request(target("1.1"), "read", "/3/0/9").accept != TLV
    made = request(where, "write", "/3/0/14", value="x", serialization="TEXT")
    assert made.content_format == TEXT


@pytest.mark.parametrize("number", [*FORCED.values(), OLD_TLV, OLD_JSON, LWM2M_CBOR])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_orders_own_format_is_before_all_others(version: str, number: int) -> None:
    where = target(version, forced=SENML_CBOR, binary=TLV)
    assert request(where, "read", "/3442/0/150", format=number).accept == number
    made = request(where, "write", "/3442/0/150", value={"hex": "00ff"}, format=number)
    assert made.content_format == number
    if number in HOLD_ONE:
        for op, path in (("read", "/3442/0"), ("read", "/3442/0/1110"), ("observe", "/3442")):
            assert "holds one value" in refused(where, op, path, format=number)
        assert "holds one value" in refused(
            where, "write", "/3442/0", values={"110": "x"}, format=number
        )
    else:
        assert request(where, "read", "/3442/0", format=number).accept == number


@pytest.mark.parametrize(
    ("version", "offers", "number", "spelled"),
    [
        ("1.0", (OLD_TLV,), TLV, OLD_TLV),
        ("1.0", (TLV,), OLD_TLV, TLV),
        ("1.0", (OLD_TLV, TLV), OLD_TLV, OLD_TLV),
        ("1.1", (JSON, SENML_CBOR), OLD_JSON, JSON),
        ("1.1", (SENML_CBOR,), TEXT, TEXT),
        ("1.0", (JSON,), TLV, TLV),
    ],
)
def test_an_orders_own_format_is_spelled_as_the_device_does(
    version: str, offers: tuple[int, ...], number: int, spelled: int
) -> None:
    made = request(target(version, offers), "read", "/3442/0/110", format=number)
    assert made.accept == spelled


@pytest.mark.parametrize("version", VERSIONS)
def test_an_orders_own_format_that_the_device_lacks_is_refused(version: str) -> None:
    where = target(version, (SENML_CBOR,))
    assert refused(where, "read", "/3442/0", format=JSON) == (
        "format: 'dev-1' does not offer OMA JSON (11543); it offers 112"
    )
    made = request(where, "read", "/3442/0", format=JSON, is_unchecked=True)
    assert made.accept == JSON


# What the model allows


@pytest.mark.parametrize(
    ("op", "path", "fields", "why"),
    [
        ("read", "/3/0/4", {}, "'Reboot' cannot be read; the model allows E"),
        ("read", "/5/0/0", {}, "'Package' cannot be read; the model allows W"),
        ("observe", "/3/0/4", {}, "cannot be read"),
        ("read", "/1/0/13", {}, "the model allows nothing"),
        ("write", "/3/0/0", {"value": "x"}, "'Manufacturer' cannot be written"),
        ("write", "/3/0/4", {"value": "x"}, "cannot be written"),
        ("write", "/3/0", {"values": {"0": "x"}}, "/3/0/0: 'Manufacturer' cannot be written"),
        ("execute", "/3/0/9", {}, "'Battery Level' cannot be executed; the model allows R"),
        ("write_attributes", "/3/0/4", {"attributes": {"pmin": 1}}, "cannot be read"),
        ("read_composite", None, {"paths": ["/3/0/4"]}, "cannot be read"),
        ("write_composite", None, {"values": {"/3/0/0": "x"}}, "cannot be written"),
        ("read", "/3/0/0/0", {}, "'Manufacturer' is a single resource, it has no instances"),
        ("write", "/3/0/14/0", {"value": "x"}, "single resource"),
        *[
            (op, path, fields, "object 0 (Security) is for bootstrap servers only")
            for op, path, fields in (
                ("read", "/0/0/0", {}),
                ("read", "/0", {}),
                ("observe", "/0/0", {}),
                ("discover", "/0", {}),
                ("delete", "/0/0", {}),
                ("create", "/0", {}),
                ("write", "/0/0/0", {"value": "x"}),
                ("write_attributes", "/0", {"attributes": {"pmin": 1}}),
                ("read_composite", None, {"paths": ["/3", "/0"]}),
                ("write_composite", None, {"values": {"/0/0/0": "x"}}),
            )
        ],
    ],
)
def test_what_the_model_does_not_allow_is_refused(
    op: str, path: str | None, fields: dict[str, Any], why: str
) -> None:
    assert why in refused(target("1.1", SENML), op, path, **fields)


@pytest.mark.parametrize(
    ("op", "path", "fields", "method"),
    [
        ("read", "/3/0/4", {}, GET),
        ("read", "/0/0/0", {}, GET),
        ("write", "/3/0/0", {"value": "x"}, PUT),
        ("execute", "/3/0/9", {}, POST),
        ("delete", "/0/0", {}, DELETE),
    ],
)
def test_an_unchecked_order_leaves_it_to_the_device(
    op: str, path: str, fields: dict[str, Any], method: int
) -> None:
    made = request(target(), op, path, is_unchecked=True, **fields)
    assert (made.method, made.path) == (method, segments(path))


# Execute


@pytest.mark.parametrize("version", VERSIONS)
def test_execute_carries_its_arguments_as_text_or_nothing(version: str) -> None:
    where = target(version, SENML, forced=SENML_CBOR)
    assert request(where, "execute", "/3/0/4") == CoapRequest(POST, segments("/3/0/4"))
    made = request(where, "execute", "/3/0/4", arguments="0='x',1")
    assert (made.content_format, made.payload) == (TEXT, b"0='x',1")
    made = request(where, "execute", "/3/0/4", arguments="ä b", is_free_text=True)
    assert (made.content_format, made.payload) == (TEXT, "ä b".encode())


def test_bad_arguments_are_refused_even_if_nobody_looked_before() -> None:
    with pytest.raises(RequestError, match="arguments: no argument"):
        build(Order("execute", "/3/0/4", arguments="x"), target())


# Discover, Write-Attributes


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", ["/3", "/3/0", "/3/0/9", "/3/0/4"])
def test_discover_asks_for_links(version: str, path: str) -> None:
    made = request(target(version, SENML, forced=TLV), "discover", path)
    assert made == CoapRequest(GET, segments(path), accept=LINK)


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_the_depth_of_a_discover_is_of_lwm2m_1_2(depth: int) -> None:
    made = request(target("1.2"), "discover", "/3", depth=depth)
    assert made.query == (b"depth=%d" % depth,)
    for version in ("1.0", "1.1"):
        assert f"depth: needs LwM2M 1.2, 'dev-1' speaks {version}" == refused(
            target(version), "discover", "/3", depth=depth
        )


def test_attributes_are_a_query_without_a_payload() -> None:
    old = {"pmin": 10, "greater": 90, "less": 10, "step": 5}
    new = {"pmin": 10, "gt": 90, "lt": 10, "st": 5}
    made = request(target("1.0"), "write_attributes", "/3/0/9", attributes=new)
    query = (b"pmin=10", b"gt=90", b"lt=10", b"st=5")
    assert made == CoapRequest(PUT, segments("/3/0/9"), query)
    assert request(target("1.0"), "write_attributes", "/3/0/9", attributes=old) == made
    cleared = request(target("1.0"), "write_attributes", "/3/0/9", attributes={"cancel": None})
    assert cleared.query == (b"pmin", b"pmax", b"gt", b"lt", b"st")


@pytest.mark.parametrize(
    ("version", "path", "given", "why"),
    [
        ("1.1", "/3/0/0", {"gt": 5}, "not STRING"),
        ("1.1", "/3", {"gt": 5}, "belongs to a resource"),
        ("1.0", "/3/0/9", {"epmin": 5}, "epmin needs LwM2M 1.1, the device speaks 1.0"),
        ("1.1", "/3", {"con": 1}, "con needs LwM2M 1.2, the device speaks 1.1"),
    ],
)
def test_an_attribute_that_cannot_stand_there_is_refused(
    version: str, path: str, given: dict[str, Any], why: str
) -> None:
    assert why in refused(target(version), "write_attributes", path, attributes=given)
