"""Where an RPC method goes: `id`, a path that may name its object's version, or `key`, a name.

    /3_1.1/0/9      a version must be the one that the device registered
    /3/0/9          without one it is the registered one, whatever that is
    outside         the key that the device's profile gives a resource
    batteryLevel    the key that a resource has by default: its name in camel case

Knows a registration, a profile's keys and the object model; no method, no queue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lwm2m_fast.errors import RequestError
from lwm2m_fast.model import ObjectDefinition, View

DEFAULT_VERSION: Final = "1.0"
"""Of an object that is registered without one, unless the device's settings say otherwise."""

ANY_VERSION: Final = frozenset({"/1/0/8", "/1/0/9"})
"""The two triggers: they are executed whatever the version of object 1."""

MAX_NAMED: Final = 5
"""Paths that an error names."""

_SECURITY: Final = 0
_ID: Final = re.compile(r"/([0-9]{1,5})(?:_([0-9]{1,3}\.[0-9]{1,3}))?((?:/[0-9]{1,5}){0,3})", re.A)
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@dataclass(frozen=True, slots=True)
class Device:
    """What of a registered device an RPC request must fit."""

    endpoint: str
    objects: Mapping[str, Mapping[str, Any]]
    """As its description has it: object id to `version` and `instances`."""
    default_version: str
    view: View
    keys: Mapping[str, str] = field(default_factory=dict)
    """Paths to the keys that the device's profile gives them."""

    def version(self, object_id: int) -> str | None:
        """The registered version of an object; None when it is not registered."""
        found = self.objects.get(str(object_id))
        return None if found is None else found["version"] or self.default_version

    def definition(self, object_id: int) -> ObjectDefinition | None:
        """What is known of an object, if the device has it."""
        return self.view.objects.get(object_id)

    def type_at(self, ids: tuple[int, ...]) -> str | None:
        """The type of the resource at or above these ids, None when nobody knows it."""
        return self.view.types.get((ids[0], ids[2])) if len(ids) > 2 else None


def ids_of(path: str) -> tuple[int, ...]:
    """The numbers of a path without a version."""
    return tuple(int(part) for part in path.split("/")[1:])


def plain_path(device: Device, given: Any) -> str:
    """An `id` without its version. RequestError for what is no path, for object 0, and for a
    version that the device has not registered, which then is named."""
    match = _ID.fullmatch(given) if isinstance(given, str) else None
    if match is None:
        raise RequestError(f"id: {given!r:.80} is no path such as /3_1.0/0/9 or /3/0/9")
    object_id, version, rest = int(match[1]), match[2], match[3]
    path = f"/{object_id}" + "".join(f"/{int(part)}" for part in rest.split("/")[1:])
    if max(ids_of(path)) > 65_535:
        raise RequestError(f"id: {given!r} has an id beyond 65535")
    if object_id == _SECURITY:
        raise RequestError(f"id: {given} is of object 0 (Security), which no server may touch")
    if version is not None and path not in ANY_VERSION:
        _check_version(device, given, object_id, version)
    return path


def _check_version(device: Device, given: str, object_id: int, version: str) -> None:
    right = device.version(object_id)
    if right is None:
        raise RequestError(f"id: {given}: {device.endpoint!r} has no object {object_id}")
    if version != right:
        raise RequestError(
            f"id: {given} has version {version} of object {object_id}; "
            f"{device.endpoint!r} has {right}: /{object_id}_{right}"
        )


def default_key(name: str) -> str:
    """The key of a resource of this name: `Battery Level` is `batteryLevel`."""
    words = [word.lower() for word in _WORD.findall(name)]
    return "".join([*words[:1], *(word.capitalize() for word in words[1:])])


def path_of_key(device: Device, key: Any) -> str:
    """The path of the one resource that has this key, by the device's profile or else by default.

    RequestError when none has, or several.
    """
    if not isinstance(key, str) or not key:
        raise RequestError(f"key: {key!r:.80} is no name such as batteryLevel")
    found = [path for path, own in device.keys.items() if own == key and _is_there(device, path)]
    for path in () if found else _having(device, key):
        found.append(path)
        if len(found) > MAX_NAMED:
            break
    if len(found) == 1:
        return found[0]
    if not found:
        raise RequestError(f"key: no resource of {device.endpoint!r} has the key {key[:80]!r}")
    named = ", ".join(found[:MAX_NAMED]) + (" ..." if len(found) > MAX_NAMED else "")
    raise RequestError(f"key: {key[:80]!r} is the key of {named}; give an id")


def _is_there(device: Device, path: str) -> bool:
    """Whether the device has registered the instance; without any, instance 0 is implied."""
    object_id, instance, *_ = ids_of(path)
    found = device.objects.get(str(object_id))
    return found is not None and instance in (found["instances"] or (0,))


def _having(device: Device, key: str) -> Iterator[str]:
    for number, each in device.objects.items():
        definition = device.definition(int(number))
        if definition is None or definition.id == _SECURITY:
            continue
        for resource in definition.resources.values():
            if default_key(resource.name) == key:
                for instance in each["instances"] or (0,):
                    yield f"/{number}/{instance}/{resource.id}"


def path_in(device: Device, params: Mapping[str, Any]) -> str:
    """The path that `id` or `key` says. RequestError when neither is there."""
    if params.get("id") is not None:
        return plain_path(device, params["id"])
    if params.get("key") is not None:
        return path_of_key(device, params["key"])
    raise RequestError("id: missing, and so is key")


def paths_in(device: Device, params: Mapping[str, Any]) -> list[str]:
    """The paths that `ids` or `keys` say. RequestError when neither is a list."""
    for name, read in (("ids", plain_path), ("keys", path_of_key)):
        given = params.get(name)
        if given is None:
            continue
        if not isinstance(given, list) or not given:
            raise RequestError(f"{name}: a list is needed, not {given!r:.80}")
        return [read(device, each) for each in given]
    raise RequestError("ids: missing, and so is keys")


def path_named(device: Device, name: str) -> str:
    """The path that an entry of `nodes` means: an id where it begins like one, else a key."""
    return plain_path(device, name) if name.startswith("/") else path_of_key(device, name)
