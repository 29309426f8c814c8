# Invariant: whatever an operator types or posts is refused with a RequestError or is an order that
# survives its JSON and becomes a request, or a RequestError, for any device; and whatever a device
# answers is a Result that JSON can say; a context that we did not write is a FormatError.
"""Any bytes as orders, shell texts, argument lists, answers, notifications and contexts.

The first byte says which, the second which device, order, code or format; the rest is the input.
"""

from __future__ import annotations

import orjson

from lwm2m_fast.codec import FORMATS
from lwm2m_fast.core.arglist import parse_arglist
from lwm2m_fast.core.ask import Answered, CoapRequest, Report
from lwm2m_fast.core.connector_shell import CONNECTOR_COMMANDS, parse_connector
from lwm2m_fast.core.contexts import read_context
from lwm2m_fast.core.operations import (
    ObservedContext,
    Target,
    build,
    decode_report,
    interpret,
    result_json,
    target_of,
)
from lwm2m_fast.core.orders import Order, order_json, parse_order
from lwm2m_fast.core.shell import parse_shell
from lwm2m_fast.errors import FormatError, RequestError
from lwm2m_fast.model import Model, built_in

NOW_NS = 1_700_000_000_000_000_000
MODEL = Model(built_in())


def _target(version: str, offers: list[int], root: str) -> Target:
    objects = {str(each): {"version": None, "instances": [0]} for each in (1, 3, 5, 3442)}
    device = {
        "endpoint": "dev-1", "lwm2m_version": version, "content_formats": offers, "root": root,
        "objects": objects,
    }  # fmt: skip
    return target_of(device, MODEL)


TARGETS = (
    _target("1.0", [], "/"),
    _target("1.1", [110, 112, 11542], "/lwm2m"),
    _target("1.2", [60, 112, 320, 322, 11544], "/"),
)
ORDERS = [
    parse_order(data)
    for data in (
        {"op": "read", "path": "/3/0/9"},
        {"op": "read", "path": "/3442"},
        {"op": "observe", "path": "/3442/0/180"},
        {"op": "discover", "path": "/3"},
        {"op": "create", "path": "/3442"},
        {"op": "read_composite", "paths": ["/3/0", "/3442/0/130"]},
        {"op": "cancel_composite", "paths": ["/"]},
        {"op": "write", "path": "/3/0/14", "value": "x"},
        {"op": "coap", "coap": {"method": "get", "uri": "/"}},
    )
]
NUMBERS = [None, 99, *FORMATS]
CODES = [65, 68, 69, 69, 69, 69, 128, 132, 160, 0, 255]
CONTEXTS = (
    ObservedContext(("/3/0/9",), None, False),
    ObservedContext(("/3/0", "/3442"), 112, True),
    None,
)


def check_order(order: Order) -> None:
    """It survives its JSON, and is built or refused for every device."""
    shown = orjson.loads(orjson.dumps(order_json(order)))
    assert parse_order(shown) == order
    for target in TARGETS:
        try:
            assert isinstance(build(order, target, lambda name: b"file"), CoapRequest)
        except RequestError as error:
            assert str(error)


def check_json(selector: int, data: bytes) -> None:
    try:
        order = parse_order(orjson.loads(data))
    except (RequestError, orjson.JSONDecodeError):
        return
    check_order(order)


def check_shell(selector: int, data: bytes) -> None:
    try:
        lines = parse_shell(data.decode("utf-8", "replace"))
    except RequestError:
        return
    for line in lines:
        asked = (line.order, line.setting, line.help)
        assert sum(each is not None for each in asked) == 1
        if line.order is not None:
            check_order(line.order)


def check_connector(selector: int, data: bytes) -> None:
    try:
        asks = parse_connector(data.decode("utf-8", "replace"))
    except RequestError as error:
        assert str(error)
        return
    for ask in asks:
        assert ask.command in CONNECTOR_COMMANDS
        assert all(ask.names) and len(set(ask.names)) == len(ask.names)


def check_arglist(selector: int, data: bytes) -> None:
    text = data.decode("latin-1")
    try:
        arguments = parse_arglist(text)
    except RequestError:
        return
    again = [str(n) if value is None else f"{n}='{value}'" for n, value in arguments]
    assert ",".join(again) == text


def check_answer(selector: int, data: bytes) -> None:
    order, target = ORDERS[selector % len(ORDERS)], TARGETS[selector % len(TARGETS)]
    code, number = CODES[selector % len(CODES)], NUMBERS[selector % len(NUMBERS)]
    location = data[:40].decode("latin-1") if selector & 1 else None
    answered = Answered(1, "answered", code, number, data, None, location, 0)
    result = interpret(order, target, answered, NOW_NS)
    assert result.ok or result.error or code == 255
    orjson.dumps(result_json(result))


def check_report(selector: int, data: bytes) -> None:
    number = NUMBERS[selector % len(NUMBERS)]
    report = Report(1, 1, 69, -1 if number is None else number, data, 1.7e9, 5)
    try:
        pack = decode_report(
            TARGETS[selector % len(TARGETS)], CONTEXTS[selector % len(CONTEXTS)], report
        )
    except FormatError:
        return
    assert all(str(node.path).startswith("/") for node in pack)


def check_context(selector: int, data: bytes) -> None:
    try:
        found = read_context(data)
    except FormatError:
        return
    assert found.paths and (found.is_composite or len(found.paths) == 1)


CHECKS = (
    check_json, check_shell, check_arglist, check_answer, check_report, check_context,
    check_connector,
)  # fmt: skip

SEEDS = (
    b"\6\0migrateLwm2mDevices -sr -d 1, 2 urn:imei:1",
    b"\6\0help\ncleanupClusterTenantObjectsForEndpoint a b\ninvalidateRegistrationById x",
    *(bytes([0, 0]) + orjson.dumps(order_json(order)) for order in ORDERS),
    b'\0\0{"op":"write","path":"/3442/0","values":{"1120":{"0":1},"160":"2013-05-02T12:40:15Z"}}',
    b'\0\0{"op":"write_composite","values":{"/3442/0/150":{"hex":"00"},"/3442/0/1120/1":null}}',
    b'\0\0{"op":"create","path":"/3442","values":{"7":{"170":"3:0"},"8":{"125":5.0}}}',
    b"\1\0read /3/0/9\nexecute /3/0/4 0='x',1\nwriteattr /3/0/9 pmin=1&gt=5.5&cancel\nhelp read",
    b'\1\0cwrite /3/0/14 "a b" /3442/0/1120 {"0":1}\nwriteb /5/0/0 00ff\nserialization TLV',
    b'\1\0coap {"method":"get","uri":"/a?b","payloadHex":"00"}\ncreate /3442 {"120":5}',
    b"\2\0" + b"7,0='https://www.oma.com',1=''",
    *(bytes([3, at]) + b'[{"bn":"/3/0/9","v":85}]' for at in range(len(NUMBERS))),
    b"\3\x03</3>;ver=1.1,</3/0/6>;dim=8",
    *(bytes([4, at]) + b"\xc1\x09\x55" for at in range(len(NUMBERS))),
    b"\5\0\x01\x02\0\x70\x03\0\x03\0\0\0\x09",
)
WORDS = (
    b"/3442/0/", b"/3/0/9", b"65535", b"null", b"true", b'{"hex":"00"}', b'{"0":1}',
    b"NaN", b"1e999", b"-1", b"18446744073709551616", b"\n", b" ", b'"', b"'", b"&", b"=",
    b'{"file":"a"}', b"pmin=", b"cancel", b"binary:", b'"format":', b'"mode":"update"',
    b'"is_unchecked":true', b"9" * 5000,
)  # fmt: skip


def check(data: bytes) -> None:
    if len(data) >= 2:
        CHECKS[data[0] % len(CHECKS)](data[1], data[2:])
