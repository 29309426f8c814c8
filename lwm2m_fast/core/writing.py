"""Orders that carry values, as CoAP requests: Write, Create, Write-Composite.

Values become nodes of the types that the model gives; a value of the wrong type, a map where one
value belongs, or the other way round, is refused here, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from mmap import mmap
from typing import Any, Final

import orjson

from lwm2m_fast import codec
from lwm2m_fast.codec import Kind, Node, Path
from lwm2m_fast.codec.kinds import UNDEFINED_INSTANCE
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.choice import (
    RESOURCE,
    RESOURCE_INSTANCE,
    check_access,
    check_object,
    composite_formats,
    formats_of,
    is_single,
    place_of,
    type_at,
)
from lwm2m_fast.core.orders import Order
from lwm2m_fast.core.target import Target
from lwm2m_fast.core.typed_values import own_kind, typed_value
from lwm2m_fast.core.value_shapes import Budget, check_value, is_map, is_marked, read_id
from lwm2m_fast.errors import FormatError, RequestError
from lwm2m_fast.model import Operation, ResourceType, speaks, spelling
from lwm2m_fast.wire.numbers import Code, ContentFormat

OpenFile = Callable[[str], bytes | mmap]

PUT: Final = int(Code.PUT)
POST: Final = int(Code.POST)
IPATCH: Final = int(Code.IPATCH)

_TLV: Final = int(ContentFormat.TLV)
_TLVS: Final = (_TLV, int(ContentFormat.OLD_TLV))
_OCTETS: Final = int(ContentFormat.OPAQUE)
_HOLD_EMPTY: Final = frozenset({*_TLVS, int(ContentFormat.LWM2M_CBOR)})
"""Formats that can say that a multiple resource has no instances."""


def _node(path: Path, value: Any, kind: Kind) -> Node:
    try:
        return Node(path, value, kind)
    except FormatError as error:
        raise RequestError(str(error)) from None


def _one(target: Target, path: Path, given: Any) -> Node:
    """The node of one value."""
    if is_map(given):
        raise RequestError(f"{path}: one value is needed, not an object of ids")
    kind = target.kind(path)
    if kind is Kind.NONE:
        raise RequestError(f"{path}: an executable resource has no value")
    if kind is None:
        kind = own_kind(given)
    return _node(path, typed_value(str(path), kind, given), kind)


def _from_text(target: Target, path: Path, given: Any) -> Any:
    """`given`, read as JSON where a shell's text can only be that: {"0": 1}, {"hex": "00"}."""
    if not isinstance(given, str) or not given.startswith("{"):
        return given
    known = target.resource(path)
    if known is None or not (known.multiple or known.type is ResourceType.OPAQUE):
        return given
    try:
        made = orjson.loads(given)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"{path}: {given[:40]!r} is not JSON: {error}") from None
    check_value(str(path), made, Budget())
    return made


def _resource(target: Target, path: Path, given: Any) -> list[Node]:
    """The nodes of a resource: one, or one per instance; of none its path alone."""
    given = _from_text(target, path, given)
    known = target.resource(path)
    if known is None and not is_map(given):
        return [_one(target, path, given)]
    if known is not None and not known.multiple:
        return [_one(target, path, given)]
    if not is_map(given):
        raise RequestError(f'{path}: a multiple resource; give {{"0": value, ...}}')
    made = [_one(target, path.child(_id(path, key)), each) for key, each in given.items()]
    return made or [Node(path)]


def _id(path: Path, key: str, most: int = 65_535) -> int:
    number = read_id(key, most)
    if number is None:
        raise RequestError(f"{path}: {str(key)[:20]!r} is not an id from 0 to {most}")
    return number


def _instance(
    order: Order, target: Target, path: Path, values: Any, check: str | None
) -> list[Node]:
    """The nodes of an object instance's resources; `check` is the letter that each must allow."""
    if not is_map(values):
        raise RequestError(f'{path}: an instance is an object of resources, {{"5700": value}}')
    nodes: list[Node] = []
    for key, given in values.items():
        resource = path.child(_id(path, key))
        if check:
            check_access(order, target, resource, check)
        if given is None or _has_file(given):
            raise RequestError(f"{resource}: a file, or null, is no value of an instance")
        nodes += _resource(target, resource, given)
    return nodes


def _has_file(given: Any) -> bool:
    return is_marked(given) and "file" in given


def _encoded(content_format: int | None, nodes: list[Node], base: Path, root: str) -> bytes:
    number = _TLV if content_format is None else content_format
    empty = next((node.path for node in nodes if node.kind is Kind.NONE), None)
    if empty is not None and empty.depth == RESOURCE and number not in _HOLD_EMPTY:
        raise RequestError(
            f"{empty}: {codec.FORMATS[number].name} cannot say that a resource has no instances"
        )
    try:
        return codec.encode(number, nodes, base, root=root)
    except FormatError as error:
        raise RequestError(str(error)) from None


def write(order: Order, target: Target, open_file: OpenFile | None) -> CoapRequest:
    """PUT, or POST for a partial update (LwM2M Core, section 6.3.3)."""
    place = place_of(order.path or "")
    path, is_update = place.path, order.mode == "update"
    check_access(order, target, path, "W")
    if path.depth < RESOURCE:
        return _write_instance(order, target, is_update)
    if order.values is not None:
        raise RequestError(f"values: {path} takes a value; values are of an instance")
    if _has_file(order.value):
        return _write_file(order, target, open_file)
    if path.depth == RESOURCE_INSTANCE:
        nodes = [_one(target, path, _from_text(target, path, order.value))]
    else:
        nodes = _resource(target, path, order.value)
    # POST of text to a resource is Execute: an update goes in a format that Execute never has.
    single = not is_update and is_single(target, path) and nodes[0].path == path
    type = type_at(target, path) or _type_of(nodes[0])
    operation = Operation.UPDATE if is_update else Operation.WRITE
    formats = formats_of(order, target, operation, single, type)
    payload = _encoded(formats.content_format, nodes, path, target.root)
    return CoapRequest(
        POST if is_update else PUT,
        place.segments,
        content_format=formats.content_format,
        payload=payload,
    )


def _type_of(node: Node) -> ResourceType | None:
    """Of an unknown resource: what its value is; only octets have a format of their own."""
    return ResourceType.OPAQUE if node.kind is Kind.OPAQUE else None


def _write_instance(order: Order, target: Target, is_update: bool) -> CoapRequest:
    place = place_of(order.path or "")
    if order.values is None:
        raise RequestError(f"value: {place.path} is an instance, which takes values")
    nodes = _instance(order, target, place.path, order.values, "W")
    operation = Operation.UPDATE if is_update else Operation.WRITE
    formats = formats_of(order, target, operation, single=False)
    payload = _encoded(formats.content_format, nodes, place.path, target.root)
    return CoapRequest(
        POST if is_update else PUT,
        place.segments,
        content_format=formats.content_format,
        payload=payload,
    )


def _write_file(order: Order, target: Target, open_file: OpenFile | None) -> CoapRequest:
    """An uploaded file as it is: in octets, which need not be made of it first."""
    place = place_of(order.path or "")
    kind, name = target.kind(place.path), order.value["file"]
    if kind not in (None, Kind.OPAQUE) or not is_single(target, place.path):
        raise RequestError(f"{place.path}: a file can be written to one opaque value only")
    if order.mode == "update":
        raise RequestError(f"mode: {place.path} is replaced by a file, not updated")
    if order.format not in (None, _OCTETS):
        raise RequestError(f"format: a file is sent in octets ({_OCTETS}), not {order.format}")
    if open_file is None:
        raise RequestError(f"{place.path}: there are no files here")
    try:
        payload = open_file(name)
    except (OSError, LookupError, ValueError):
        raise RequestError(f"{place.path}: there is no file {name[:60]!r}") from None
    return CoapRequest(PUT, place.segments, content_format=_OCTETS, payload=payload)


def create(order: Order, target: Target, open_file: OpenFile | None) -> CoapRequest:
    """POST on the object (LwM2M Core, section 6.3.6): with instance ids in the payload, or bare
    resources, for which the device finds an id."""
    place = place_of(order.path or "")
    object_path = Path(place.path.ids[0])
    check_object(order, object_path)
    nodes: list[Node] = []
    for number, values in _instances(order, place.path).items():
        path = object_path.child(number)
        # What the model lets nobody write may still have a first value.
        made = _instance(order, target, path, values, None)
        nodes += made or ([] if number == UNDEFINED_INSTANCE else [Node(path)])
    has_ids = place.path.depth > 1 or (bool(nodes) and nodes[0].path.ids[1] != UNDEFINED_INSTANCE)
    content_format = _create_format(order, target, has_ids)
    payload = _encoded(content_format, nodes, object_path, target.root)
    return CoapRequest(POST, place.segments[:1], content_format=content_format, payload=payload)


def _instances(order: Order, path: Path) -> Mapping[int, Any]:
    """Instance id to its values; a map of maps is of instances."""
    values = order.values or {}
    if path.depth > 1:
        return {path.ids[1]: values}
    if values and all(is_map(each) for each in values.values()):
        return {_id(path, key, UNDEFINED_INSTANCE - 1): each for key, each in values.items()}
    return {UNDEFINED_INSTANCE: values}


def _create_format(order: Order, target: Target, has_ids: bool) -> int | None:
    number = formats_of(order, target, Operation.CREATE, single=False).content_format
    if has_ids or number in _TLVS:
        return number
    # Names in SenML, JSON and LwM2M CBOR begin with an instance id: only TLV can leave it out.
    if order.format is None and (
        order.is_unchecked or speaks(_TLV, target.content_formats, target.lwm2m_version)
    ):
        return spelling(_TLV, target.content_formats)
    raise RequestError(
        f"{order.path}: without an instance id only TLV ({_TLV}) can be sent, which "
        f"{'format forbids' if order.format is not None else f'{target.endpoint!r} lacks'}; "
        "give an id, such as /3303/0"
    )


def write_composite(order: Order, target: Target, open_file: OpenFile | None) -> CoapRequest:
    """iPATCH on the root (LwM2M Core, section 6.3.9); null removes."""
    values = order.values or {}
    nodes: list[Node] = []
    for text, given in values.items():
        try:
            path = place_of(text).path
        except FormatError as error:
            raise RequestError(f"values: {error}") from None
        nodes += _composite_nodes(order, target, path, given)
    if not nodes:
        raise RequestError("values: none is given")
    seen: set[Path] = set()
    for node in nodes:
        if node.path in seen:
            raise RequestError(f"values: {node.path} is given twice")
        seen.add(node.path)
    removes = any(node.kind is Kind.NULL for node in nodes)
    formats = composite_formats(order, target, Operation.WRITE_COMPOSITE, removes)
    payload = _encoded(formats.content_format, nodes, Path(), target.root)
    return CoapRequest(IPATCH, content_format=formats.content_format, payload=payload)


def _composite_nodes(order: Order, target: Target, path: Path, given: Any) -> list[Node]:
    check_access(order, target, path, "W")
    if path.depth < RESOURCE - 1:
        raise RequestError(f"{path}: values are of instances, resources and resource instances")
    if _has_file(given):
        raise RequestError(f"{path}: a file is written by itself")
    if path.depth < RESOURCE:
        return _instance(order, target, path, given, "W")
    if given is None:
        return [Node(path, None, Kind.NULL)]
    if path.depth == RESOURCE_INSTANCE:
        return [_one(target, path, _from_text(target, path, given))]
    return _resource(target, path, given)
