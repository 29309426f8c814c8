"""What a bootstrap may do beside writing accounts, as rules for what is configured.

Paths and shapes only: whether a resource takes a value is its type's to say, when it is written
(bootstrap/steps_of.py). Accounts are objects 0 and 1 and have fields of their own; what they hold
is never read back. Knows no configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import orjson

MAX_DELETES: Final = 16
MAX_INSTANCES: Final = 32
MAX_READS: Final = 8
MAX_WRITTEN_BYTES: Final = 16_384
"""Of all values of a device, as JSON."""

MAX_ID: Final = 65_534

_ID: Final = r"(?:0|[1-9][0-9]{0,4})"
_DELETED: Final = re.compile(rf"/|/{_ID}(?:/{_ID})?", re.ASCII)
_INSTANCE: Final = re.compile(rf"/({_ID})/({_ID})", re.ASCII)
_READ: Final = re.compile(rf"/[12](?:/{_ID})?", re.ASCII)
_NUMBER: Final = re.compile(_ID, re.ASCII)
_NOT_WRITTEN: Final = {
    0: "lwm2mServerUri and furtherServers write accounts",
    1: "lwm2mServerUri and furtherServers write accounts",
    21: "OSCORE is not spoken here, and its keys would be shown",
}


def _ids_fit(path: str) -> bool:
    return all(int(part) <= MAX_ID for part in path.split("/") if part)


def deleted(path: str) -> str:
    """`path` if a bootstrap may delete it: "/", "/3303", "/2/0"; ValueError."""
    if not _DELETED.fullmatch(path) or not _ids_fit(path):
        raise ValueError(f"{path!r:.40} is not /, an object or an object instance")
    return path


def to_read(path: str) -> str:
    """`path` if a bootstrap may read it (LwM2M Core 1.1, section 6.1.7.2); ValueError."""
    if not _READ.fullmatch(path) or not _ids_fit(path):
        raise ValueError(f"{path!r:.40} is not /1, /2 or an instance of these")
    return path


def written(instances: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Instance paths to resource ids to values, each a scalar, {"hex": "00ff"}, or a map from ids
    to such; ValueError."""
    if len(instances) > MAX_INSTANCES:
        raise ValueError(f"has {len(instances)} instances, allowed are {MAX_INSTANCES}")
    for path, resources in instances.items():
        found = _INSTANCE.fullmatch(path)
        if found is None or not _ids_fit(path):
            raise ValueError(f"{path!r:.40} is not an object instance, as /2/0 is")
        why = _NOT_WRITTEN.get(int(found[1]))
        if why is not None:
            raise ValueError(f"{path} cannot be given: {why}")
        for number, value in resources.items():
            _check(f"{path}/{number}", number, value)
    try:
        size = len(orjson.dumps(instances))
    except TypeError as error:  # text that is no UTF-8
        raise ValueError(f"is not JSON: {error}") from None
    if size > MAX_WRITTEN_BYTES:
        raise ValueError(f"has more than {MAX_WRITTEN_BYTES} bytes as JSON")
    return instances


def _check(where: str, number: str, value: Any, *, is_instance: bool = False) -> None:
    if not _NUMBER.fullmatch(number) or int(number) > MAX_ID:
        raise ValueError(f"{where[:60]}: {number!r:.20} is no id from 0 to {MAX_ID}")
    if isinstance(value, Mapping) and set(value) != {"hex"}:
        if is_instance or not all(isinstance(key, str) for key in value):
            raise ValueError(f"{where[:60]}: an object inside an object is no value")
        for key, each in value.items():
            _check(f"{where}/{key}", key, each, is_instance=True)
        return
    is_hex = isinstance(value, Mapping) and isinstance(value["hex"], str)
    if not is_hex and not isinstance(value, str | int | float):
        raise ValueError(f'{where[:60]} is no text, number, true or false, {{"hex": "00ff"}}')
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{where[:60]} is no number that JSON has")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        raise ValueError(f"{where[:60]} has more than 64 bits")
