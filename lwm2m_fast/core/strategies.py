"""How several paths are observed, or given up: one request for each, for all, or for each object.

    SINGLE                one Observe per path
    COMPOSITE_ALL         one Observe-Composite of all paths
    COMPOSITE_BY_OBJECT   one Observe-Composite per object

An order with a `strategy` is several orders, which are queued, sent and answered like any others: a
device that cannot do one of them does the rest. Knows no device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from lwm2m_fast.core.orders import Order, parse_order
from lwm2m_fast.errors import RequestError

SINGLE: Final = "SINGLE"
COMPOSITE_ALL: Final = "COMPOSITE_ALL"
COMPOSITE_BY_OBJECT: Final = "COMPOSITE_BY_OBJECT"

STRATEGIES: Final = (SINGLE, COMPOSITE_ALL, COMPOSITE_BY_OBJECT)
"""By their numbers in existing device profiles."""

_ALIKE: Final = {
    "observe": "observe_composite",
    "observe_composite": "observe_composite",
    "cancel_observe": "cancel_composite",
    "cancel_composite": "cancel_composite",
}
"""Operations that take a strategy, and which one their paths are checked as."""

_OF_ONE: Final = {"observe_composite": "observe", "cancel_composite": "cancel_observe"}


def strategy_of(given: Any) -> str:
    """A strategy by its name, in any case, or its number; RequestError names those there are."""
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < len(STRATEGIES):
        return STRATEGIES[given]
    if isinstance(given, str) and given.upper() in STRATEGIES:
        return given.upper()
    raise RequestError(f"strategy: {given!r:.60} is not one of {', '.join(STRATEGIES)}")


def paths_apart(paths: Sequence[str], strategy: str) -> list[tuple[str, ...]]:
    """The paths of each request; objects in the order of their first path."""
    if strategy == SINGLE:
        return [(path,) for path in paths]
    if strategy == COMPOSITE_ALL:
        return [tuple(paths)]
    by_object: dict[str, list[str]] = {}
    for path in paths:
        by_object.setdefault(path.split("/", 2)[1], []).append(path)
    return [tuple(group) for group in by_object.values()]


def orders_apart(order: Order, strategy: str) -> list[Order]:
    """What an observe_composite, or a cancel_composite, becomes."""
    groups = paths_apart(order.paths, strategy)
    if strategy == SINGLE:
        op = _OF_ONE[order.op]
        return [replace(order, op=op, path=path, paths=()) for (path,) in groups]
    return [replace(order, paths=group) for group in groups]


def parse_orders(data: Mapping[str, Any]) -> list[Order]:
    """The orders that a JSON object says: one, as parse_order() reads it; with a `strategy` beside
    `paths` one or more, in the order of the paths. RequestError as there."""
    if not isinstance(data, Mapping) or data.get("strategy") is None:
        return [parse_order(_without_strategy(data))]
    strategy, op = strategy_of(data["strategy"]), data.get("op")
    alike = _ALIKE.get(op) if isinstance(op, str) else None
    if alike is None:
        raise RequestError(f"strategy: not a field of {op!r:.60}; it goes with an observation")
    return orders_apart(parse_order({**_without_strategy(data), "op": alike}), strategy)


def _without_strategy(data: Any) -> Any:
    if not isinstance(data, Mapping) or "strategy" not in data:
        return data
    return {name: value for name, value in data.items() if name != "strategy"}
