"""Routes answer what /docs says: real answers against the models of the table of routes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

sys.path.insert(0, str(Path(__file__).parent))

from serving import Server, with_one_device

from lwm2m_fast.rest.table import all_routes

DEVICE = "/api/v1/devices/sim-000001"

# In order: what is asked for first is what later ones show.
ASKED: list[tuple[str, str, Any]] = [
    ("GET", DEVICE, None),
    ("GET", "/api/v1/devices", None),
    ("GET", f"{DEVICE}/presence", None),
    ("GET", f"{DEVICE}/3/0/9", None),
    ("PUT", f"{DEVICE}/3/0/15", "Europe/Berlin"),
    ("POST", f"{DEVICE}/3303", {"70": {"5700": 1.5}}),
    ("DELETE", f"{DEVICE}/3303/70", None),
    ("POST", f"{DEVICE}/operations?wait=9", {"op": "read", "path": "/3"}),
    ("POST", f"{DEVICE}/operations?wait=9", [{"op": "read", "path": "/3"}]),
    ("POST", f"{DEVICE}/observations?wait=9", {"path": "/3303/0/5700"}),
    ("POST", f"{DEVICE}/observations?wait=9", {"paths": ["/3/0/9", "/4"]}),
    ("POST", f"{DEVICE}/observations?wait=9", {"paths": ["/3/0/9"], "strategy": "SINGLE"}),
    ("PUT", f"{DEVICE}/attributes/3303/0/5700?wait=9", {"pmin": 1}),
    ("GET", f"{DEVICE}/observations", None),
    ("GET", f"{DEVICE}/operations", None),
    ("GET", f"{DEVICE}/operations/1", None),
    ("GET", f"{DEVICE}/values", None),
    ("DELETE", f"{DEVICE}/observations?path=/3303/0/5700&wait=9", None),
    ("POST", f"{DEVICE}/shell?wait=9", "read /3/0/9"),
    ("PUT", f"{DEVICE}/settings", {"awakeTimeRegistrationParameter": 0}),
    ("GET", f"{DEVICE}/settings", None),
    ("POST", "/api/v1/batches", {"filter": {}, "shell": "read /3/0/9"}),
    ("GET", "/api/v1/batches", None),
    ("GET", "/api/v1/batches/1", None),
    ("GET", "/api/v1/files", None),
    ("GET", "/api/v1/post-registration", None),
    ("GET", "/api/v1/tokens", None),
    ("GET", "/api/v1/bootstrap", None),
    ("GET", "/api/v1/provisioned", None),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with with_one_device(tmp_path_factory.mktemp("documented") / "data") as server:
        yield server


def model_of(method: str, path: str, status: int) -> Any:
    """What the table documents for this answer."""
    for route in all_routes():
        pattern = re.sub(r"\{\w+\}", "[^/]+", route.path.replace("{path:path}", ".+"))
        if route.method == method and re.fullmatch(pattern, path.partition("?")[0]):
            return route.responses[status]["model"]
    raise AssertionError(f"no route answers {method} {path}")


def undocumented(shown: Any, told: Any, where: str = "") -> list[str]:
    """Where `told` has a member that `shown`, the same through its model, has lost."""
    if isinstance(told, dict) and isinstance(shown, dict):
        lost = [f"{where}.{name}" for name in told if name not in shown]
        return lost + [
            each
            for name in told.keys() & shown.keys()
            for each in undocumented(shown[name], told[name], f"{where}.{name}")
        ]
    if isinstance(told, list) and isinstance(shown, list):
        pairs = enumerate(zip(shown, told, strict=True))
        return [each for n, pair in pairs for each in undocumented(*pair, f"{where}[{n}]")]
    return []


def test_what_is_answered_is_what_is_documented(server: Server) -> None:
    for method, path, body in ASKED:
        is_text = path.startswith(f"{DEVICE}/shell")
        given = {"content": body} if is_text else {"json": body} if body is not None else {}
        answer = server.http.request(method, path, **given)
        told = answer.json()
        model = TypeAdapter(model_of(method, path, answer.status_code))
        shown = model.dump_python(model.validate_python(told), mode="json")
        assert undocumented(shown, told) == [], f"{method} {path}"


def test_a_member_that_is_not_documented_is_noticed() -> None:
    class Thing(BaseModel):
        known: list[dict[str, int]]

    told = {"known": [{"a": 1}], "secret": 2}
    assert undocumented(Thing.model_validate(told).model_dump(), told) == [".secret"]
