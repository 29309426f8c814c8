"""ThingsBoard's RPC requests and replies. Invariant: a method with any parameters is refused with a
RequestError, answered, or an order that is refused or becomes a CoAP request; and whatever a device
sends is a reply whose members are text. Nothing is raised beside RequestError.

The first byte chooses the method that the JSON behind it is for; from 128 on, what the payload
behind it is an answer to, and in which format.
"""

from __future__ import annotations

import orjson

from lwm2m_fast.core.ask import Answered
from lwm2m_fast.core.operations import build, interpret, result_json, target_of
from lwm2m_fast.core.orders import Order, order_json, parse_order
from lwm2m_fast.errors import RequestError
from lwm2m_fast.model import Model, built_in
from lwm2m_fast.rest.thingsboard.methods import METHODS, Asking
from lwm2m_fast.rest.thingsboard.places import Device
from lwm2m_fast.rest.thingsboard.replies import Reply, reply_of
from lwm2m_fast.rest.thingsboard.rpc import params_of

DEVICE = {
    "endpoint": "dev-1",
    "lwm2m_version": "1.1",
    "content_formats": [110, 112, 11542, 0, 42],
    "objects": {str(n): {"version": None, "instances": [0, 1]} for n in (1, 3, 5, 19, 3303, 9999)},
    "root": "/",
}
TARGET = target_of(DEVICE, Model(built_in()))
OBJECTS = DEVICE["objects"]
assert isinstance(OBJECTS, dict)
KNOWN = Device("dev-1", OBJECTS, "1.0", TARGET.view)
RELATIONS = (
    {"paths": ["/3/0/9"], "is_composite": False},
    {"paths": ["/5/0", "/3303/0/5700"], "is_composite": True},
    {"paths": [], "is_composite": False},  # of another version
)
NAMES = tuple(METHODS)
ORDERS = (
    Order("read", "/3"),
    Order("read", "/3/0"),
    Order("read", "/19/0/0"),
    Order("read", "/19/0/0/1"),
    Order("read_composite", paths=("/3/0/9", "/19/0/0")),
    Order("discover", "/3"),
)
FORMATS = (110, 112, 11542, 40)

SEEDS = (
    *(
        bytes([number]) + params
        for number in range(len(NAMES))
        for params in (
            b'{"id":"/3_1.0/0/9","value":"x"}',
            b'{"key":"batteryLevel","value":{"0":"AP8="}}',
            b'{"ids":["/3/0/13","/3303_1.0/0"],"id":"/19/5","value":{"0":{"0":"00ff"}}}',
            b'{"keys":["batteryLevel","timezone"],"nodes":{"/19/0/0":{"0":"00"},"timezone":"x"}}',
            b'{"id":"/3303/0","attributes":{"pmin":1},"nodes":{"5700":1.5}}',
        )
    ),
    b'\x80[{"bn":"/3/0/","n":"9","v":95},{"n":"6/0","v":1},{"n":"6","v":2}]',
    b'\x82[{"bn":"/19/0/0/","n":"0","vd":"AP8"},{"n":"1","vd":"qg"}]',
    b'\x84[{"n":"/3/0/9","v":95}]',
    b'\x85</3>;ver=1.0,</3/0/9>;pmin=1;x="y"',
)
WORDS = (
    b'"id":', b'"key":', b'"ids":[', b'"keys":[', b'"value":', b'"nodes":{', b'"attributes":{',
    b'"/3_1.0/0"', b"null", b"true", b"1e999", b"{}", b"[]", b'"\\ud800"', b"65536", b'"/0/0/0"',
)  # fmt: skip


def check(data: bytes) -> None:
    choice = data[0] if data else 0
    if choice & 128:
        check_reply(choice & 127, data[1:])
    else:
        check_request(NAMES[choice % len(NAMES)], data[1:])


def check_request(name: str, data: bytes) -> None:
    try:
        given = orjson.loads(data)
    except orjson.JSONDecodeError:
        given = data.decode("utf-8", "replace")
    try:
        found = METHODS[name](Asking(KNOWN, params_of(given), RELATIONS))
        if isinstance(found, Reply):
            assert found.result
            return
        assert parse_order(order_json(found)) == found
        assert found.path is None or not found.path.startswith("/0")
        if not found.op.startswith("cancel"):
            build(found, TARGET)
    except RequestError as error:
        assert str(error)


def check_reply(choice: int, payload: bytes) -> None:
    order = ORDERS[choice % len(ORDERS)]
    format = FORMATS[choice // len(ORDERS) % len(FORMATS)]
    answered = Answered(1, "answered", 69, format, payload, None, None, 0)
    result = interpret(order, TARGET, answered, 0)
    state = "SUCCESSFUL" if result.ok else "FAILED"
    operation = {"order": order_json(order), "state": state, "reason": None}
    reply = reply_of({**operation, "result": result_json(result)})
    assert all(isinstance(each, str) for each in reply.as_json().values())
    assert (reply.error is None) == result.ok
