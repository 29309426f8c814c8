"""Orders that carry values: types, formats, instances, files, and what is refused."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest

from lwm2m_fast import codec
from lwm2m_fast.codec import Kind, Node, ObjectLink
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.operations import (
    build,
)
from lwm2m_fast.errors import RequestError
from tests.core.order_kit import (
    CBOR,
    DELETE,
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
    refused,
    request,
    segments,
    target,
    values,
)

SENML = (SENML_JSON, SENML_CBOR)


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
        ("120", 1 << 63, "is not INTEGER: allowed are -9223372036854775808 to 9223372036854775807"),
        ("125", -1, "-1 is not UNSIGNED_INTEGER: allowed are 0 to 18446744073709551615"),
        ("125", "18446744073709551616", "is not UNSIGNED_INTEGER: allowed are 0 to"),
        ("160", 1 << 63, "is not TIME: allowed are -9223372036854775808 to"),
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


MULTIPLE: list[tuple[str, dict[str, Any], list[Any]]] = [
    ("1110", {"0": "x", "1": ""}, ["x", ""]),
    ("1120", {"0": -5, "1": 1 << 40}, [-5, 1 << 40]),
    ("1125", {"0": 255, "1": (1 << 64) - 1}, [255, (1 << 64) - 1]),
    ("1130", {"0": 1.5, "1": 3}, [1.5, 3.0]),
    ("1140", {"0": True, "1": False}, [True, False]),
    ("1150", {"0": {"hex": "00ff"}, "1": {"hex": ""}}, [b"\x00\xff", b""]),
    ("1160", {"0": 1367491215, "1": -1}, [1367491215, -1]),
    ("1170", {"0": "3:0", "1": "65535:65535"}, [ObjectLink(3, 0), ObjectLink(65535, 65535)]),
]


@pytest.mark.parametrize("content_format", [SENML_JSON, SENML_CBOR, TLV, OLD_TLV, JSON, LWM2M_CBOR])
@pytest.mark.parametrize(("number", "given", "wanted"), MULTIPLE, ids=[row[0] for row in MULTIPLE])
def test_a_multiple_resource_of_every_type_is_written_in_every_format_that_holds_it(
    number: str, given: dict[str, Any], wanted: list[Any], content_format: int
) -> None:
    path = f"/3442/0/{number}"
    made = request(target("1.2"), "write", path, value=given, format=content_format)
    assert values(made, path) == {f"{path}/{at}": value for at, value in enumerate(wanted)}
    alone = request(target("1.2"), "write", f"{path}/0", value=given["0"], format=content_format)
    assert values(alone, f"{path}/0") == {f"{path}/0": wanted[0]}


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
