"""Attributes of Write-Attributes: names, values, levels, releases (LwM2M Core, section 5.1.2)."""

from __future__ import annotations

from typing import Any

import pytest

from lwm2m_fast.core.attributes import ATTRIBUTES, attribute_query, parse_attributes
from lwm2m_fast.errors import RequestError

OBJECT, INSTANCE, RESOURCE, RESOURCE_INSTANCE = 1, 2, 3, 4
V10, V11, V12 = (1, 0), (1, 1), (1, 2)
MOST = 2**32 - 1


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ({"pmin": 10, "pmax": 60}, "pmin=10&pmax=60"),
        ({"pmin": "10", "pmax": 60.0}, "pmin=10&pmax=60"),
        ({"pmin": 0, "pmax": 0}, "pmin=0&pmax=0"),
        ({"pmin": 60, "pmax": 60}, "pmin=60&pmax=60"),
        ({"pmin": 10, "pmax": 0}, "pmin=10&pmax=0"),
        ({"pmin": MOST}, f"pmin={MOST}"),
        ({"pmin": None}, "pmin"),
        ({"pmin": 1, "pmax": None}, "pmin=1&pmax"),
        ({"gt": 25.5, "lt": -10, "st": 0.25}, "gt=25.5&lt=-10&st=0.25"),
        ({"greater": "25.5", "less": "-10", "step": "0.25"}, "gt=25.5&lt=-10&st=0.25"),
        ({"gt": 1e-7, "lt": -1e20}, "gt=0.0000001&lt=-100000000000000000000"),
        ({"lt": 10, "gt": 20, "st": 4.9}, "lt=10&gt=20&st=4.9"),
        ({"st": 0}, "st=0"),
        ({"epmin": 1, "epmax": 1}, "epmin=1&epmax=1"),
        ({"con": True, "hqmax": 5}, "con=1&hqmax=5"),
        ({"con": "0"}, "con=0"),
        ({"cancel": None}, "pmin&pmax&gt&lt&st"),
        ({"pmin": 5, "cancel": True}, "pmin=5&pmax&gt&lt&st"),
    ],
)
def test_attributes_become_a_query(given: dict[str, Any], query: str) -> None:
    found = attribute_query(given, RESOURCE, "FLOAT", V12)
    assert b"&".join(found).decode() == query


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "none is given"),
        ({"pmin": 61, "pmax": 60}, r"pmin: 61 is above pmax \(60\)"),
        ({"epmin": 2, "epmax": 1}, r"epmin: 2 is above epmax \(1\)"),
        ({"gt": 5, "lt": 6}, r"lt: 6 is not below gt \(5\)"),
        ({"gt": 5, "lt": 5}, r"lt: 5 is not below gt \(5\)"),
        ({"lt": 10, "gt": 20, "st": 5}, r"lt \+ 2 \* st \(20\) is not below gt \(20\)"),
        ({"pmin": -1}, "pmin: -1 is not a whole number from 0"),
        ({"pmin": MOST + 1}, str(MOST)),
        ({"pmin": 1.5}, "whole number"),
        ({"pmin": "x"}, "'x' is not a number"),
        ({"pmin": "1e3"}, "not a number"),
        ({"pmin": True}, "'True' is not a number"),
        ({"pmin": [1]}, "not a number"),
        ({"gt": float("nan")}, "not a number"),
        ({"gt": float("inf")}, "64"),
        ({"gt": 1e200}, "64 characters"),
        ({"gt": "1" * 65}, "not a number"),
        ({"gt": 10**5000}, "beyond 64 bits"),
        ({"st": -1}, "st: -1 is below 0"),
        ({"con": 2}, "neither 0 nor 1"),
        ({"edge": "up"}, "'up' is neither 0 nor 1"),
        ({"dim": 3}, "'dim' is not known; known are pmin, pmax, gt"),
        ({"gt": 1, "greater": 2}, "gt is given twice"),
        ({"cancel": 1.5}, "takes no value"),
    ],
)
def test_a_wrong_attribute_is_named_with_its_limit(given: dict[str, Any], why: str) -> None:
    with pytest.raises(RequestError, match=why):
        parse_attributes(given)


@pytest.mark.parametrize(
    ("name", "value", "depth", "type", "why"),
    [
        ("gt", 1, OBJECT, None, "belongs to a resource, not"),
        ("lt", 1, INSTANCE, None, "belongs to a resource, not"),
        ("st", 1, RESOURCE, "STRING", "not STRING"),
        ("st", 1, RESOURCE, "BOOLEAN", "INTEGER or TIME or UNSIGNED_INTEGER, not BOOLEAN"),
        ("edge", 1, RESOURCE, "FLOAT", "of type BOOLEAN, not FLOAT"),
        ("edge", 1, OBJECT, None, "belongs to a resource, not"),
    ],
)
def test_an_attribute_stands_only_where_it_means_something(
    name: str, value: int, depth: int, type: str | None, why: str
) -> None:
    with pytest.raises(RequestError, match=why):
        attribute_query({name: value}, depth, type, V12)


@pytest.mark.parametrize("depth", [OBJECT, INSTANCE, RESOURCE, RESOURCE_INSTANCE])
@pytest.mark.parametrize("name", [name for name, row in ATTRIBUTES.items() if row.types is None])
def test_periods_stand_at_every_level(name: str, depth: int) -> None:
    assert attribute_query({name: 1}, depth, None, V12) == (f"{name}=1".encode(),)


@pytest.mark.parametrize("type", ["INTEGER", "UNSIGNED_INTEGER", "FLOAT", "TIME", None])
@pytest.mark.parametrize("depth", [RESOURCE, RESOURCE_INSTANCE])
@pytest.mark.parametrize("name", ["gt", "lt", "st"])
def test_thresholds_stand_at_numbers(name: str, depth: int, type: str | None) -> None:
    assert attribute_query({name: 1}, depth, type, V10) == (f"{name}=1".encode(),)


@pytest.mark.parametrize(
    ("name", "refused", "taken"),
    [
        ("epmin", V10, V11),
        ("epmax", V10, V11),
        ("edge", V11, V12),
        ("con", V11, V12),
        ("hqmax", V11, V12),
    ],
)
def test_an_attribute_needs_the_release_that_brought_it(
    name: str, refused: tuple[int, int], taken: tuple[int, int]
) -> None:
    type = "BOOLEAN" if name == "edge" else None
    assert attribute_query({name: 1}, RESOURCE, type, taken) == (f"{name}=1".encode(),)
    with pytest.raises(RequestError, match=f"{name} needs LwM2M {taken[0]}.{taken[1]}"):
        attribute_query({name: 1}, RESOURCE, type, refused)


@pytest.mark.parametrize(
    ("depth", "type", "query"),
    [
        (OBJECT, None, (b"pmin", b"pmax")),
        (INSTANCE, None, (b"pmin", b"pmax")),
        (RESOURCE, "STRING", (b"pmin", b"pmax")),
        (RESOURCE, None, (b"pmin", b"pmax", b"gt", b"lt", b"st")),
        (RESOURCE_INSTANCE, "INTEGER", (b"pmin", b"pmax", b"gt", b"lt", b"st")),
    ],
)
@pytest.mark.parametrize("version", [V10, V11, V12])
def test_cancel_unsets_what_can_stand_there_in_every_release(
    version: tuple[int, int], depth: int, type: str | None, query: tuple[bytes, ...]
) -> None:
    assert attribute_query({"cancel": None}, depth, type, version) == query
