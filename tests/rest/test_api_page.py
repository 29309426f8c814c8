"""docs/api.md shows each route once, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from lwm2m_fast.rest.routes import Route
from lwm2m_fast.rest.table import all_routes

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
ONE = "/api/v1/devices/urn:imei:356938035643809"


def shown() -> list[tuple[str, str]]:
    """Method and path of each curl on the page."""
    found = []
    for line in re.findall(r"^ {4}curl .*$", PAGE.read_text("utf-8"), re.M):
        method = re.search(r" -X (\w+) ", line)
        address = re.search(r"\$([SD])(/[^ ?\"]*)?[^ ]*$", line)
        assert address is not None, line
        start = ONE if address[1] == "D" else ""
        found.append((method[1] if method else "GET", start + (address[2] or "")))
    return found


def route_of(method: str, path: str) -> Route | None:
    """The first route that answers, as the router has it."""
    for route in all_routes():
        pattern = re.sub(r"\{\w+\}", "[^/]+", route.path.replace("{path:path}", ".+"))
        if route.method == method and re.fullmatch(pattern, path):
            return route
    return None


def test_every_route_has_one_example_and_every_example_a_route() -> None:
    examples = [(one, route_of(*one)) for one in shown()]
    assert not [one for one, route in examples if route is None]
    routes = [(route.method, route.path) for _, route in examples if route is not None]
    assert sorted(routes) == sorted((route.method, route.path) for route in all_routes())
