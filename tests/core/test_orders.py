"""Orders: JSON in, JSON out, and what is refused whatever the device."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from lwm2m_fast.core.arglist import MAX_BYTES as MAX_ARGUMENT_BYTES
from lwm2m_fast.core.orders import MAX_PATHS, SHAPES, Order, order_json, parse_order
from lwm2m_fast.core.raw_coap import MAX_URI_CHARACTERS
from lwm2m_fast.core.value_shapes import MAX_BYTES, MAX_VALUES
from lwm2m_fast.errors import RequestError

ORDERS: list[dict[str, Any]] = [
    {"op": "read", "path": "/3/0/9"},
    {"op": "read", "path": "/3", "format": 11542, "is_unchecked": True},
    {"op": "write", "path": "/3/0/14", "value": "+02:00"},
    {"op": "write", "path": "/3/0/14", "value": "", "mode": "replace"},
    {"op": "write", "path": "/1/0/6", "value": False},
    {"op": "write", "path": "/1/0/1", "value": 0, "mode": "update"},
    {"op": "write", "path": "/3442/0/130", "value": 1.5},
    {"op": "write", "path": "/5/0/0", "value": {"hex": "00ff"}},
    {"op": "write", "path": "/5/0/0", "value": {"hex": ""}},
    {"op": "write", "path": "/5/0/0", "value": {"file": "image-2"}},
    {"op": "write", "path": "/3442/0/1120", "value": {"0": 1, "65535": 2}},
    {"op": "write", "path": "/3442/0/1120", "value": {}},
    {"op": "write", "path": "/1/0", "values": {"1": 30, "6": True}},
    {"op": "create", "path": "/3303"},
    {"op": "create", "path": "/3442", "values": {"7": {"1120": {"0": 1}, "110": "x"}}},
    {"op": "execute", "path": "/3/0/4"},
    {"op": "execute", "path": "/3/0/4", "arguments": "0='x',1"},
    {"op": "execute", "path": "/3/0/4", "arguments": "any thing", "is_free_text": True},
    {"op": "delete", "path": "/3303/0"},
    {"op": "discover", "path": "/3", "depth": 0},
    {"op": "write_attributes", "path": "/3/0/9", "attributes": {"pmin": 1, "pmax": None}},
    {"op": "observe", "path": "/3/0/9", "format": 60},
    {"op": "cancel_observe", "path": "/3/0/9", "mode": "active"},
    {"op": "read_composite", "paths": ["/3/0/9", "/"]},
    {"op": "observe_composite", "paths": ["/3/0/9"]},
    {"op": "cancel_composite", "paths": ["/3/0/9", "/1"], "mode": "passive"},
    {"op": "write_composite", "values": {"/3/0/14": "x", "/3442/0/1120/1": None}},
    {
        "op": "coap",
        "coap": {"method": "put", "uri": "/a?b", "query": ["c=1"], "payload_hex": "00",
                 "content_format": 0, "accept": 60},
    },
]  # fmt: skip


@pytest.mark.parametrize("data", ORDERS, ids=lambda data: json.dumps(data)[:60])
def test_an_order_survives_its_json(data: dict[str, Any]) -> None:
    made = parse_order(orjson.loads(orjson.dumps(data)))
    assert order_json(made) == data
    assert parse_order(order_json(made)) == made


def test_every_operation_is_tried() -> None:
    assert {each["op"] for each in ORDERS} == set(SHAPES)


def test_what_is_at_its_default_or_null_is_left_out() -> None:
    made = parse_order(
        {"op": "read", "path": "3/0/9/", "format": None, "mode": None, "is_unchecked": False}
    )
    assert made == Order("read", "/3/0/9")
    assert order_json(made) == {"op": "read", "path": "/3/0/9"}


def test_attributes_are_kept_under_their_names_in_the_standard() -> None:
    made = parse_order(
        {"op": "write_attributes", "path": "/3/0/9", "attributes": {"greater": "5", "step": 1.5}}
    )
    assert made.attributes == {"gt": 5, "st": 1.5}


READ = {"op": "read", "path": "/3"}
WRITE = {"op": "write", "path": "/3/0/14"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ([], "an order is a JSON object"),
        ({}, "op: None is not known; known are read, write"),
        ({"op": 5}, "op: 5 is not known"),
        ({"op": ["read"]}, "not known"),
        ({"op": "reboot"}, "op: 'reboot' is not known"),
        ({"op": "read"}, "path: missing, read needs it"),
        ({**READ, "value": 5}, "value: not a field of read, which has path, format"),
        ({**READ, "depth": 1}, "depth: not a field of read"),
        ({**READ, "path": 3}, "path: 3 is not a path"),
        ({**READ, "path": ""}, "path: '' is not a path"),
        ({**READ, "path": "/3/x"}, "path: path '/3/x' has an id that is not a number"),
        ({**READ, "path": "/3/65535"}, "reserved instance id 65535"),
        ({**READ, "path": "/1/2/3/4/5"}, "more than four ids"),
        ({**READ, "format": "TLV"}, "format: 'TLV' is not a whole number"),
        ({**READ, "format": True}, "format: True is not a whole number"),
        ({**READ, "format": 1}, "format: content format 1 is not known; known are 0, 40"),
        ({**READ, "format": 65_536}, "65535"),
        ({**READ, "is_unchecked": 1}, "is_unchecked: 1 is neither true nor false"),
        (WRITE, "either value or values"),
        ({**WRITE, "value": 1, "values": {}}, "either value or values"),
        ({**WRITE, "value": [1]}, "value: list is no value"),
        ({**WRITE, "value": {"x": 1}}, "'x' is not an id from 0 to 65535"),
        ({**WRITE, "value": {"65536": 1}}, "'65536' is not an id"),
        ({**WRITE, "value": {"01": 1}}, "'01' is not an id"),
        ({**WRITE, "value": {"9" * 5000: 1}}, "is not an id"),
        ({**WRITE, "value": {"0": {"1": 1}}}, "an object inside an object"),
        ({**WRITE, "value": {"0": None}}, "NoneType is no value"),
        ({**WRITE, "value": {"hex": "0"}}, "an even number is needed"),
        ({**WRITE, "value": {"hex": "0g"}}, "'0g' is not hexadecimal"),
        ({**WRITE, "value": {"hex": "00 11"}}, "an even number|not hexadecimal"),
        ({**WRITE, "value": {"hex": "0 0 "}}, "not hexadecimal"),
        ({**WRITE, "value": {"hex": 5}}, "hex has to be text"),
        ({**WRITE, "value": {"file": ""}}, "file has to be a name"),
        ({**WRITE, "value": float("nan")}, '"NaN"'),
        ({**WRITE, "value": 1 << 64}, "a whole number is from"),
        ({**WRITE, "value": -(1 << 63) - 1}, "a whole number is from"),
        ({**WRITE, "value": 1, "mode": "merge"}, "mode: 'merge' is not one of replace, update"),
        ({**WRITE, "value": 1, "mode": "active"}, "mode: 'active'"),
        ({"op": "write", "path": "/3/0", "values": {"1": {"2": {"3": 1}}, "x": {"1": {"2": {}}}}},
         "an object inside an object"),
        ({"op": "write", "path": "/3/0", "values": [1]}, "values: an object is needed"),
        ({"op": "execute", "path": "/3/0/4", "arguments": "a b"}, "arguments: no argument"),
        ({"op": "execute", "path": "/3/0/4", "arguments": 5}, "arguments: 5 is not text"),
        ({"op": "execute", "path": "/3/0/4", "arguments": "\ud800", "is_free_text": True}, "UTF-8"),
        ({"op": "discover", "path": "/3", "depth": 4}, "depth: 4 is not a whole number"),
        ({"op": "write_attributes", "path": "/3"}, "attributes: missing"),
        ({"op": "write_attributes", "path": "/3", "attributes": {}}, "none is given"),
        ({"op": "write_attributes", "path": "/3", "attributes": 5}, "an object is needed"),
        ({"op": "cancel_observe", "path": "/3", "mode": "update"}, "one of passive, active"),
        ({"op": "read_composite", "paths": []}, f"a list of 1 to {MAX_PATHS} paths"),
        ({"op": "read_composite", "paths": "/3"}, "a list of 1"),
        ({"op": "read_composite", "paths": ["/3", "3/"]}, "/3 is given twice"),
        ({"op": "write_composite", "values": {}}, "values: none is given"),
        ({"op": "write_composite", "values": {"x": 1}}, "values: path 'x' has"),
        ({"op": "write_composite", "values": {"/3/0/14": 1, "3/0/14": 2}}, "/3/0/14 is given tw"),
        ({"op": "coap", "coap": []}, "coap: an object is needed"),
        ({"op": "coap", "coap": {"uri": "/"}}, "method: None is not known; known are get, post"),
        ({"op": "coap", "coap": {"method": "head", "uri": "/"}}, "method: 'head'"),
        ({"op": "coap", "coap": {"method": "get"}}, "uri: None is not a path"),
        ({"op": "coap", "coap": {"method": "get", "uri": "coap://x/"}}, "is not a path"),
        ({"op": "coap", "coap": {"method": "get", "uri": "//x/"}}, "is not a path"),
        ({"op": "coap", "coap": {"method": "get", "uri": "/a#b"}}, "fragment"),
        ({"op": "coap", "coap": {"method": "get", "uri": "/", "token": "00"}}, "'token' is not"),
        ({"op": "coap", "coap": {"method": "get", "uri": "/", "accept": 65_536}}, "0 to 65535"),
        ({"op": "coap", "coap": {"method": "get", "uri": "/", "query": "a=1"}}, "a list of texts"),
        ({"op": "coap", "coap": {"method": "get", "uri": "/", "payload_hex": "0"}}, "even number"),
        ({"op": "coap", "coap": {"method": "get", "uri": "/", "payload_hex": 5}}, "payload_hex"),
        ({"op": "coap", "coap": {"method": "get", "uri": "/\ud800"}}, "UTF-8"),
        (
            {"op": "read", "path": "/3", "serialization": "XML"},
            "serialization: 'XML' is not one of TLV",
        ),
        (
            {"op": "delete", "path": "/3/0", "serialization": "TLV"},
            "serialization: not a field of delete",
        ),
    ],
)  # fmt: skip
def test_a_wrong_order_is_refused_with_field_and_value(data: Any, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        parse_order(data)


@pytest.mark.parametrize(
    ("fits", "is_over"),
    [
        ({"op": "read_composite", "paths": [f"/3/0/{i}" for i in range(MAX_PATHS)]},
         {"op": "read_composite", "paths": [f"/3/0/{i}" for i in range(MAX_PATHS + 1)]}),
        ({**WRITE, "value": "a" * MAX_BYTES}, {**WRITE, "value": "a" * (MAX_BYTES + 1)}),
        ({**WRITE, "value": {"hex": "0" * MAX_BYTES}},
         {**WRITE, "value": {"hex": "0" * (MAX_BYTES + 2)}}),
        ({**WRITE, "values": {str(i): 1 for i in range(MAX_VALUES)}},
         {**WRITE, "values": {str(i): 1 for i in range(MAX_VALUES + 1)}}),
        ({"op": "execute", "path": "/3/0/4", "arguments": "a" * MAX_ARGUMENT_BYTES,
          "is_free_text": True},
         {"op": "execute", "path": "/3/0/4", "arguments": "ä" + "a" * (MAX_ARGUMENT_BYTES - 1),
          "is_free_text": True}),
        ({"op": "coap", "coap": {"method": "get", "uri": "/" + "a" * 255}},
         {"op": "coap", "coap": {"method": "get", "uri": "/" + "a" * 256}}),
        ({"op": "coap", "coap": {"method": "get", "uri": "/a" * (MAX_URI_CHARACTERS // 2)}},
         {"op": "coap", "coap": {"method": "get", "uri": "/a" * (MAX_URI_CHARACTERS // 2) + "/"}}),
    ],
)  # fmt: skip
def test_an_order_is_as_large_as_the_limit_and_no_larger(
    fits: dict[str, Any], is_over: dict[str, Any]
) -> None:
    assert parse_order(fits).op == fits["op"]
    with pytest.raises(RequestError):
        parse_order(is_over)


def test_every_operation_and_field_is_in_the_manual() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    known = {word for span in re.findall(r"`([^`\n]+)`", manual) for word in span.split()}
    for op, shape in SHAPES.items():
        assert {op, *shape.needs, *shape.may, *shape.modes} <= known
