"""What goes wrong on Leshan's face, sleeping devices, and who is let in."""

from __future__ import annotations

from functools import cache
from typing import Any

import httpx
import pytest
from fake_service import SECRETS
from hypothesis import given, settings
from hypothesis import strategies as st
from leshan_service import Face, LeshanService
from starlette.datastructures import Headers

from lwm2m_fast import errors
from lwm2m_fast.config import Config
from lwm2m_fast.core.orders import Order
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.app import create_app
from lwm2m_fast.rest.leshan import ROUTES
from lwm2m_fast.rest.leshan.door import FACE, is_from_here, is_loopback
from lwm2m_fast.rest.routes import Route


def filled(route: Route) -> str:
    path = route.path.replace("{endpoint}", "dev-1").replace("{rest:path}", "x")
    return path.replace("{path:path}", "3/0") + "?paths=/3"


# Errors


@pytest.mark.parametrize(
    "error, status, text",
    [
        (errors.DeviceTimeout("it did not answer"), 504, "Request timeout: it did not answer"),
        (errors.DeviceError("it rejected the Read (reset)"), 500, "Request failed: it rejected"),
        (errors.RequestError("a wrong level"), 400, "Invalid request: a wrong level"),
        (errors.FormatError("a wrong byte"), 400, "Invalid request: a wrong byte"),
        (errors.QueueFull("'dev-1'", 16), 429, "Request refused: 'dev-1' already has 16"),
        (errors.StoreError("no room"), 503, "Request refused: no room"),
        (errors.Error("odd"), 500, "Unexpected exception: odd"),
        (errors.UnknownDevice("dev-1"), 400, "No registered client with id 'dev-1'"),
    ],
)
def test_an_error_has_leshans_status_and_plain_text(
    face: Face, error: errors.Error, status: int, text: str
) -> None:
    face.service.result = error
    answer = face.device("GET", "/3")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith(text)
    assert ("retry-after" in answer.headers) is (status in (429, 503))


@pytest.mark.parametrize(
    "method, path, order",
    [
        ("GET", "/3/0/9", Order("read", "/3/0/9", is_unchecked=True)),
        ("POST", "/3/0/4", Order("execute", "/3/0/4", is_unchecked=True)),
        ("DELETE", "/3303/1", Order("delete", "/3303/1", is_unchecked=True)),
        ("POST", "/3/observe", Order("observe", "/3", is_unchecked=True)),
    ],
)
def test_a_request_to_a_sleeping_device_is_delayed(
    face: Face, method: str, path: str, order: Order
) -> None:
    face.service.result = errors.DeviceAsleep("dev-1")
    answer = face.device(method, path + "?timeout=30")
    assert answer.status_code == 200
    assert answer.json() == {
        "ep": "dev-1", "path": order.path, "requestId": "41", "delayed": True,
    }  # fmt: skip
    assert face.service.submitted == [("dev-1", order, 30.0, "leshan")]


def test_a_delayed_composite_request_names_its_paths(face: Face) -> None:
    face.service.result = errors.DeviceAsleep("dev-1")
    shown = face.device("GET", "/composite?paths=/3,/1").json()
    assert shown == {"ep": "dev-1", "paths": ["/3", "/1"], "requestId": "41", "delayed": True}


def test_a_full_queue_of_a_sleeping_device_is_429(face: Face) -> None:
    async def full(*args: Any, **more: Any) -> Any:
        raise errors.QueueFull("'dev-1'", 1000)

    face.service.result = errors.DeviceAsleep("dev-1")
    face.service.submit = full  # type: ignore[method-assign]
    assert face.device("GET", "/3").status_code == 429


# Access

ADMINS = ("/api/security/", "/api/bootstrap", "/bs/")


def came_in(answer: httpx.Response) -> bool:
    """Whether a handler has answered, be it that there is nothing."""
    is_none = answer.status_code == 404 and answer.text == "No config for 'dev-1'"
    return is_none or answer.status_code not in (401, 403, 404, 405)


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_a_route_needs_a_token_with_its_role(face: Face, route: Route) -> None:
    face.counters["http_subscribers_current"] = 64  # a stream would go on for ever
    writes = Role.ADMIN if route.path.startswith(ADMINS) else Role.OPERATE
    assert route.role is (Role.READ if route.method == "GET" else writes)
    assert face.ask(route.method, filled(route), None).status_code == 401
    assert came_in(face.ask(route.method, filled(route), "admin"))
    if route.role is Role.OPERATE:
        assert face.ask(route.method, filled(route), "read").status_code == 403
    assert SECRETS["admin"] not in face.ask(route.method, filled(route), "admin").text


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_an_open_face_needs_no_token(route: Route) -> None:
    face = Face(leshan_open=True)
    face.counters["http_subscribers_current"] = 64
    here = {"Host": "localhost:8080"}
    answer = face.ask(route.method, filled(route), None, headers=here)
    assert came_in(answer)


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_the_face_is_off_unless_it_is_configured(route: Route) -> None:
    face = Face()
    face.app = create_app(face.service, face.tokens, Config())
    assert face.ask(route.method, filled(route)).status_code == 404


def test_an_open_face_leaves_the_house_closed() -> None:
    face = Face(leshan_open=True)
    here = {"Host": "localhost"}
    assert face.ask("GET", "/api/v1/devices", None, headers=here).status_code == 401


def test_an_open_face_refuses_web_pages() -> None:
    face = Face(leshan_open=True)
    page = {"Host": "localhost:8080", "Origin": "http://example.org"}
    answer = face.ask("POST", "/api/clients/dev-1/3/0/4", None, headers=page)
    assert answer.status_code == 403
    assert face.counters["http_refused_origin"] == 1
    assert not face.service.asked


@pytest.mark.parametrize(
    "headers, is_let_in",
    [
        ({"host": "localhost"}, True),
        ({"host": "LOCALHOST:8080"}, True),
        ({"host": "127.0.0.1:8080"}, True),
        ({"host": "[::1]:8080"}, True),
        ({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}, True),
        ({"host": "127.0.0.1:8080", "origin": "http://localhost:8080"}, False),
        ({"host": "127.0.0.1:8080", "origin": "null"}, False),
        ({"host": "rebound.example:8080"}, False),
        ({"host": "127.0.0.1.example"}, False),
        ({"host": "192.0.2.1"}, False),
        ({}, False),
    ],
)
def test_who_is_from_here(headers: dict[str, str], is_let_in: bool) -> None:
    assert is_from_here(Headers(headers)) is is_let_in


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_an_open_face_refuses_to_start_on_other_addresses(host: str) -> None:
    assert not is_loopback(host)
    if host:
        with pytest.raises(errors.ConfigError, match=r"http\.leshan_open.*loopback"):
            Face(leshan_open=True, host=host)
        Face(leshan_open=False, host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_an_open_face_starts_on_a_loopback_address(host: str) -> None:
    assert is_loopback(host)
    Face(leshan_open=True, host=host)


def test_without_the_face_nothing_is_opened() -> None:
    config = Config(http={"leshan_open": True, "host": "0.0.0.0"})
    face = Face()
    face.app = create_app(face.service, face.tokens, config)
    assert face.ask("GET", "/api/clients", None).status_code == 404


# Slashes, and what no route is for


@pytest.mark.parametrize(
    "path",
    ["/api/clients/", "/api/clients/dev-1/", "/api/clients/dev-1/3/0//", "/api/security/clients/"],
)
def test_a_trailing_slash_changes_nothing(face: Face, path: str) -> None:
    assert face.get(path).status_code == 200


def test_the_house_keeps_its_own_paths(face: Face) -> None:
    assert face.get("/api/v1/devices/").status_code == 404
    assert FACE.match("/api/clientsx") is None
    assert FACE.match("/api/v1/clients") is None


def test_a_method_that_no_route_has_is_405(face: Face) -> None:
    assert face.ask("PATCH", "/api/clients/dev-1/3").status_code == 405


SEGMENTS = st.sampled_from(
    ["dev-1", "no", "3", "0", "9", "6", "composite", "observe", "attributes", "discover", "", "x"]
)
QUERIES = st.sampled_from(
    ["", "paths=/3", "paths=/", "active", "timeout=x", "format=TLV", "pmin=1", "replace=0", "%ff"]
)
BODIES = st.binary(max_size=20) | st.sampled_from(
    [
        b'{"id":0,"resources":[]}', b'{"id":9,"type":"integer","value":"5"}',
        b'{"/3/0/9":{"id":9,"type":"integer","value":"5"}}', b"[" * 2000, b'"\\ud800"',
    ]
)  # fmt: skip


@cache
def face_for_all() -> Face:
    return Face(LeshanService("dev-1"))


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH"]),
    st.sampled_from(["clients", "objectspecs", "security/clients", "server"]),
    st.lists(SEGMENTS, max_size=6).map("/".join),
    QUERIES,
    BODIES,
    st.sampled_from(["application/json", "text/plain", ""]),
)
def test_no_request_is_a_server_error(
    method: str, start: str, path: str, query: str, body: bytes, kind: str
) -> None:
    face = face_for_all()
    url = f"http://test/api/{start}/{path}?{query}"
    answer = face.ask(method, url, content=body, headers={"Content-Type": kind})
    assert answer.status_code < 500
    assert face.counters["http_requests_current"] == 0
