"""Orders with a strategy: which orders they become."""

from __future__ import annotations

import pytest

from lwm2m_fast.core.orders import MAX_PATHS, Order
from lwm2m_fast.core.strategies import parse_orders
from lwm2m_fast.errors import RequestError


def test_without_a_strategy_an_order_is_one_order():
    assert parse_orders({"op": "read", "path": "/3"}) == [Order("read", "/3")]
    assert parse_orders({"op": "read", "path": "/3", "strategy": None}) == [Order("read", "/3")]


def test_format_and_mode_go_with_each():
    given = {"op": "cancel_composite", "paths": ["/3", "/4"], "mode": "active", "format": 112}
    assert parse_orders({**given, "strategy": "SINGLE"}) == [
        Order("cancel_observe", "/3", mode="active", format=112),
        Order("cancel_observe", "/4", mode="active", format=112),
    ]


@pytest.mark.parametrize("op", ["observe", "observe_composite"])
def test_either_name_of_observing_may_have_a_strategy(op):
    given = {"op": op, "paths": ["/3/0/9", "/4"], "strategy": "COMPOSITE_ALL"}
    assert parse_orders(given) == [Order("observe_composite", paths=("/3/0/9", "/4"))]


def test_at_the_bound_of_paths_there_is_an_order_for_each():
    paths = [f"/3/0/{number}" for number in range(MAX_PATHS)]
    given = {"op": "observe_composite", "strategy": "SINGLE"}
    assert len(parse_orders({**given, "paths": paths})) == MAX_PATHS
    with pytest.raises(RequestError, match="1 to 100 paths"):
        parse_orders({**given, "paths": [*paths, "/4"]})


@pytest.mark.parametrize(
    "given, said",
    [
        ({"op": "read", "path": "/3", "strategy": "SINGLE"}, "strategy: not a field of 'read'"),
        ({"op": "read_composite", "paths": ["/3"], "strategy": 1}, "not a field of"),
        ({"op": ["x"], "paths": ["/3"], "strategy": 1}, "not a field of"),
        ({"op": "observe", "path": "/3", "strategy": "SINGLE"}, "path: not a field"),
        ({"op": "observe", "paths": ["/3", "/3"], "strategy": "SINGLE"}, "given twice"),
        ({"op": "observe", "paths": [], "strategy": "SINGLE"}, "paths"),
        ({"op": "observe", "paths": ["/3"], "strategy": "EACH"}, "strategy: 'EACH' is not one of"),
        ("read /3", "a JSON object"),
    ],
)
def test_what_makes_no_sense_is_named(given, said):
    with pytest.raises(RequestError, match=said):
        parse_orders(given)
