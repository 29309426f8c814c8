"""The shapes that a value in an order may have, whatever its type: bounded JSON, no surprises.

    scalar      text, a number, true or false, {"hex": "00ff"}, {"file": name}
    multiple    {"0": scalar, "1": scalar}: the instances of a resource
    instance    {"5700": scalar or multiple}: the resources of an object instance

Knows no types: whether a resource takes the value is core/typed_values' to say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from lwm2m_fast.errors import RequestError

MAX_BYTES: Final = 262_144
"""Text and hexadecimal digits of one order in all; what is larger is uploaded as a file."""

MAX_VALUES: Final = 4096
"""Values of one order."""

LOWEST: Final = -(1 << 63)
HIGHEST: Final = (1 << 64) - 1

_ID: Final = re.compile(r"0|[1-9][0-9]{0,4}", re.ASCII)

MARKS: Final = ("hex", "file")
"""The keys of a scalar that JSON has no form for."""


class Budget:
    """What the values of one order may still take."""

    __slots__ = ("bytes_left", "values_left")

    def __init__(self) -> None:
        self.bytes_left, self.values_left = MAX_BYTES, MAX_VALUES

    def take(self, where: str, size: int) -> None:
        """Count one value of `size` characters; RequestError at the bound."""
        self.bytes_left -= size
        self.values_left -= 1
        if self.bytes_left < 0:
            raise RequestError(
                f"{where}: the order's values have more than {MAX_BYTES} characters; "
                'upload a file and write {"file": name}'
            )
        if self.values_left < 0:
            raise RequestError(f"{where}: the order has more than {MAX_VALUES} values")


def is_marked(value: Any) -> bool:
    """Is it a scalar in the form of an object: {"hex": ...} or {"file": ...}?"""
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in MARKS


def is_map(value: Any) -> bool:
    """Is it a map from ids to values?"""
    return isinstance(value, Mapping) and not is_marked(value)


def read_id(key: Any, most: int = 65_535) -> int | None:
    """The id that a key of a map is, without leading zeros; None when it is none."""
    if not isinstance(key, str) or not _ID.fullmatch(key):
        return None
    number = int(key)
    return number if number <= most else None


def check_value(where: str, value: Any, budget: Budget, levels: int = 1) -> None:
    """RequestError unless `value` is a scalar, or maps from ids to such, `levels` deep at most."""
    if not is_map(value):
        _check_scalar(where, value, budget)
        return
    if not levels:
        raise RequestError(f"{where}: an object inside an object is no value")
    budget.take(where, 0)
    for key, each in value.items():
        if read_id(key) is None:
            raise RequestError(
                f"{where}: {str(key)[:20]!r} is not an id from 0 to 65535 "
                '(an object is {"0": value}, {"hex": "00ff"} or {"file": name})'
            )
        check_value(f"{where}/{key}", each, budget, levels - 1)


def _check_scalar(where: str, value: Any, budget: Budget) -> None:
    if isinstance(value, Mapping):
        mark, inner = next(iter(value.items()))
        if not isinstance(inner, str):
            raise RequestError(f"{where}: {mark} has to be text")
        if mark == "hex":
            hex_bytes(where, inner)
        elif not inner:
            raise RequestError(f"{where}: file has to be a name")
        budget.take(where, len(inner))
        return
    if not isinstance(value, str | int | float):
        raise RequestError(f"{where}: {type(value).__name__} is no value")
    if isinstance(value, float) and not math.isfinite(value):
        raise RequestError(f'{where}: {value} has to be text: "NaN", "Infinity" or "-Infinity"')
    if isinstance(value, int) and not LOWEST <= value <= HIGHEST:
        raise RequestError(f"{where}: a whole number is from {LOWEST} to {HIGHEST}")
    budget.take(where, len(value) if isinstance(value, str) else 8)


def hex_bytes(where: str, text: str) -> bytes:
    """The bytes of hexadecimal digits in pairs, without blanks."""
    if len(text) % 2:
        raise RequestError(f"{where}: {len(text)} hexadecimal digits; an even number is needed")
    try:
        if any(each.isspace() for each in text):  # which fromhex() would skip
            raise ValueError
        return bytes.fromhex(text)
    except ValueError:
        raise RequestError(f"{where}: {text[:20]!r} is not hexadecimal") from None
