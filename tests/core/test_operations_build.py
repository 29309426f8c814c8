"""Orders as CoAP requests: levels, formats, types and every refusal before sending."""

from __future__ import annotations

from typing import Any

import cbor2
import orjson
import pytest

from lwm2m_fast import codec
from lwm2m_fast.codec import Kind, Node, ObjectLink
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.operations import OPERATIONS, Target, build, context_of, read_context
from lwm2m_fast.core.orders import MAX_PATHS, SHAPES, Order, parse_order
from lwm2m_fast.errors import FormatError, RequestError
from tests.core.order_kit import (
    CBOR,
    DELETE,
    ETCH_CBOR,
    ETCH_JSON,
    FETCH,
    GET,
    IPATCH,
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
    order,
    request,
    target,
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


def segments(path: str) -> tuple[bytes, ...]:
    return tuple(part.encode() for part in path.split("/") if part)


def values(made: CoapRequest, base: str = "/", root: str = "/") -> dict[str, Any]:
    """What the request's payload says, path to value."""
    assert made.content_format is not None
    types = target().types
    pack = codec.decode(made.content_format, bytes(made.payload), base, types, root=root)
    return {str(node.path): node.value for node in pack}


def refused(where: Target, op: str, path: str | None = None, **fields: Any) -> str:
    """Why the order cannot be sent."""
    what = order(op, path, **fields)
    with pytest.raises(RequestError) as caught:
        build(what, where)
    return str(caught.value)


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
        ("1.1", (), "/3442/0/180", LINK),
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


# Write


TYPED: list[tuple[str, Any, Kind, Any]] = [
    ("110", "héllo", Kind.STRING, "héllo"),
    ("110", "", Kind.STRING, ""),
    ("110", "{}", Kind.STRING, "{}"),
    ("120", 1024, Kind.INTEGER, 1024),
    ("120", -(1 << 63), Kind.INTEGER, -(1 << 63)),
    ("120", "-5", Kind.INTEGER, -5),
    ("120", 5.0, Kind.INTEGER, 5),
    ("125", (1 << 64) - 1, Kind.UNSIGNED_INTEGER, (1 << 64) - 1),
    ("125", "255", Kind.UNSIGNED_INTEGER, 255),
    ("130", 3.125, Kind.FLOAT, 3.125),
    ("130", 3, Kind.FLOAT, 3.0),
    ("130", "1.5e3", Kind.FLOAT, 1500.0),
    ("140", True, Kind.BOOLEAN, True),
    ("140", "false", Kind.BOOLEAN, False),
    ("140", "1", Kind.BOOLEAN, True),
    ("150", {"hex": "00FF"}, Kind.OPAQUE, b"\x00\xff"),
    ("150", {"hex": ""}, Kind.OPAQUE, b""),
    ("150", '{"hex": "01"}', Kind.OPAQUE, b"\x01"),
    ("160", 1367491215, Kind.TIME, 1367491215),
    ("160", -1, Kind.TIME, -1),
    ("160", "1367491215", Kind.TIME, 1367491215),
    ("160", "2013-05-02T12:40:15+02:00", Kind.TIME, 1367491215),
    ("170", "3:65535", Kind.OBJLNK, ObjectLink(3, 65535)),
    ("180", "</3/0>;a=1", Kind.CORELNK, "</3/0>;a=1"),
]
HOLDERS = {
    Kind.CORELNK: (TEXT, LINK, SENML_JSON, SENML_CBOR, TLV, JSON, LWM2M_CBOR),
    Kind.OPAQUE: (TEXT, OCTETS, CBOR, SENML_JSON, SENML_CBOR, TLV, JSON, LWM2M_CBOR),
}
ANY = (TEXT, CBOR, SENML_JSON, SENML_CBOR, TLV, OLD_TLV, JSON, OLD_JSON, LWM2M_CBOR)


@pytest.mark.parametrize("given", TYPED, ids=lambda row: f"{row[2].name} {row[1]!r:.30}")
def test_every_type_is_written_in_every_format_that_holds_it(
    given: tuple[str, Any, Kind, Any],
) -> None:
    number, value, kind, wanted = given
    path = f"/3442/0/{number}"
    for content_format in HOLDERS.get(kind, ANY):
        made = request(target("1.2"), "write", path, value=value, format=content_format)
        assert (made.method, made.path) == (PUT, segments(path))
        assert (made.content_format, made.accept) == (content_format, None)
        pack = codec.decode(content_format, bytes(made.payload), path, target().types)
        assert pack.nodes() == [Node(path, wanted, kind)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("number", "value", "why"),
    [
        ("110", 5, "5 is not STRING: text is needed"),
        ("110", {"hex": "00"}, "STRING: text is needed"),
        ("120", "abc", "'abc' is not INTEGER: not a whole number"),
        ("120", "", "is not INTEGER"),
        ("120", 1.5, "INTEGER: a whole number"),
        ("120", True, "INTEGER: a whole number"),
        ("120", 1 << 63, "is not INTEGER"),
        ("125", -1, "is not UNSIGNED_INTEGER"),
        ("125", "18446744073709551616", "is not UNSIGNED_INTEGER"),
        ("130", "x", "'x' is not FLOAT: not a decimal number"),
        ("130", False, "FLOAT: a number is needed"),
        ("130", "1e999", "FLOAT: beyond the largest number"),
        ("140", "yes", "BOOLEAN: true or false"),
        ("140", 1, "BOOLEAN: true or false"),
        ("150", "00ff", 'OPAQUE: bytes are needed, as {"hex": "00ff"}'),
        ("150", 5, "OPAQUE: bytes"),
        ("160", "yesterday", "is not TIME"),
        ("160", "2013-13-02T12:40:15Z", "is not TIME"),
        ("160", 1.5, "TIME: a whole number"),
        ("170", "3", "OBJLNK: not object:instance"),
        ("170", "3:70000", "OBJLNK: not object:instance"),
        ("170", 3, "OBJLNK: text"),
        ("180", "3/0", "is not CORELNK"),
        ("110", {"0": "x"}, "/3442/0/110: one value is needed"),
        ("1110", "x", 'a multiple resource; give {"0": value, ...}'),
        ("1110", "{x", "is not JSON"),
        ("1120", {"0": "x"}, "/3442/0/1120/0: 'x' is not INTEGER"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(
    version: str, number: str, value: Any, why: str
) -> None:
    assert why in refused(target(version), "write", f"/3442/0/{number}", value=value)


@pytest.mark.parametrize(
    ("version", "offers", "content_format", "payload"),
    [
        ("1.0", (), TLV, bytes.fromhex("c178 05")),
        ("1.0", (OLD_TLV,), OLD_TLV, bytes.fromhex("c178 05")),
        ("1.1", (), TEXT, b"5"),
        ("1.1", (CBOR,), CBOR, b"\x05"),
        ("1.1", SENML, SENML_CBOR, cbor2.dumps([{-2: "/3442/0/120", 2: 5}])),
        ("1.1", (SENML_JSON,), SENML_JSON, b'[{"bn":"/3442/0/120","v":5}]'),
        ("1.2", (LWM2M_CBOR,), LWM2M_CBOR, cbor2.dumps({3442: {0: {120: 5}}})),
    ],
)
def test_one_value_goes_in_what_the_device_speaks(
    version: str, offers: tuple[int, ...], content_format: int, payload: bytes
) -> None:
    made = request(target(version, offers), "write", "/3442/0/120", value=5)
    assert made == CoapRequest(
        PUT, segments("/3442/0/120"), content_format=content_format, payload=payload
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("forced", "binary", "content_format"),
    [
        (None, None, OCTETS), (TLV, None, TLV), (SENML_JSON, OCTETS, OCTETS), (None, TLV, TLV),
        (None, JSON, JSON), (TLV, TEXT, TEXT),
    ],
)  # fmt: skip
def test_binary_delivery_has_its_own_preference(
    version: str, forced: int | None, binary: int | None, content_format: int
) -> None:
    where = target(version, forced=forced, binary=binary)
    made = request(where, "write", "/5/0/0", value={"hex": "00ff"})
    assert made.content_format == content_format
    assert values(made, "/5/0/0") == {"/5/0/0": b"\x00\xff"}


@pytest.mark.parametrize("content_format", [SENML_JSON, SENML_CBOR, TLV, OLD_TLV, JSON, LWM2M_CBOR])
@pytest.mark.parametrize("mode", ["replace", "update"])
def test_an_instance_and_a_multiple_resource_are_replaced_or_updated(
    mode: str, content_format: int
) -> None:
    where = target("1.2")
    given = {"110": "x", "1120": {"0": 1, "7": 2}}
    made = request(where, "write", "/3442/0", values=given, mode=mode, format=content_format)
    assert made.method == (PUT if mode == "replace" else POST)
    assert made.content_format == content_format
    assert values(made, "/3442/0") == {
        "/3442/0/110": "x", "/3442/0/1120/0": 1, "/3442/0/1120/7": 2,
    }  # fmt: skip
    made = request(where, "write", "/3442/0/1120", value={"1": 3}, mode=mode, format=content_format)
    assert made.method == (PUT if mode == "replace" else POST)
    assert values(made, "/3442/0/1120") == {"/3442/0/1120/1": 3}


@pytest.mark.parametrize("version", VERSIONS)
def test_many_values_are_written_in_tlv_to_a_device_that_offers_nothing(version: str) -> None:
    made = request(target(version), "write", "/3442/0", values={"120": 5})
    assert (made.content_format, made.payload) == (TLV, bytes.fromhex("c178 05"))


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_an_update_of_a_resource_never_looks_like_an_execute(version: str) -> None:
    for offers, content_format in (((), TLV), (SENML, SENML_CBOR), ((CBOR,), TLV)):
        made = request(target(version, offers), "write", "/1/0/1", value="30", mode="update")
        assert (made.method, made.content_format) == (POST, content_format)
        assert values(made, "/1/0/1") == {"/1/0/1": 30}
    assert "holds one value" in refused(
        target(version), "write", "/1/0/1", value=30, mode="update", format=TEXT
    )


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("content_format", [TEXT, CBOR, SENML_JSON, SENML_CBOR, TLV, LWM2M_CBOR])
def test_a_resource_instance_is_written(version: str, content_format: int) -> None:
    made = request(target(version), "write", "/3442/0/1120/1", value=5, format=content_format)
    assert (made.method, made.path) == (PUT, segments("/3442/0/1120/1"))
    assert values(made, "/3442/0/1120/1") == {"/3442/0/1120/1": 5}


def test_a_multiple_resource_is_emptied_where_a_format_can_say_so() -> None:
    made = request(target("1.0"), "write", "/3442/0/1120", value={})
    assert (made.content_format, made.payload) == (TLV, bytes.fromhex("a00460"))
    for content_format in (SENML_JSON, SENML_CBOR, JSON):
        assert "cannot say that a resource has no instances" in refused(
            target(), "write", "/3442/0/1120", value={}, format=content_format
        )


@pytest.mark.parametrize(
    ("value", "content_format", "payload"),
    [("x", TEXT, b"x"), (5, TEXT, b"5"), (True, TEXT, b"1"), ({"hex": "00"}, OCTETS, b"\0")],
)
def test_a_resource_that_nobody_knows_takes_what_json_says(
    value: Any, content_format: int, payload: bytes
) -> None:
    made = request(target("1.1"), "write", "/9999/0/1", value=value)
    assert (made.content_format, made.payload) == (content_format, payload)
    several = request(target("1.1", SENML), "write", "/9999/0/1", value={"0": value})
    assert several.content_format == SENML_CBOR and len(values(several)) == 1


@pytest.mark.parametrize(
    ("path", "fields", "why"),
    [
        ("/3442/0", {"value": 5}, "/3442/0 is an instance, which takes values"),
        ("/3442/0/120", {"values": {"0": 5}}, "values: /3442/0/120 takes a value"),
        ("/3442/0", {"values": {"x": 5}}, "'x' is not an id from 0 to 65535"),
        ("/3442/0", {"values": {"70000": 5}}, "'70000' is not an id"),
        ("/3442/0", {"values": {"120": None}}, "/3442/0/120: a file, or null"),
        ("/3442/0", {"values": {"150": {"file": "x"}}}, "/3442/0/150: a file, or null"),
        ("/3442/0", {"values": {"120": {"0": {"1": 2}}}}, "one value is needed"),
        ("/3442/0", {"values": {"110": "x", "120": "x"}}, "'x' is not INTEGER"),
        ("/3442/0/130", {"value": "NaN", "format": SENML_JSON}, "JSON has no nan"),
    ],
)
def test_a_write_that_makes_no_sense_is_refused(
    path: str, fields: dict[str, Any], why: str
) -> None:
    assert why in refused(target(), "write", path, **fields)


def test_the_alternate_root_is_in_names_and_not_in_paths() -> None:
    where = target("1.1", SENML, root="/lwm2m")
    made = request(where, "write", "/3442/0/120", value=5)
    assert made.path == segments("/3442/0/120") and not made.is_absolute
    assert cbor2.loads(made.payload) == [{-2: "/lwm2m/3442/0/120", 2: 5}]
    made = request(where, "read_composite", paths=["/3/0/9", "/1"])
    assert [each[0] for each in cbor2.loads(made.payload)] == ["/lwm2m/3/0/9", "/lwm2m/1"]
    made = request(where, "create", "/3442/7", values={"120": 5})
    assert values(made, "/3442", root="/lwm2m") == {"/3442/7/120": 5}
    assert cbor2.loads(made.payload)[0][-2].startswith("/lwm2m/")


# Files


def test_a_file_is_sent_in_octets_as_it_is() -> None:
    content = memoryview(b"image").obj
    for where in (target("1.0"), target("1.1", SENML, forced=TLV, binary=JSON)):
        made = build(
            order("write", "/5/0/0", value={"file": "fw"}), where, {"fw": content}.__getitem__
        )
        assert made == CoapRequest(PUT, segments("/5/0/0"), content_format=OCTETS, payload=b"image")
        assert made.payload is content


@pytest.mark.parametrize(
    ("path", "fields", "why"),
    [
        ("/5/0/0", {"value": {"file": "other"}}, "/5/0/0: there is no file 'other'"),
        ("/5/0/1", {"value": {"file": "fw"}}, "to one opaque value only"),
        ("/3442/0/1150", {"value": {"file": "fw"}}, "to one opaque value only"),
        ("/5/0/0", {"value": {"file": "fw"}, "mode": "update"}, "replaced by a file, not updated"),
        ("/5/0/0", {"value": {"file": "fw"}, "format": TLV}, "in octets (42), not 11542"),
    ],
)
def test_a_file_goes_to_one_opaque_value_only(path: str, fields: dict[str, Any], why: str) -> None:
    with pytest.raises(RequestError) as caught:
        build(order("write", path, **fields), target(), {"fw": b"image"}.__getitem__)
    assert why in str(caught.value)


def test_without_files_a_file_is_refused() -> None:
    assert "there are no files here" in refused(target(), "write", "/5/0/0", value={"file": "fw"})


# Create, Delete


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("offers", [(), (TLV,), (OLD_TLV,), (TLV, *SENML)])
def test_create_without_an_id_sends_bare_resources_in_tlv(
    version: str, offers: tuple[int, ...]
) -> None:
    made = request(target(version, offers), "create", "/3442", values={"110": "x", "120": 5})
    assert made == CoapRequest(
        POST,
        (b"3442",),
        content_format=OLD_TLV if offers == (OLD_TLV,) else TLV,
        payload=bytes.fromhex("c16e 78 c178 05"),
    )


def test_create_without_an_id_and_values_is_an_empty_tlv() -> None:
    made = request(target(), "create", "/3442")
    assert (made.path, made.content_format, made.payload) == ((b"3442",), TLV, b"")


@pytest.mark.parametrize("fields", [{}, {"values": {"120": 5}}])
def test_create_without_an_id_needs_tlv(fields: dict[str, Any]) -> None:
    why = "without an instance id only TLV (11542) can be sent, which "
    assert why + "'dev-1' lacks; give an id" in refused(
        target("1.1", SENML), "create", "/3442", **fields
    )
    assert why + "format forbids" in refused(
        target("1.1", (TLV, *SENML)), "create", "/3442", format=SENML_CBOR, **fields
    )


@pytest.mark.parametrize(
    ("version", "offers", "content_format", "payload"),
    [
        ("1.0", (), TLV, bytes.fromhex("03 07 c178 05")),
        ("1.0", (OLD_TLV,), OLD_TLV, bytes.fromhex("03 07 c178 05")),
        ("1.1", (SENML_JSON,), SENML_JSON, b'[{"bn":"/3442/7/120","v":5}]'),
        ("1.1", SENML, SENML_CBOR, cbor2.dumps([{-2: "/3442/7/120", 2: 5}])),
        ("1.2", (LWM2M_CBOR,), LWM2M_CBOR, cbor2.dumps({3442: {7: {120: 5}}})),
    ],
)
def test_create_with_an_id_has_it_in_the_payload(
    version: str, offers: tuple[int, ...], content_format: int, payload: bytes
) -> None:
    where = target(version, offers)
    made = request(where, "create", "/3442/7", values={"120": 5})
    assert made.path == (b"3442",) and made.method == POST
    assert values(made, "/3442") == {"/3442/7/120": 5}
    assert (made.content_format, made.payload) == (content_format, payload)
    assert request(where, "create", "/3442", values={"7": {"120": 5}}) == made


def test_several_instances_are_created_at_once() -> None:
    given = {"7": {"120": 5}, "8": {"1120": {"0": 6}, "110": "x"}, "9": {}}
    for where in (target("1.0"), target("1.1", SENML), target("1.2", (LWM2M_CBOR,))):
        made = request(where, "create", "/3442", values=given)
        found = {path: value for path, value in values(made, "/3442").items() if value is not None}
        assert found == {"/3442/7/120": 5, "/3442/8/1120/0": 6, "/3442/8/110": "x"}


def test_create_may_give_a_first_value_to_what_nobody_may_write() -> None:
    made = request(target("1.0"), "create", "/3303/1", values={"5701": "Cel"})
    assert values(made, "/3303") == {"/3303/1/5701": "Cel"}


@pytest.mark.parametrize(
    ("path", "given", "why"),
    [
        ("/3442", {"65535": {"120": 5}}, "'65535' is not an id from 0 to 65534"),
        ("/3442", {"120": {"0": 5}, "110": "x"}, "one value is needed"),
        ("/3442/7", {"120": "x"}, "/3442/7/120: 'x' is not INTEGER"),
        ("/3442/7", {"3": "x"}, "an executable resource has no value"),
    ],
)
def test_a_create_that_makes_no_sense_is_refused(
    path: str, given: dict[str, Any], why: str
) -> None:
    assert why in refused(target(), "create", path, values=given)


def test_delete_is_a_bare_request() -> None:
    assert request(target(), "delete", "/3303/0") == CoapRequest(DELETE, segments("/3303/0"))


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


# Composite


COMPOSITE_FORMATS = [
    (SENML, None, SENML_CBOR, SENML_CBOR),
    ((SENML_JSON,), None, SENML_JSON, SENML_JSON),
    ((ETCH_JSON,), None, ETCH_JSON, SENML_JSON),
    ((ETCH_CBOR,), None, ETCH_CBOR, SENML_CBOR),
    (SENML, SENML_JSON, SENML_JSON, SENML_JSON),
    ((), SENML_CBOR, SENML_CBOR, SENML_CBOR),
    ((ETCH_JSON, *SENML), ETCH_JSON, ETCH_JSON, SENML_JSON),
    ((ETCH_CBOR, *SENML), ETCH_CBOR, ETCH_CBOR, SENML_CBOR),
]


@pytest.mark.parametrize(("offers", "own", "sent", "answered"), COMPOSITE_FORMATS)
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_composite_operations_are_one_request_in_senml(
    version: str, offers: tuple[int, ...], own: int | None, sent: int, answered: int
) -> None:
    where = target(version, offers)
    paths = ["/3/0/9", "/3442/0/1120/1", "/1/0", "/5"]
    for op, observe in (
        ("read_composite", None),
        ("observe_composite", 0),
        ("cancel_composite", 1),
    ):
        made = request(where, op, paths=paths, format=own)
        payload = codec.encode(sent, [Node(each) for each in paths])
        assert made == CoapRequest(
            FETCH, content_format=sent, accept=answered, payload=payload, observe=observe
        )
    given = {"/3/0/14": "+02:00", "/3442/0/1120": {"0": 1}, "/1/0": {"1": 30}}
    made = request(where, "write_composite", values=given, format=own)
    assert (made.method, made.path, made.content_format, made.accept) == (IPATCH, (), sent, None)
    assert values(made) == {"/3/0/14": "+02:00", "/3442/0/1120/0": 1, "/1/0/1": 30}


def test_the_root_can_be_read_as_a_whole() -> None:
    made = request(target("1.1", (SENML_JSON,)), "read_composite", paths=["/"])
    assert orjson.loads(made.payload) == [{"n": "/"}]


COMPOSITE = [
    ("read_composite", {"paths": ["/3/0/9"]}),
    ("observe_composite", {"paths": ["/3/0/9"]}),
    ("cancel_composite", {"paths": ["/3/0/9"]}),
    ("write_composite", {"values": {"/3/0/14": "x"}}),
]


@pytest.mark.parametrize(("op", "fields"), COMPOSITE, ids=[op for op, _ in COMPOSITE])
def test_composite_operations_need_lwm2m_1_1_and_senml(op: str, fields: dict[str, Any]) -> None:
    old = target("1.0", SENML, forced=SENML_CBOR)
    assert f"{op}: needs LwM2M 1.1, 'dev-1' speaks 1.0" == refused(old, op, **fields)
    for offers in ((), (TLV, CBOR, LWM2M_CBOR)):
        assert "needs a device that offers SenML CBOR" in refused(
            target("1.1", offers), op, **fields
        )
    assert "takes SenML JSON (110)" in refused(target("1.1"), op, format=TLV, **fields)
    assert "does not offer SenML JSON" in refused(
        target("1.1", (SENML_CBOR,)), op, format=SENML_JSON, **fields
    )
    assert build(order(op, **fields), target("1.1", forced=SENML_JSON)).content_format == SENML_JSON


def test_null_removes_where_the_device_knows_etch() -> None:
    given = {"/3442/0/1120/1": None, "/3/0/14": "x"}
    made = request(target("1.1", (ETCH_JSON, *SENML)), "write_composite", values=given)
    assert made.content_format == ETCH_JSON
    assert {"n": "/3442/0/1120/1", "v": None} in orjson.loads(made.payload)
    assert "null needs a device that offers SenML-ETCH CBOR (322)" in refused(
        target("1.1", SENML), "write_composite", values=given
    )
    assert "cannot say that a value goes" in refused(
        target("1.1", (ETCH_JSON, *SENML)), "write_composite", values=given, format=SENML_JSON
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"/3": {"0": {"14": "x"}}}, "/3: values are of instances, resources and"),
        ({"/": 5}, "/: values are of instances"),
        ({"/5/0/0": {"file": "fw"}}, "/5/0/0: a file is written by itself"),
        ({"/3/0/14": 5}, "5 is not STRING"),
        ({"/1/0": 5}, "an instance is an object of resources"),
        ({"/1/0": None}, "an instance is an object of resources"),
        ({"/1/0": {}}, "none is given"),
        ({"/3442/0/1120/0": 1, "/3442/0/1120": {"0": 2}}, "/3442/0/1120/0 is given tw"),
    ],
)
def test_a_composite_write_that_makes_no_sense_is_refused(given: dict[str, Any], why: str) -> None:
    assert why in refused(target("1.1", SENML), "write_composite", values=given)


# Raw CoAP


@pytest.mark.parametrize(
    ("method", "number"),
    [("get", 1), ("post", 2), ("put", 3), ("delete", 4), ("fetch", 5), ("patch", 6), ("ipatch", 7)],
)
def test_a_raw_request_is_sent_as_it_is(method: str, number: int) -> None:
    raw = {
        "method": method.upper(), "uri": "/a%2Fb//0?x=1&y", "query": ["z=%20"],
        "content_format": 65_535, "accept": 0, "payload_hex": "00Ff",
    }  # fmt: skip
    made = request(target("1.0", root="/lwm2m"), "coap", coap=raw)
    assert made == CoapRequest(
        number,
        (b"a/b", b"", b"0"),
        (b"x=1", b"y", b"z= "),
        content_format=65_535,
        accept=0,
        payload=b"\x00\xff",
        is_absolute=True,
    )


@pytest.mark.parametrize("path", ["/0/0/0", "/3/0/4", "/9"])
def test_a_raw_request_may_go_anywhere(path: str) -> None:
    made = request(target(), "coap", coap={"method": "get", "uri": path})
    assert made.path == segments(path)
    assert request(target(), "coap", coap={"method": "get", "uri": "/"}).path == ()


# Contexts


def test_a_context_tells_what_is_observed() -> None:
    where = target("1.1", SENML)
    single = order("observe", "/3442/0/1120/1")
    context = context_of(single, build(single, where))
    assert read_context(context) == (("/3442/0/1120/1",), SENML_CBOR, False)
    bare = order("observe", "/3442")
    assert read_context(context_of(bare, build(bare, target()))) == (("/3442",), None, False)
    several = order("observe_composite", paths=["/3/0/9", "/", "/1"])
    context = context_of(several, build(several, where))
    assert read_context(context) == (("/", "/1", "/3/0/9"), SENML_CBOR, True)
    turned = order("cancel_composite", paths=["/1", "/3/0/9", "/"])
    assert context_of(turned, build(turned, where)) == context


def test_paths_that_cannot_be_stored_are_not_observed() -> None:
    most = [f"/3442/0/1120/{i}" for i in range(100, 100 + MAX_PATHS)]
    fits = order("observe_composite", paths=most)
    assert len(context_of(fits, build(fits, target("1.1", SENML)))) <= 1024
    over = Order("observe_composite", paths=tuple(f"/3442/0/1120/{i}" for i in range(114)))
    with pytest.raises(RequestError, match="1024"):
        context_of(over, CoapRequest(FETCH, accept=SENML_CBOR))


@pytest.mark.parametrize(
    "bad", ["", "01", "02000000", "0100000001", "010000000500", "01000000", "010000000100030100"]
)
def test_a_context_that_we_did_not_write_is_refused(bad: str) -> None:
    with pytest.raises(FormatError, match="context"):
        read_context(bytes.fromhex(bad) if len(bad) % 2 == 0 else b"")


def test_what_was_stored_in_json_is_built_the_same() -> None:
    data = {"op": "write", "path": "/3442/0/1150", "value": {"0": {"hex": "00"}}}
    made = build(parse_order(orjson.loads(orjson.dumps(data))), target("1.0"))
    assert made == request(target("1.0"), "write", "/3442/0/1150", value={"0": {"hex": "00"}})
