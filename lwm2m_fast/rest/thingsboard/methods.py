"""The RPC methods: one table, one row each, from a method's parameters to an order of ours.

Two rows need no device: what is known already is answered at once. What an order means, and in
which format it goes, is core/'s business; which path is meant, places.py's.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from lwm2m_fast.core.orders import Order, parse_order
from lwm2m_fast.errors import RequestError
from lwm2m_fast.rest.thingsboard.places import (
    Device,
    ids_of,
    path_in,
    path_named,
    paths_in,
    plain_path,
)
from lwm2m_fast.rest.thingsboard.replies import Reply, links_text

Params = Mapping[str, Any]
Relations = Sequence[Mapping[str, Any]]
"""What a device is observed for, as Service.observations() tells it."""

OBJECT, INSTANCE, RESOURCE, RESOURCE_INSTANCE = 1, 2, 3, 4

_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")


class Asking(NamedTuple):
    """One RPC request to one device."""

    device: Device
    params: Params
    relations: Relations

    def order(self, op: str, **fields: Any) -> Order:
        """An order; the object model of ours is not asked what the device may refuse."""
        return parse_order({"op": op, "is_unchecked": True, **fields})

    def need(self, name: str) -> Any:
        """A parameter; RequestError when it is missing."""
        given = self.params.get(name)
        if given is None:
            raise RequestError(f"{name}: missing")
        return given


Method = Callable[[Asking], Order | Reply]


def _depth(path: str, *allowed: int) -> str:
    """`path` if it has so many ids; RequestError otherwise."""
    if path.count("/") not in allowed:
        names = ("an object", "an object instance", "a resource", "a resource instance")
        wanted = " or ".join(names[each - 1] for each in allowed)
        raise RequestError(f"id: {path} is {names[path.count('/') - 1]}; {wanted} is needed")
    return path


# Reading


def _read(asking: Asking) -> Order:
    return asking.order("read", path=path_in(asking.device, asking.params))


def _read_composite(asking: Asking) -> Order:
    return asking.order("read_composite", paths=paths_in(asking.device, asking.params))


def _discover(asking: Asking) -> Order:
    return asking.order("discover", path=plain_path(asking.device, asking.need("id")))


def _discover_all(asking: Asking) -> Reply:
    """From the registration; the device is not asked."""
    links: list[tuple[str, Mapping[str, Any]]] = []
    for number, each in asking.device.objects.items():
        version = {} if each["version"] is None else {"ver": each["version"]}
        if version or not each["instances"]:
            links.append((f"/{number}", version))
        links += [(f"/{number}/{instance}", {}) for instance in each["instances"]]
    return Reply("CONTENT", links_text(links))


# Observing


def _observe(asking: Asking) -> Order:
    path = path_in(asking.device, asking.params)
    for each in asking.relations:
        if each["paths"] != [path] or each["is_composite"]:  # the same again stays one
            _check_apart([path], each["paths"])
    return asking.order("observe", path=path)


def _observe_composite(asking: Asking) -> Order:
    paths = paths_in(asking.device, asking.params)
    for number, path in enumerate(paths):
        _check_apart([path], paths[:number])
    for each in asking.relations:
        _check_apart(paths, each["paths"])
    return asking.order("observe_composite", paths=paths)


def _check_apart(paths: Sequence[str], others: Sequence[str]) -> None:
    """RequestError where one of `paths` is, contains or lies in one of `others`."""
    for path in paths:
        for other in others:
            if f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"):
                raise RequestError(f"{path} overlaps {other}, which is observed already")


def _cancel(asking: Asking) -> Order:
    return asking.order("cancel_observe", path=path_in(asking.device, asking.params))


def _cancel_composite(asking: Asking) -> Order:
    return asking.order("cancel_composite", paths=paths_in(asking.device, asking.params))


def _cancel_all(asking: Asking) -> Order:
    return asking.order("cancel_observe", path="/")


def _read_all(asking: Asking) -> Reply:
    """What the device is observed for; it is not asked."""
    known = [each for each in asking.relations if each["paths"]]  # else of another version of ours
    singles = [each["paths"][0] for each in known if not each["is_composite"]]
    several = [each["paths"] for each in known if each["is_composite"]]
    named = [f"SingleObservation:{path}" for path in singles]
    named += [f"CompositeObservation:[{', '.join(paths)}]" for paths in several]
    return Reply("CONTENT", "[" + ", ".join(named) + "]")


# Writing


def _write_replace(asking: Asking) -> Order:
    path = _depth(path_in(asking.device, asking.params), RESOURCE, RESOURCE_INSTANCE)
    value = _typed(asking.device, path, asking.need("value"))
    return asking.order("write", path=path, value=value)


def _write_update(asking: Asking) -> Order:
    path = _depth(path_in(asking.device, asking.params), INSTANCE, RESOURCE)
    given = _map("value", asking.need("value"))
    if ids_of(path)[2:]:  # the instances of a resource
        value = _typed(asking.device, path, given)
        return asking.order("write", path=path, value=value, mode="update")
    values = _resources(asking.device, path, given)
    return asking.order("write", path=path, values=values, mode="update")


def _write_composite(asking: Asking) -> Order:
    values: dict[str, Any] = {}
    for name, given in _map("nodes", asking.need("nodes")).items():
        for path, value in _leaves(path_named(asking.device, name), given):
            if path in values:
                raise RequestError(f"nodes: {path} is given twice")
            values[path] = _typed(asking.device, path, value)
    return asking.order("write_composite", values=values)


def _leaves(path: str, given: Any) -> list[tuple[str, Any]]:
    """Primitive values by their paths: a map of ids is taken apart."""
    if not isinstance(given, dict):
        if isinstance(given, list) or given is None:
            raise RequestError(f"nodes: {path}: {given!r:.40} is no primitive value")
        return [(path, given)]
    if path.count("/") >= RESOURCE_INSTANCE:
        raise RequestError(f"nodes: {path} takes no map")
    found = []
    for number, value in given.items():
        found += _leaves(f"{path}/{_id(number)}", value)
    return found


def _write_attributes(asking: Asking) -> Order:
    path = plain_path(asking.device, asking.need("id"))
    attributes = _map("attributes", asking.need("attributes"))
    return asking.order("write_attributes", path=path, attributes=attributes)


# Acting


def _execute(asking: Asking) -> Order:
    path = _depth(path_in(asking.device, asking.params), RESOURCE)
    given = asking.params.get("value")
    arguments = {} if given in (None, "") else {"arguments": str(given)}
    _must_have(asking.device, path)
    return parse_order({"op": "execute", "path": path, **arguments})


def _create(asking: Asking) -> Order:
    device = asking.device
    path = _depth(plain_path(device, asking.need("id")), OBJECT, INSTANCE)
    _must_have(device, path)
    given = asking.params.get("value")
    values = _map("value", given) if given is not None else _nodes_below(device, path, asking)
    _check_creation(device, path, values)
    values = _resources(device, path, values)
    return asking.order("create", path=path, **({"values": values} if values else {}))


def _nodes_below(device: Device, path: str, asking: Asking) -> dict[str, Any]:
    """`nodes` of a Create, by resource id, path or key, as the resources of its instance."""
    values: dict[str, Any] = {}
    for name, value in _map("nodes", asking.params.get("nodes") or {}).items():
        if name.isdigit():
            values[name] = value
            continue
        found = path_named(device, name)
        if found.count("/") != RESOURCE or not found.startswith(f"{path}/"):
            raise RequestError(f"nodes: {name[:40]} is no resource below {path}")
        values[found.rsplit("/", 1)[1]] = value
    return values


def _check_creation(device: Device, path: str, values: Mapping[str, Any]) -> None:
    """RequestError for an object that has one instance, or when what it must have is missing."""
    definition = device.definition(ids_of(path)[0])
    if definition is None:
        return
    if not definition.multiple:
        raise RequestError(f"id: object {definition.id} ({definition.name}) has one instance only")
    missing = [
        f"{each.id} ({each.name})"
        for each in definition.resources.values()
        if each.mandatory and each.is_writable and str(each.id) not in values
    ]
    if missing:
        raise RequestError(f"value: mandatory resources are missing: {', '.join(missing)}")


def _delete(asking: Asking) -> Order:
    path = _depth(plain_path(asking.device, asking.need("id")), INSTANCE)
    return asking.order("delete", path=path)


def _must_have(device: Device, path: str) -> None:
    object_id = ids_of(path)[0]
    if device.version(object_id) is None:
        raise RequestError(f"id: {device.endpoint!r} has no object {object_id}")


# Values


def _map(name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise RequestError(f"{name}: an object is needed, not {given!r:.40}")
    return given


def _id(given: Any) -> int:
    if isinstance(given, str) and given.isascii() and given.isdigit() and int(given) <= 65_535:
        return int(given)
    raise RequestError(f"{given!r:.40} is no id from 0 to 65535")


def _resources(device: Device, path: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Resource id to value, of an instance at or below `path`."""
    at = path if path.count("/") == INSTANCE else f"{path}/0"
    return {
        str(_id(number)): _typed(device, f"{at}/{_id(number)}", value)
        for number, value in given.items()
    }


def _typed(device: Device, path: str, given: Any) -> Any:
    """A value as orders have it: octets come as text, in hexadecimal digits or else in base64."""
    if isinstance(given, dict) and path.count("/") == RESOURCE:
        return {str(_id(number)): _typed(device, path, each) for number, each in given.items()}
    if device.type_at(ids_of(path)) != "OPAQUE" or not isinstance(given, str):
        return given
    if _HEX.fullmatch(given):
        return {"hex": given}
    try:
        return {"hex": base64.b64decode(given, validate=True).hex()}
    except (binascii.Error, ValueError):
        raise RequestError(
            f"value: {given!r:.40} of {path} is neither hexadecimal nor base64"
        ) from None


METHODS: Final[Mapping[str, Method]] = {
    "Read": _read,
    "ReadComposite": _read_composite,
    "Discover": _discover,
    "DiscoverAll": _discover_all,
    "Observe": _observe,
    "ObserveCancel": _cancel,
    "ObserveComposite": _observe_composite,
    "ObserveCompositeCancel": _cancel_composite,
    "ObserveReadAll": _read_all,
    "ObserveCancelAll": _cancel_all,
    "WriteReplace": _write_replace,
    "WriteUpdate": _write_update,
    "WriteComposite": _write_composite,
    "WriteAttributes": _write_attributes,
    "Execute": _execute,
    "Create": _create,
    "Delete": _delete,
}
"""Every method by its name, which is compared as it is written."""
