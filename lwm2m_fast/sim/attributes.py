"""The attributes of Write-Attributes: read from a query, checked, inherited.

The rules are OMA TS Core 7.3. Knows no device and no clock: whether a notification is due is
sim/observing.py's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from lwm2m_fast.sim.refused import BAD_REQUEST, Refused

Attributes = dict[str, float]
"""Name to number; whole ones where the name has whole numbers."""

Ids = tuple[int, ...]


class _Attribute(NamedTuple):
    whole: bool
    depths: range
    since: str
    most: float = math.inf


_ANY, _VALUES, _OBJECT_TO_RESOURCE = range(1, 5), range(3, 5), range(1, 4)

_ATTRIBUTES: Final = {
    "pmin": _Attribute(True, _ANY, "1.0"),
    "pmax": _Attribute(True, _ANY, "1.0"),
    "gt": _Attribute(False, _VALUES, "1.0"),
    "lt": _Attribute(False, _VALUES, "1.0"),
    "st": _Attribute(False, _VALUES, "1.0"),
    "epmin": _Attribute(True, _ANY, "1.1"),
    "epmax": _Attribute(True, _ANY, "1.1"),
    "edge": _Attribute(True, _VALUES, "1.2", 1),
    "con": _Attribute(True, _ANY, "1.2", 1),
    "hqmax": _Attribute(True, _ANY, "1.2"),
}

_MOST_WHOLE: Final = 0xFFFFFFFF


def _ordered(low: str, high: str) -> Callable[[Attributes], bool]:
    return lambda a: low not in a or high not in a or a[low] <= a[high]


def _lt_below_gt(a: Attributes) -> bool:
    return "lt" not in a or "gt" not in a or a["lt"] + 2 * a.get("st", 0) < a["gt"]


_RULES: Final = (_ordered("pmin", "pmax"), _ordered("epmin", "epmax"), _lt_below_gt)


def is_consistent(attributes: Attributes) -> bool:
    """Whether these may stand beside each other."""
    return all(rule(attributes) for rule in _RULES)


def changed(
    before: Mapping[str, float], query: Iterable[bytes], depth: int, version: str
) -> Attributes:
    """`before` with what a Write-Attributes asks for at a path of this depth; Refused if it may
    not be. A name without a value removes the attribute."""
    after = dict(before)
    for each in query:
        name, has_value, text = each.decode("ascii", "replace").partition("=")
        known = _ATTRIBUTES.get(name)
        if known is None or version < known.since or depth not in known.depths:
            raise Refused(BAD_REQUEST, f"attribute {name!r}")
        if has_value:
            after[name] = _number(name, text, known)
        else:
            after.pop(name, None)
    if not is_consistent(after):
        raise Refused(BAD_REQUEST, "attributes contradict each other")
    return after


def _number(name: str, text: str, known: _Attribute) -> float:
    try:
        value = int(text) if known.whole else float(text)
    except ValueError:
        value = math.nan
    least = 0 if known.whole or name == "st" else -math.inf
    if not math.isfinite(value) or not least <= value <= known.most:
        raise Refused(BAD_REQUEST, f"attribute {name}")
    if known.whole and value > _MOST_WHOLE:
        raise Refused(BAD_REQUEST, f"attribute {name}")
    return value


def effective(attributes: Mapping[Ids, Attributes], path: Ids) -> Attributes:
    """What holds at `path`: the nearest level wins, from the object downward (7.3.2.1)."""
    held: Attributes = {}
    for depth in range(1, len(path) + 1):
        held |= attributes.get(path[:depth], {})
    return held


def as_link(attributes: Mapping[str, float]) -> str:
    """As Discover shows them, ";pmin=10;gt=50.5"."""
    return "".join(f";{name}={value:.15g}" for name, value in attributes.items())
