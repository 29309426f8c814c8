"""Leshan's node JSON, read: what a request wants to write, as an Order has it.

A node is a tree: obj, instance, singleResource or multiResource, resourceInstance. Where it belongs
is said by the path of the request; the ids in it have to agree. Ids are numbers or text. Knows no
device: the types of resources are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from lwm2m_fast.codec import Path
from lwm2m_fast.errors import FormatError, RequestError
from lwm2m_fast.rest.leshan.types import form_called, model_name

Types = Mapping[tuple[int, int], str]
"""(object id, resource id) to a type's name in the object model."""

MAX_CHILDREN = 65_536

# What a node holds -> its kind, where none is given: the first that fits.
INFERRED = {
    "instances": "obj",
    "resources": "instance",
    "values": "multiResource",
    "value": "singleResource",
}

# Kinds that may stand at a path with so many ids.
AT_DEPTH = {
    1: {"obj"},
    2: {"instance"},
    3: {"singleResource", "multiResource"},
    4: {"resourceInstance"},
}


def parsed_json(body: bytes) -> Any:
    """The JSON in a request's body. RequestError says where it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from None


def parsed_path(text: str) -> Path:
    """`/3/0/9` or `3/0/9`: one to four ids, or `/` for the root. RequestError."""
    try:
        return Path.parse("/" + text.strip("/"))
    except FormatError as error:
        raise RequestError(f"the path {text[:80]!r} cannot be used: {error}") from None


def node_value(node: Any, path: Path, types: Types) -> Any:
    """What `node` says for `path`: a resource's value, or a map of such by id.

    RequestError: not a node, of another level or id than the path, of another type than the object
    model says, or with a value that its type cannot have.
    """
    members = _members(node, path)
    kind = _kind(members, path)
    given = members.get("id")
    if given is not None and checked_id(given, path) != path.ids[-1]:
        raise RequestError(f"the node for {path} has the id {given!r}")
    return _READ[kind](members, path, types)


def instance_of(node: Any, path: Path, types: Types) -> tuple[int | None, dict[str, Any]]:
    """A node for Create at an object or an instance: the instance's id, if it has one, and values.

    RequestError as node_value(), and when it is no instance.
    """
    members = _members(node, path)
    given = members.get("id")
    instance = path.ids[1] if path.depth > 1 else None
    if given is not None:
        chosen = checked_id(given, path)
        if instance is not None and chosen != instance:
            raise RequestError(f"the node for {path} has the id {given!r}")
        instance = chosen
    # Types depend on the object only; 0 stands for the id that the device will choose.
    at = Path(path.ids[0], instance or 0)
    return instance, node_value({**members, "id": None}, at, types)


def is_map(value: Any) -> bool:
    """Is it a map from ids, and not a value that is keyed by a word ({"hex": "00"})?"""
    return isinstance(value, dict) and all(key.isdigit() for key in value)


def checked_id(given: Any, path: Path) -> int:
    """An id of a node at or below `path`, given as a number or as digits."""
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) <= 5:
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= 65535:
        raise RequestError(f"the id {str(given)[:80]!r} in the node for {path} is not 0 to 65535")
    return given


def text_value(text: str, path: Path, types: Types) -> str:
    """The body of a text/plain Write: the value of a String resource. RequestError otherwise."""
    _check_type("STRING", path, types)
    return text


def _members(node: Any, path: Path) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise RequestError(f"the node for {path} is not a JSON object")
    return node


def _kind(members: dict[str, Any], path: Path) -> str:
    named = members.get("kind")
    inferred = next((kind for name, kind in INFERRED.items() if name in members), None)
    if inferred is None:
        raise RequestError(f"the node for {path} has none of {', '.join(INFERRED)}")
    kind = str(named) if named is not None else inferred
    if path.depth == 4 and kind == "singleResource":
        kind = "resourceInstance"  # both are a value; without `kind` nothing tells them apart
    if kind not in AT_DEPTH.get(path.depth, ()):
        raise RequestError(f"a node of kind {kind[:80]!r} does not fit the path {path}")
    return kind


def _check_type(name: str, path: Path, types: Types) -> None:
    known = types.get((path.ids[0], path.ids[2]))
    if known is not None and model_name(known) != name:
        raise RequestError(f"{path} is of type {model_name(known)}, not {name}")


def _read(name: Any, value: Any, path: Path, types: Types) -> Any:
    form = form_called(name)
    _check_type(form.name, path, types)
    try:
        return form.read(value)
    except RequestError as error:
        raise RequestError(f"{path} ({form.name}): {error}") from None


def _one(members: dict[str, Any], path: Path, types: Types) -> Any:
    if "value" not in members:
        raise RequestError(f"the node for {path} has no value")
    return _read(members.get("type"), members["value"], path, types)


def _several(members: dict[str, Any], path: Path, types: Types) -> dict[str, Any]:
    values = members.get("values")
    if not isinstance(values, dict):
        raise RequestError(f"`values` of the node for {path} is not a JSON object")
    if not values:  # nothing in it says what they would be
        _check_type(form_called(members.get("type")).name, path, types)
    return {
        str(checked_id(number, path)): _read(members.get("type"), value, path, types)
        for number, value in values.items()
    }


def _children(name: str) -> Callable[[dict[str, Any], Path, Types], dict[str, Any]]:
    def read(members: dict[str, Any], path: Path, types: Types) -> dict[str, Any]:
        children = members.get(name)
        if not isinstance(children, list) or len(children) > MAX_CHILDREN:
            raise RequestError(f"`{name}` of the node for {path} is not a list")
        found: dict[str, Any] = {}
        for child in children:
            number = checked_id(_members(child, path).get("id"), path)
            if str(number) in found:
                raise RequestError(f"the node for {path} has the id {number} twice")
            try:
                at = path.child(number)
            except FormatError as error:
                raise RequestError(f"the node for {path}: {error}") from None
            found[str(number)] = node_value(child, at, types)
        return found

    return read


_READ: Mapping[str, Callable[[dict[str, Any], Path, Types], Any]] = {
    "obj": _children("instances"),
    "instance": _children("resources"),
    "multiResource": _several,
    "singleResource": _one,
    "resourceInstance": _one,
}
