"""Composite and raw requests, and what is remembered of an observation."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from lwm2m_fast import codec
from lwm2m_fast.codec import Node
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.operations import (
    MAX_READY,
    build,
    context_of,
    paths_of,
    read_context,
)
from lwm2m_fast.core.orders import MAX_PATHS, Order, parse_order
from lwm2m_fast.errors import FormatError, RequestError
from tests.core.order_kit import (
    CBOR,
    ETCH_CBOR,
    ETCH_JSON,
    FETCH,
    IPATCH,
    LWM2M_CBOR,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    TLV,
    order,
    refused,
    request,
    segments,
    target,
    values,
)

SENML = (SENML_JSON, SENML_CBOR)


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
    assert paths_of(turned) == read_context(context).paths
    assert paths_of(single) == ("/3442/0/1120/1",)


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


def test_what_is_kept_ready_is_bounded_and_shared_by_devices_that_are_alike_only() -> None:
    one, other = target("1.1", (CBOR,)), target("1.1", (CBOR,))
    first = request(one, "read", "/3442/0/110")
    assert request(other, "read", "/3442/0/110") is first
    for apart in (target("1.1"), target("1.2", (CBOR,)), target("1.1", (CBOR,), forced=TLV)):
        assert request(apart, "read", "/3442/0/110") is not first
    for at in range(MAX_READY + 5):
        made = request(one, "read", f"/3442/{at}/110")
        assert made.path == (b"3442", b"%d" % at, b"110")
        assert len(one.ready) <= MAX_READY
    assert request(one, "observe", "/3442/0/110").observe == 0
    assert request(one, "read", "/3442/0/110", format=TEXT).accept == TEXT
    assert request(one, "read", "/3442/0/110").accept == CBOR
    assert "cannot be read" in refused(one, "read", "/3/0/4")
    assert request(one, "read", "/3/0/4", is_unchecked=True).path == segments("/3/0/4")
    assert "cannot be read" in refused(one, "read", "/3/0/4")


def test_what_was_stored_in_json_is_built_the_same() -> None:
    data = {"op": "write", "path": "/3442/0/1150", "value": {"0": {"hex": "00"}}}
    made = build(parse_order(orjson.loads(orjson.dumps(data))), target("1.0"))
    assert made == request(target("1.0"), "write", "/3442/0/1150", value={"0": {"hex": "00"}})
