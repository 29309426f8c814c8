"""Leshan's node JSON. Invariant: a body is refused with a RequestError, or it gives values that an
order takes, and that order is refused or becomes a CoAP request; nothing else is raised.

The first byte chooses the path that the body is for.
"""

from __future__ import annotations

from lwm2m_fast.codec import Path
from lwm2m_fast.core.operations import build, target_of
from lwm2m_fast.core.orders import parse_order
from lwm2m_fast.errors import RequestError
from lwm2m_fast.model import Model, built_in
from lwm2m_fast.rest.leshan.composite import written_values
from lwm2m_fast.rest.leshan.nodes import instance_of, node_value, parsed_json

DEVICE = {
    "endpoint": "dev-1",
    "lwm2m_version": "1.1",
    "content_formats": [110, 112, 11542, 0, 42],
    "objects": {str(n): {"version": None, "instances": [0]} for n in (1, 3, 5, 16, 3303)},
    "root": "/",
}
TARGET = target_of(DEVICE, Model(built_in()))
TYPES = TARGET.view.types
PATHS = tuple(
    map(Path.parse, ("/1/0", "/3/0/13", "/16/0/0", "/16/0/0/1", "/5/0/0", "/9999/0/1", "/9999/0"))
)

SEEDS = (
    b'\x00{"id":0,"resources":[{"id":1,"type":"integer","value":"60"}]}',
    b'\x01{"id":"13","kind":"singleResource","type":"TIME","value":1700000000000}',
    b'\x02{"id":0,"type":"STRING","values":{"0":"a","1":"b"}}',
    b'\x03{"id":1,"kind":"resourceInstance","type":"STRING","value":"a"}',
    b'\x04{"id":0,"type":"OPAQUE","value":"00ff"}',
    b'\x05{"id":1,"type":"OBJLNK","value":{"objectId":3,"objectInstanceId":0}}',
    b'\x05{"id":1,"type":"CORELINK","value":"</3/0>;pmin=1"}',
    b'\x05{"id":1,"type":"FLOAT","value":"-1.5e3"}',
    b'\x05{"id":1,"type":"UNSIGNED_INTEGER","value":18446744073709551615}',
    b'\x06{"resources":[{"id":1,"type":"BOOLEAN","value":true}]}',
    b'\x07{"/1/0/1":{"id":1,"type":"INTEGER","value":"60"},"/16/0/0/3":null}',
)
WORDS = (
    b'"id":', b'"kind":', b'"type":', b'"value":', b'"values":', b'"resources":[', b'"instances":[',
    b"null", b"true", b"1e999", b"-0", b"{}", b"[]", b'"NaN"', b'"\\ud800"', b'"\\u0000"', b"65535",
)  # fmt: skip


def orders(data: bytes) -> list[dict[str, object]]:
    """The orders that routes would make of the body."""
    given = parsed_json(data[1:])
    choice = data[0] if data else 0
    if choice % (len(PATHS) + 1) == len(PATHS):
        return [{"op": "write_composite", "values": written_values(given, TYPES)}]
    path = PATHS[choice % (len(PATHS) + 1)]
    if path.depth == 2:
        number, values = instance_of(given, Path(path.ids[0]), TYPES)
        at = f"/{path.ids[0]}" if number is None else f"/{path.ids[0]}/{number}"
        made: list[dict[str, object]] = [{"op": "create", "path": at, "values": values}]
    else:
        made = []
    member = "values" if path.depth == 2 else "value"
    return [*made, {"op": "write", "path": str(path), member: node_value(given, path, TYPES)}]


def check(data: bytes) -> None:
    try:
        found = orders(data)
    except RequestError as error:
        assert str(error)
        return
    for one in found:
        try:
            build(parse_order({**one, "is_unchecked": True}), TARGET)
        except RequestError as error:
            assert str(error)
