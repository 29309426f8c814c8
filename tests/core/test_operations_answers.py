"""What devices answer, as results: values, links, locations, and an error for all the rest."""

from __future__ import annotations

from typing import Any

import cbor2
import orjson
import pytest

from lwm2m_fast import codec
from lwm2m_fast.codec import Kind, Node, ObjectLink
from lwm2m_fast.core.answers import MAX_RAW_BYTES, MAX_TEXT
from lwm2m_fast.core.operations import (
    OPERATIONS,
    ObservedContext,
    Result,
    context_of,
    decode_report,
    result_json,
)
from lwm2m_fast.core.orders import Order, parse_order
from lwm2m_fast.core.typed_values import node_json, typed_value
from lwm2m_fast.errors import FormatError
from tests.core.order_kit import (
    CBOR,
    JSON,
    LINK,
    LWM2M_CBOR,
    NOW_NS,
    OCTETS,
    OLD_JSON,
    OLD_TLV,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    TLV,
    VERSIONS,
    answer,
    order,
    report,
    request,
    result,
    target,
)

CREATED, DELETED, VALID, CHANGED, CONTENT, CONTINUE = 65, 66, 67, 68, 69, 95
ORDERS: dict[str, tuple[Order, int]] = {
    # operation: an order, and the code that ends it well
    "read": (order("read", "/3/0/9"), CONTENT),
    "write": (order("write", "/3/0/14", value="x"), CHANGED),
    "execute": (order("execute", "/3/0/4"), CHANGED),
    "create": (order("create", "/3303"), CREATED),
    "delete": (order("delete", "/3303/0"), DELETED),
    "discover": (order("discover", "/3"), CONTENT),
    "write_attributes": (order("write_attributes", "/3", attributes={"pmin": 1}), CHANGED),
    "observe": (order("observe", "/3/0/9"), CONTENT),
    "cancel_observe": (order("cancel_observe", "/3/0/9", mode="active"), CONTENT),
    "read_composite": (order("read_composite", paths=["/3/0/9"]), CONTENT),
    "write_composite": (order("write_composite", values={"/3/0/14": "x"}), CHANGED),
    "observe_composite": (order("observe_composite", paths=["/3/0/9"]), CONTENT),
    "cancel_composite": (order("cancel_composite", paths=["/3/0/9"], mode="active"), CONTENT),
    "coap": (order("coap", coap={"method": "get", "uri": "/"}), CONTENT),
}
BATTERY = {"/3/0/9": 85}
BATTERY_IN = {
    TEXT: b"85",
    CBOR: b"\x18\x55",
    SENML_JSON: b'[{"bn":"/3/0/9","v":85}]',
    SENML_CBOR: cbor2.dumps([{-2: "/3/0/9", 2: 85}]),
    TLV: bytes.fromhex("c10955"),
    OLD_TLV: bytes.fromhex("c10955"),
    JSON: b'{"bn":"/3/0/9","e":[{"v":85}]}',
    OLD_JSON: b'{"bn":"/3/0/9","e":[{"v":85}]}',
    LWM2M_CBOR: cbor2.dumps({3: {0: {9: 85}}}),
}


def found(what: Result) -> dict[str, Any]:
    """The values of a result, path to value."""
    assert what.ok and what.error is None and what.pack is not None, what
    return {str(node.path): node.value for node in what.pack}


def test_every_operation_is_tried() -> None:
    assert OPERATIONS.keys() == ORDERS.keys()


# Values


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("content_format", BATTERY_IN)
@pytest.mark.parametrize("op", ["read", "observe", "cancel_observe"])
def test_a_value_is_read_in_every_format(op: str, content_format: int, version: str) -> None:
    came = answer(CONTENT, content_format, BATTERY_IN[content_format])
    what = result(target(version), ORDERS[op][0], came)
    assert (found(what), what.code, what.content_format) == (BATTERY, "2.05", content_format)


@pytest.mark.parametrize(
    ("path", "content_format", "payload", "values"),
    [
        ("/3", TLV, "08 00 03 c10955", {"/3/0/9": 85}),
        ("/3", TLV, "c10955", {"/3/0/9": 85}),
        ("/3/0", TLV, "c10955", {"/3/0/9": 85}),
        ("/3/0", TLV, "", {}),
        ("/3/0/6", TLV, "86 06 4100 01 4101 05", {"/3/0/6/0": 1, "/3/0/6/1": 5}),
        ("/3/0/6/1", TLV, "4101 05", {"/3/0/6/1": 5}),
        ("/3/0/6/1", TEXT, b"5".hex(), {"/3/0/6/1": 5}),
        ("/3442/0/150", OCTETS, "", {"/3442/0/150": b""}),
        ("/3442/0/150", OCTETS, "00ff", {"/3442/0/150": b"\x00\xff"}),
        ("/3442/0/180", LINK, b"</3>".hex(), {"/3442/0/180": "</3>"}),
        ("/3442/0/170", TLV, "c4aa 0003 0000", {"/3442/0/170": ObjectLink(3, 0)}),
        ("/3442/0/125", TLV, "c17d ff", {"/3442/0/125": 255}),
        ("/9999/0/1", TEXT, b"x".hex(), {"/9999/0/1": "x"}),
        ("/9999/0/1", TLV, "c10155", {"/9999/0/1": b"U"}),
    ],
)
def test_levels_and_types_are_read(
    path: str, content_format: int, payload: str, values: dict[str, Any]
) -> None:
    came = answer(CONTENT, content_format, bytes.fromhex(payload))
    assert found(result(target("1.1"), order("read", path), came)) == values


@pytest.mark.parametrize("op", ["read_composite", "observe_composite", "cancel_composite"])
@pytest.mark.parametrize("content_format", [SENML_JSON, SENML_CBOR])
def test_composite_values_are_read(op: str, content_format: int) -> None:
    what = order(op, paths=["/3/0/9", "/1/0", "/3303"])
    nodes = [Node("/3/0/9", 85), Node("/1/0/1", 30), Node("/1/0/6", True)]
    came = answer(CONTENT, content_format, codec.encode(content_format, nodes))
    values = {"/3/0/9": 85, "/1/0/1": 30, "/1/0/6": True}
    assert found(result(target("1.1"), what, came)) == values


def test_observe_takes_the_2_04_of_old_devices_and_read_does_not() -> None:
    came = answer(CHANGED, TLV, bytes.fromhex("c10955"))
    assert found(result(target("1.0"), ORDERS["observe"][0], came)) == BATTERY
    assert result(target("1.0"), ORDERS["read"][0], came).error == (
        "2.04 is no answer to read, which ends in 2.05"
    )


def test_names_below_the_alternate_root_are_understood() -> None:
    where = target("1.1", root="/lwm2m")
    payload = b'[{"n":"/lwm2m/3/0/9","v":85}]'
    for op in ("read", "read_composite"):
        assert found(result(where, ORDERS[op][0], answer(CONTENT, SENML_JSON, payload))) == BATTERY
    bare = answer(CONTENT, SENML_JSON, b'[{"n":"/3/0/9","v":85}]')
    assert "outside the root path" in (result(where, ORDERS["read"][0], bare).error or "")


def test_relative_times_are_of_the_moment_of_arrival() -> None:
    came = answer(CONTENT, SENML_JSON, b'[{"n":"/3/0/9","v":85,"t":-5}]')
    made = result(target("1.1"), ORDERS["read"][0], came)
    assert result_json(made)["values"] == [
        {"path": "/3/0/9", "type": "INTEGER", "value": 85, "time": NOW_NS / 1e9 - 5}
    ]


UNREADABLE: list[tuple[int | None, bytes, str]] = [
    (None, b"85", "the answer names no content format"),
    (None, b"", "the answer names no content format"),
    (99, b"85", "content format 99 is not known"),
    (TEXT, b"x", "'x' is not INTEGER"),
    (TEXT, b"\xff", "not UTF-8"),
    (TLV, b"\xc1", "the answer cannot be read: TLV"),
    (TLV, bytes.fromhex("c10a55"), "outside"),
    (SENML_JSON, b"", "the answer cannot be read: SenML JSON"),
    (SENML_JSON, b"[" * 5000, "the answer cannot be read"),
    (SENML_JSON, b'[{"n":"/3/0/10","v":85}]', "outside"),
    (SENML_CBOR, cbor2.dumps([{0: "/4/0/9", 2: 85}]), "outside"),
    (CBOR, b"\x9f", "the answer cannot be read"),
    (LWM2M_CBOR, cbor2.dumps({3: {0: {10: 5}}}), "outside|not under"),
    (LINK, b"</3>", "links are no values"),
]


@pytest.mark.parametrize(("content_format", "payload", "why"), UNREADABLE)
@pytest.mark.parametrize("op", ["read", "observe"])
def test_an_answer_that_cannot_be_read_is_an_error_and_keeps_its_bytes(
    op: str, content_format: int | None, payload: bytes, why: str
) -> None:
    made = result(target("1.1"), ORDERS[op][0], answer(CONTENT, content_format, payload))
    assert (made.ok, made.code, made.pack) == (False, "2.05", None)
    assert any(each in (made.error or "") for each in why.split("|")), made.error
    assert (made.content_format, made.payload) == (content_format, payload)


@pytest.mark.parametrize(
    ("content_format", "payload", "why"),
    [
        (None, b"[]", "names no content format"),
        (TEXT, b"85", "only a single resource"),
        (TLV, bytes.fromhex("c10955"), "not the root"),
        (LINK, b"</3>", "links are no values"),
        (SENML_JSON, b'[{"n":"/3/0/9","v":85},{"n":"/3/0/1","vs":"x"}]', "/3/0/1 was not asked"),
        (SENML_JSON, b'[{"n":"/3/0","v":85}]', "/3/0"),
        (SENML_CBOR, b"\x82", "cannot be read"),
    ],
)
@pytest.mark.parametrize("op", ["read_composite", "observe_composite", "cancel_composite"])
def test_composite_values_that_cannot_be_used_are_an_error(
    op: str, content_format: int | None, payload: bytes, why: str
) -> None:
    made = result(target("1.1"), ORDERS[op][0], answer(CONTENT, content_format, payload))
    assert not made.ok and made.pack is None and why in (made.error or "")


# Codes


@pytest.mark.parametrize("op", ORDERS)
@pytest.mark.parametrize(
    ("code", "text"),
    [(128, "4.00"), (132, "4.04"), (133, "4.05"), (157, "4.29"), (160, "5.00"), (161, "5.01")],
)
def test_an_error_is_told_with_its_code_and_text(op: str, code: int, text: str) -> None:
    made = result(target("1.1"), ORDERS[op][0], answer(code, None, b"weg, leider"))
    assert (made.ok, made.code, made.error) == (False, text, "weg, leider")
    assert "values" not in result_json(made)


@pytest.mark.parametrize(
    ("came", "error"),
    [
        (answer(132), "not found"),
        (answer(132, TEXT, b"no such"), "no such"),
        (answer(132, None, b"\xff\xfe"), "not found"),
        (answer(132, None, b"\xdb"), "not found"),
        (answer(132, SENML_CBOR, b"\x80"), "not found"),
        (answer(132, None, b"a" * 5000), "a" * MAX_TEXT),
        (answer(132, None, "ä".encode() * MAX_TEXT), "ä" * MAX_TEXT),
        (answer(132, None, b"a" + "\U0001f600".encode() * 900), "a" + "\U0001f600" * 255),
        (answer(159), None),
    ],
)
def test_a_diagnostic_text_is_bounded_and_has_a_stand_in(came: Any, error: str | None) -> None:
    made = result(target(), ORDERS["read"][0], came)
    assert (made.ok, made.error) == (False, error)


@pytest.mark.parametrize("op", [op for op in ORDERS if op != "coap"])
@pytest.mark.parametrize(
    "code", [0, 1, CREATED, DELETED, VALID, CHANGED, CONTENT, CONTINUE, 96, 224]
)
def test_an_unexpected_code_is_an_error(op: str, code: int) -> None:
    what, wanted = ORDERS[op]
    expected = {wanted} | ({CHANGED} if "observe" in op or "cancel" in op else set())
    made = result(target("1.1"), what, answer(code, TEXT, b"85"))
    if code not in expected:
        assert not made.ok and f"is no answer to {op}, which ends in" in (made.error or "")
        assert made.code == f"{code >> 5}.{code & 31:02d}"


@pytest.mark.parametrize(
    "op", ["write", "execute", "delete", "write_attributes", "write_composite"]
)
def test_what_answers_with_a_code_is_done(op: str) -> None:
    what, code = ORDERS[op]
    came = answer(code)
    made = result(target("1.1"), what, came)
    assert made == Result(True, f"2.{code & 31:02d}", answered=came)
    assert result_json(made) == {"code": made.code}


@pytest.mark.parametrize("op", ["cancel_observe", "cancel_composite"])
def test_a_cancel_need_not_bring_values(op: str) -> None:
    came = answer(CONTENT)
    made = result(target("1.1"), ORDERS[op][0], came)
    assert made == Result(True, "2.05", answered=came)


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        ("timeout", "the device did not acknowledge the request"),
        ("no_response", "the device acknowledged the request and then did not answer"),
        ("reset", "the device rejected the request (reset)"),
        ("cancelled", "the request was cancelled: the device registered anew, moved or left"),
        ("malformed", "the device answered with an unusable message"),
        ("too_large", "the answer is larger than coap.max_body_bytes"),
        ("store", "the store refused what had to be kept before the request"),
        ("new", "the request ended: new"),
    ],
)
@pytest.mark.parametrize("op", ORDERS)
def test_a_request_without_an_answer_says_how_it_ended(op: str, outcome: str, error: str) -> None:
    made = result(target("1.1"), ORDERS[op][0], answer(0, outcome=outcome))
    assert made == Result(False, "", error=error)


# Create


@pytest.mark.parametrize(
    ("root", "path", "location", "said", "has_error"),
    [
        ("/", "/3303", "3303/5", "/3303/5", False),
        ("/", "/3303", "/3303/5", "/3303/5", False),
        ("/", "/3303", "3303/5/", "/3303/5", False),
        ("/lwm2m", "/3303", "lwm2m/3303/5", "/3303/5", False),
        ("/lwm2m", "/3303", "3303/5", "/3303/5", False),
        ("/", "/3303/7", None, "/3303/7", False),
        ("/", "/3303/7", "3303/7", "/3303/7", False),
        ("/", "/3303", None, None, False),
        ("/", "/3303", "3303", None, True),
        ("/", "/3303", "3304/5", None, True),
        ("/", "/3303", "3303/5/1", None, True),
        ("/", "/3303", "3303/65535", None, True),
        ("/", "/3303", "rd/abc", None, True),
        ("/", "/3303", "\ud800", None, True),
        ("/", "/3303", "", None, True),
    ],
)
def test_create_says_where_the_instance_is(
    root: str, path: str, location: str | None, said: str | None, has_error: bool
) -> None:
    made = result(
        target("1.1", root=root), order("create", path), answer(CREATED, location=location)
    )
    assert (made.ok, made.code, made.location) == (True, "2.01", said)
    assert (made.error is not None) is has_error


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"9": {"5700": 1.5}}, "/3303/9"),
        ({"09": {"5700": 1.5}}, "/3303/9"),
        ({"9": {}, "10": {}}, None),
        ({"5700": 1.5}, None),
        ({}, None),
    ],
)
def test_an_id_that_stood_in_the_values_is_where_the_instance_is(
    values: dict[str, Any], said: str | None
) -> None:
    made = result(target("1.1"), order("create", "/3303", values=values), answer(CREATED))
    assert (made.ok, made.location) == (True, said)


# Discover


def test_discover_lists_links_with_attributes() -> None:
    payload = b'</3>;ver="1.1";pmin=10,</3/0>,</3/0/6>;dim=8;gt=50;lt=42.2,</3/0/7>;pmax,</rd/a>'
    made = result(target(), ORDERS["discover"][0], answer(CONTENT, LINK, payload))
    assert made.ok and made.links == [
        {"url": "/3", "path": "/3", "attributes": {"ver": "1.1", "pmin": "10"}},
        {"url": "/3/0", "path": "/3/0", "attributes": {}},
        {
            "url": "/3/0/6",
            "path": "/3/0/6",
            "attributes": {"dim": "8", "gt": "50", "lt": "42.2"},
        },
        {"url": "/3/0/7", "path": "/3/0/7", "attributes": {"pmax": None}},
        {"url": "/rd/a", "path": None, "attributes": {}},
    ]
    assert result_json(made) == {"code": "2.05", "links": made.links}


def test_the_alternate_root_stays_in_the_url_and_not_in_the_path() -> None:
    came = answer(CONTENT, LINK, b"</lwm2m/3/0>,</3/0>")
    made = result(target(root="/lwm2m"), ORDERS["discover"][0], came)
    assert [(link["url"], link["path"]) for link in made.links or ()] == [
        ("/lwm2m/3/0", "/3/0"), ("/3/0", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content_format", "payload", "why"),
    [
        (None, b"</3>", "content format None is not links (40)"),
        (TEXT, b"</3>", "content format 0 is not links"),
        (LINK, b"<3", "the answer cannot be read: link format"),
        (LINK, b"\xff", "not UTF-8"),
    ],
)
def test_a_discover_without_links_is_an_error(
    content_format: int | None, payload: bytes, why: str
) -> None:
    made = result(target(), ORDERS["discover"][0], answer(CONTENT, content_format, payload))
    assert not made.ok and made.links is None and why in (made.error or "")


# Raw CoAP


@pytest.mark.parametrize("code", [CREATED, VALID, CONTENT, CONTINUE, 132, 160, 224, 1])
def test_a_raw_answer_is_kept_and_not_mapped(code: int) -> None:
    made = result(target(), ORDERS["coap"][0], answer(code, TLV, bytes.fromhex("c10955")))
    assert (made.ok, made.pack) == (code >> 5 == 2, None)
    shown = result_json(made)
    assert (shown["content_format"], shown["payload_hex"]) == (TLV, "c10955")
    assert shown["code"] == f"{code >> 5}.{code & 31:02d}" and "values" not in shown


def test_a_raw_answer_is_shown_up_to_the_limit() -> None:
    for size in (MAX_RAW_BYTES, MAX_RAW_BYTES + 1):
        made = result(target(), ORDERS["coap"][0], answer(CONTENT, OCTETS, b"a" * size))
        shown = result_json(made)
        assert shown["payload_bytes"] == size
        assert len(shown["payload_hex"]) == 2 * MAX_RAW_BYTES


# JSON of values


@pytest.mark.parametrize(
    ("node", "shown"),
    [
        (Node("/3/0/0", "x"), "x"),
        (Node("/3/0/9", 85), 85),
        (Node("/3/0/9", (1 << 64) - 1), (1 << 64) - 1),
        (Node("/3/0/9", 1.5), 1.5),
        (Node("/3/0/9", float("nan")), "NaN"),
        (Node("/3/0/9", float("inf")), "Infinity"),
        (Node("/3/0/9", float("-inf")), "-Infinity"),
        (Node("/3/0/9", True), True),
        (Node("/3/0/9", b"\x00\xff"), {"hex": "00ff"}),
        (Node("/3/0/9", 1367491215, Kind.TIME), 1367491215),
        (Node("/3/0/9", ObjectLink(3, 65535)), "3:65535"),
        (Node("/3/0/9", "</3>", Kind.CORELNK), "</3>"),
    ],
)
def test_a_value_survives_its_json(node: Node, shown: Any) -> None:
    json = orjson.loads(orjson.dumps(node_json(node)))
    assert json == {
        "path": str(node.path), "type": node.kind.name, "value": shown, "time": None,
    }  # fmt: skip
    assert Node(node.path, typed_value("", node.kind, json["value"]), node.kind) == node


def test_a_missing_value_of_a_composite_read_is_null() -> None:
    came = answer(CONTENT, SENML_CBOR, cbor2.dumps([{0: "/3/0/9"}]))
    made = result(target("1.1"), ORDERS["read_composite"][0], came)
    assert [each["value"] for each in result_json(made)["values"]] == [None]


# Notifications and Sends


def test_a_notification_is_read_as_its_context_says() -> None:
    where = target("1.1", (SENML_CBOR,))
    what = order("observe", "/3/0/9")
    context = context_of(what, request(where, "observe", "/3/0/9"))
    for content_format, payload in BATTERY_IN.items():
        pack = decode_report(where, context, report(content_format, payload))
        assert [(str(node.path), node.value) for node in pack] == [("/3/0/9", 85)]
    old = decode_report(where, context, report(TEXT, b"85", code=CHANGED))
    assert old.value("/3/0/9") == 85


def test_a_composite_notification_brings_any_of_its_paths() -> None:
    context = ObservedContext(("/1/0", "/3/0/9"), SENML_CBOR, True)
    pack = decode_report(target(), context, report(SENML_JSON, b'[{"n":"/1/0/1","v":30}]'))
    assert pack.value("/1/0/1") == 30
    with pytest.raises(FormatError, match="/5/0/3 was not asked for"):
        decode_report(target(), context, report(SENML_JSON, b'[{"n":"/5/0/3","v":30}]'))


def test_a_send_keeps_all_moments() -> None:
    payload = b'[{"bn":"/3303/0/5700","v":1.5,"t":-10},{"v":2.5,"t":-5},{"n":"","v":3}]'
    pack = decode_report(target(), None, report(SENML_JSON, payload, code=0, observation=0))
    seconds = [node.time_ns and node.time_ns / 1e9 for node in pack]
    assert sorted((each or 0) for each in seconds) == [0, 1.7e9 - 10, 1.7e9 - 5]
    assert {node.value for node in pack} == {1.5, 2.5, 3.0}
    assert {node.kind for node in pack} == {Kind.FLOAT}


@pytest.mark.parametrize(
    ("came", "why"),
    [
        (report(-1, b"85"), "names no content format"),
        (report(TEXT, b"x"), "not INTEGER"),
        (report(99, b"x"), "content format 99 is not known"),
        (report(SENML_JSON, b'[{"n":"/3/0/1","v":30}]'), "outside"),
        (report(LINK, b"</3>"), "links are no values"),
        (report(TEXT, b"gone", code=132), "the observation ended with 4.04"),
        (report(TEXT, b"gone", code=160), "the observation ended with 5.00"),
    ],
)
def test_a_notification_without_usable_values_is_an_error(came: Any, why: str) -> None:
    with pytest.raises(FormatError, match=why):
        decode_report(target(), ObservedContext(("/3/0/9",), None, False), came)


def test_a_send_needs_a_format_with_names() -> None:
    for content_format, payload in ((TEXT, b"85"), (TLV, b"\xc1\x09\x55"), (LINK, b"</3>")):
        with pytest.raises(FormatError):
            decode_report(target(), None, report(content_format, payload, code=0, observation=0))


def test_an_order_from_json_is_interpreted() -> None:
    what = parse_order(orjson.loads(b'{"op":"read","path":"3/0/9"}'))
    assert found(result(target(), what, answer(CONTENT, TEXT, b"85"))) == BATTERY
