"""The attributes that Write-Attributes sets: names, values, levels (LwM2M Core, section 5.1.2).

One table, one row per attribute. Knows no device; what another order set before is not known here,
so that only attributes written together are compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from lwm2m_fast.codec.text import plain_number
from lwm2m_fast.errors import RequestError
from lwm2m_fast.model import ResourceType

MAX_SECONDS: Final = (1 << 32) - 1
"""The largest period; devices keep them in 32 bits."""

MAX_NUMBER_CHARACTERS: Final = 64
"""The longest number in a query (RFC 7252 ends one at 255 bytes)."""

CANCEL: Final = "cancel"
"""Not an attribute: unsets those of LwM2M 1.0 that are not set beside it."""

ALIASES: Final[Mapping[str, str]] = {"greater": "gt", "less": "lt", "step": "st"}

_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_RESOURCE: Final = 3
_FLAGS: Final = {"0": 0, "1": 1, "false": 0, "true": 1}

Number = int | float


def _number(name: str, given: Any) -> Number:
    number = given
    if isinstance(given, str) and _DECIMAL.fullmatch(given) and len(given) <= MAX_NUMBER_CHARACTERS:
        number = float(given) if "." in given else int(given)
    if isinstance(number, bool) or not isinstance(number, int | float) or number != number:
        raise RequestError(f"attribute {name}: {str(given)[:40]!r} is not a number")
    if isinstance(number, int) and abs(number) >= 1 << 64:
        raise RequestError(f"attribute {name}: a number beyond 64 bits")
    if isinstance(number, float) and number.is_integer() and abs(number) < 1 << 53:
        return int(number)
    return number


def _seconds(name: str, given: Any) -> Number:
    number = _number(name, given)
    if not isinstance(number, int) or not 0 <= number <= MAX_SECONDS:
        raise RequestError(
            f"attribute {name}: {str(given)[:40]} is not a whole number from 0 to {MAX_SECONDS}"
        )
    return number


def _limit(name: str, given: Any) -> Number:
    number = _number(name, given)
    if number in (float("inf"), float("-inf")) or len(_written(number)) > MAX_NUMBER_CHARACTERS:
        raise RequestError(
            f"attribute {name}: {str(given)[:40]} takes more than {MAX_NUMBER_CHARACTERS} "
            "characters written out"
        )
    return number


def _step(name: str, given: Any) -> Number:
    number = _limit(name, given)
    if number < 0:
        raise RequestError(f"attribute {name}: {given} is below 0")
    return number


def _flag(name: str, given: Any) -> Number:
    number = int(given) if isinstance(given, bool) else _FLAGS.get(str(given).lower())
    if number is None:
        raise RequestError(f"attribute {name}: {str(given)[:40]!r} is neither 0 nor 1")
    return number


def _written(number: Number) -> str:
    return str(number) if isinstance(number, int) else plain_number(number)


class Attribute(NamedTuple):
    """One row: how a value is read, and where the attribute may stand."""

    about: str
    read: Callable[[str, Any], Number]
    lwm2m: str = "1.0"
    """The first LwM2M release that knows it."""
    types: frozenset[str] | None = None
    """Of resources only, and of these types; None: at any level."""


_NUMERIC: Final = frozenset(
    {
        ResourceType.INTEGER,
        ResourceType.UNSIGNED_INTEGER,
        ResourceType.FLOAT,
        ResourceType.TIME,
    }
)

ATTRIBUTES: Final[Mapping[str, Attribute]] = {
    "pmin": Attribute("seconds between notifications, at least", _seconds),
    "pmax": Attribute("seconds between notifications, at most", _seconds),
    "gt": Attribute("notify when the value crosses this from below", _limit, types=_NUMERIC),
    "lt": Attribute("notify when the value crosses this from above", _limit, types=_NUMERIC),
    "st": Attribute("notify when the value changed by this much", _step, types=_NUMERIC),
    "epmin": Attribute("seconds between evaluations, at least", _seconds, "1.1"),
    "epmax": Attribute("seconds between evaluations, at most", _seconds, "1.1"),
    "edge": Attribute(
        "notify on falling (0) or rising (1) edges", _flag, "1.2", frozenset({ResourceType.BOOLEAN})
    ),
    "con": Attribute("send notifications confirmable (1) or not (0)", _flag, "1.2"),
    "hqmax": Attribute("values kept while they cannot be sent, at most", _seconds, "1.2"),
}

CANCELLED: Final = ("pmin", "pmax", "gt", "lt", "st")
"""What `cancel` unsets: what devices of every release know; others refuse a whole request that
names an attribute of a later one."""


def parse_attributes(given: Mapping[str, Any]) -> dict[str, Number | None]:
    """Attributes by their names in the standard, values as numbers, None to unset.

    Understands the older names (`greater`, `less`, `step`), numbers as text, and `cancel`, which is
    kept. RequestError names attribute, value and limit.
    """
    found: dict[str, Number | None] = {}
    for word, value in given.items():
        name = ALIASES.get(word, word)
        if name in found:
            raise RequestError(f"attribute {name} is given twice")
        if name == CANCEL:
            if value not in (None, True):
                raise RequestError(f"attribute cancel takes no value, not {str(value)[:40]!r}")
            found[name] = None
            continue
        if name not in ATTRIBUTES:
            known = ", ".join(ATTRIBUTES)
            raise RequestError(f"attribute {str(word)[:40]!r} is not known; known are {known}")
        found[name] = None if value is None else ATTRIBUTES[name].read(name, value)
    if not found:
        raise RequestError("attributes: none is given")
    _check_together(found)
    return found


def _check_together(given: Mapping[str, Number | None]) -> None:
    pmin, pmax = given.get("pmin"), given.get("pmax")
    # A pmax of 0 is no limit (LwM2M Core 1.1, section 5.1.2).
    if pmin is not None and pmax and pmin > pmax:
        raise RequestError(f"attribute pmin: {pmin} is above pmax ({pmax})")
    epmin, epmax = given.get("epmin"), given.get("epmax")
    if epmin is not None and epmax is not None and epmin > epmax:
        raise RequestError(f"attribute epmin: {epmin} is above epmax ({epmax})")
    low, high = given.get("lt"), given.get("gt")
    if low is None or high is None:
        return
    if low >= high:
        raise RequestError(f"attribute lt: {low} is not below gt ({high})")
    step = given.get("st")
    if step is not None and low + 2 * step >= high:
        raise RequestError(f"attribute st: lt + 2 * st ({low + 2 * step}) is not below gt ({high})")


def attribute_query(
    given: Mapping[str, Any], depth: int, type: str | None, version: tuple[int, int]
) -> tuple[bytes, ...]:
    """The query of a Write-Attributes at a path of `depth` ids, whose resource has `type` (None:
    unknown), to a device of LwM2M `version`. RequestError: not at this level or in this release.
    """
    found = parse_attributes(given)
    if CANCEL in found:
        del found[CANCEL]
        for name in CANCELLED:
            if _misplaced(name, depth, type) is None:
                found.setdefault(name, None)
    for name in found:
        row = ATTRIBUTES[name]
        if version < tuple(map(int, row.lwm2m.split("."))):
            shown = ".".join(map(str, version))
            raise RequestError(
                f"attribute {name} needs LwM2M {row.lwm2m}, the device speaks {shown}"
            )
        why = _misplaced(name, depth, type)
        if why:
            raise RequestError(f"attribute {name} {why}")
    return tuple(
        (name if value is None else f"{name}={_written(value)}").encode()
        for name, value in found.items()
    )


def _misplaced(name: str, depth: int, type: str | None) -> str | None:
    """Why the attribute cannot stand there, None when it can."""
    types = ATTRIBUTES[name].types
    if types is None:
        return None
    if depth < _RESOURCE:
        return "belongs to a resource, not to an object or an instance"
    if type is not None and type not in types:
        return f"belongs to a resource of type {' or '.join(sorted(types))}, not {type}"
    return None
