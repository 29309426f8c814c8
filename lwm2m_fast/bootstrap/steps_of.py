"""From what is configured of a bootstrap beside its accounts to its steps: instances with typed
values, paths, and the content format.

Types are those of the known objects; a resource that nobody knows has the type that its JSON value
has. Knows neither accounts nor sessions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from lwm2m_fast.codec import Kind, Node, Path
from lwm2m_fast.core.typed_values import own_kind, typed_value
from lwm2m_fast.errors import FormatError, RequestError
from lwm2m_fast.fleet.device_fields import BootstrapSteps
from lwm2m_fast.model import Model, ObjectDefinition, built_in
from lwm2m_fast.wire.numbers import ContentFormat

NUMBERS: Final = {
    "TLV": int(ContentFormat.TLV),
    "JSON": int(ContentFormat.LWM2M_JSON),
    "SENML_JSON": int(ContentFormat.SENML_JSON),
    "SENML_CBOR": int(ContentFormat.SENML_CBOR),
    "LWM2M_CBOR": int(ContentFormat.LWM2M_CBOR),
}


def steps_of(given: BootstrapSteps | None) -> dict[str, Any]:
    """The fields of core/accounts.py: Configuration that are not about accounts.

    RequestError names the resource whose value cannot be what its type needs.
    """
    if given is None:
        return {}
    return {
        "deletes": given.deletes,
        "objects": tuple((path, nodes_of(path, each)) for path, each in given.writes.items()),
        "reads": given.reads,
        "content_format": NUMBERS[given.content_format] if given.content_format else None,
        "ends_at": tuple(kind.lower() for kind in given.ends_at),
    }


def nodes_of(path: str, resources: Mapping[str, Any]) -> tuple[Node, ...]:
    """An object instance's values as they are written."""
    place = Path.parse(path)
    known = _known(place.ids[0])
    return tuple(
        node
        for number, value in resources.items()
        for node in _resource(known, place.child(int(number)), value)
    )


@cache
def _known(object_id: int) -> ObjectDefinition | None:
    """In its newest version, which has all resources that there were."""
    return Model(built_in()).find(object_id, lwm2m_version="1.2")


def _resource(known: ObjectDefinition | None, path: Path, value: Any) -> Iterator[Node]:
    definition = known.resources.get(path.ids[2]) if known is not None else None
    kind = None if definition is None else Kind.__members__.get(definition.type.name)
    is_map = isinstance(value, Mapping) and set(value) != {"hex"}
    if kind is Kind.NONE:
        raise RequestError(f"bootstrapSteps.writes: {path} is executed, it has no value")
    if definition is not None and definition.multiple != is_map:
        shape = 'a multiple resource: give {"0": value}' if definition.multiple else "one value"
        raise RequestError(f"bootstrapSteps.writes: {path} is {shape}")
    places = (
        [(path.child(int(n)), each) for n, each in value.items()] if is_map else [(path, value)]
    )
    for place, each in places:
        yield _node(place, kind or own_kind(each), each)


def _node(path: Path, kind: Kind, value: Any) -> Node:
    where = f"bootstrapSteps.writes: {path}"
    try:
        return Node(path, typed_value(where, kind, value), kind)
    except FormatError as error:
        raise RequestError(f"{where}: {error}") from None
