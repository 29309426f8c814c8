"""Who may do what over HTTP, and what the router answers to everybody else."""

from __future__ import annotations

import logging
from collections import Counter

import pytest
from fake_service import SECRETS, Api, FakeService
from starlette.exceptions import HTTPException
from starlette.requests import Request

from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.auth import Guard
from lwm2m_fast.rest.limits import MAX_BODY_BYTES, MAX_REQUESTS
from lwm2m_fast.rest.routes import Route
from lwm2m_fast.rest.table import all_routes

OPEN = {"/healthz", "/readyz"}
GUARDED = [route for route in all_routes() if route.path not in OPEN]


def filled(route: Route) -> str:
    return (
        route.path.replace("{endpoint}", "dev-1")
        .replace("{path:path}", "3")
        .replace("{name}", "nobody")
        .replace("{id}", "1")
    )


def body(route: Route) -> dict[str, object]:
    bodies = {
        "/api/v1/provisioned": {"endpoints": ["x"]},
        "/api/v1/tokens": {"name": "x"},
        "/api/v1/batches": {"endpoints": ["x"], "orders": {"op": "read", "path": "/3"}},
        "/api/v1/post-registration": {"commands": []},
    }
    return {"json": bodies.get(route.path, {})} if route.method in ("POST", "PUT") else {}


def asked(api: Api, route: Route, role: str | None) -> int:
    if route.path == "/api/v1/events":  # would go on for ever: full is as good as let in
        api.counters["http_subscribers_current"] = 64
    return api.ask(route.method, filled(route), role, **body(route)).status_code


@pytest.mark.parametrize("route", GUARDED, ids=lambda r: f"{r.method} {r.path}")
def test_a_route_lets_in_its_role_and_refuses_the_one_below(api: Api, route: Route) -> None:
    assert route.role is not None
    for role in Role:
        status = asked(api, route, role.name.lower())
        assert (status == 403) is (role < route.role)
        assert status != 401


@pytest.mark.parametrize("route", GUARDED, ids=lambda r: f"{r.method} {r.path}")
def test_a_route_without_a_token_is_401_and_says_how(api: Api, route: Route) -> None:
    answer = api.ask(route.method, filled(route), None, **body(route))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="lwm2m-fast"'
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json"])
def test_health_and_documentation_are_open(api: Api, path: str) -> None:
    assert api.get(path, None).status_code == 200


def test_metrics_are_open_only_when_configured() -> None:
    assert Api(FakeService()).get("/metrics", None).status_code == 401
    assert Api(FakeService(), metrics_open=True).get("/metrics", None).status_code == 200


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "bearer  ", "Basic " + SECRETS["admin"], SECRETS["admin"], "Bearer"]
)
def test_a_wrong_authorization_is_401(api: Api, header: str) -> None:
    answer = api.get("/api/v1/devices", None, headers={"Authorization": header})
    assert answer.status_code == 401
    assert "secret-of" not in answer.text


def test_a_host_header_that_is_none_changes_nothing(api: Api) -> None:
    broken = {"Authorization": "Bearer wrong", "Host": "[::1"}
    assert api.get("/api/v1/devices", None, headers=broken).status_code == 401


def test_the_scheme_is_not_case_sensitive(api: Api) -> None:
    header = {"Authorization": "bEARER " + SECRETS["read"]}
    assert api.get("/api/v1/devices", None, headers=header).status_code == 200


def test_a_body_is_not_read_before_the_token_is_checked(api: Api) -> None:
    answer = api.ask("POST", "/api/v1/provisioned", None, content=b"{not json")
    assert answer.status_code == 401


def test_failures_are_counted_by_kind(api: Api) -> None:
    api.get("/api/v1/devices", None)
    api.get("/api/v1/devices", None, headers={"Authorization": "Bearer wrong"})
    api.ask("DELETE", "/api/v1/devices/dev-1", "read")
    assert api.counters["http_refused_token"] == 2
    assert api.counters["http_refused_role"] == 1


def test_failures_are_logged_once_a_minute_and_without_the_token(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    moments = iter([100.0, 159.9, 160.0])
    guard = Guard(api.tokens, Counter(), lambda: next(moments))
    scope = {
        "type": "http", "method": "GET", "path": "/api/v1/devices", "query_string": b"",
        "headers": [(b"authorization", b"Bearer guessed-wrong")], "client": ("192.0.2.9", 1),
        "server": ("test", 80), "scheme": "http",
    }  # fmt: skip
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(HTTPException):
                guard.check(Request(scope), Role.READ)
    assert [record.failures for record in caplog.records] == [1, 2]
    assert caplog.records[0].peer == "192.0.2.9"
    assert not any("guessed-wrong" in str(vars(record)) for record in caplog.records)


def test_an_unknown_path_is_a_404_problem(api: Api) -> None:
    answer = api.get("/api/v1/nothing")
    assert answer.status_code == 404
    assert answer.json() == {"type": "about:blank", "title": "Not Found", "status": 404}


def test_a_wrong_method_is_405_and_names_all_that_are_allowed(api: Api) -> None:
    answer = api.ask("PATCH", "/api/v1/devices/dev-1")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET"
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_of_1_mib_is_read_and_one_byte_more_refused(api: Api) -> None:
    json = {"Content-Type": "application/json"}
    full = b" " * MAX_BODY_BYTES
    answer = api.ask("POST", "/api/v1/provisioned", content=full, headers=json)
    assert answer.status_code == 400
    answer = api.ask("POST", "/api/v1/provisioned", content=full + b" ", headers=json)
    assert answer.status_code == 413
    assert api.counters["http_refused_body"] == 1


def test_a_body_of_undeclared_length_has_the_same_limit(api: Api) -> None:
    async def chunks():
        for _ in range(MAX_BODY_BYTES // 65536):
            yield b" " * 65536
        yield b" "

    json = {"Content-Type": "application/json"}
    answer = api.ask("POST", "/api/v1/provisioned", content=chunks(), headers=json)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert api.counters["http_refused_body"] == 1


def test_requests_beyond_the_limit_are_told_to_come_back(api: Api) -> None:
    api.counters["http_requests_current"] = MAX_REQUESTS - 1
    assert api.get("/api/v1/devices").status_code == 200
    assert api.counters["http_requests_current"] == MAX_REQUESTS - 1
    api.counters["http_requests_current"] = MAX_REQUESTS
    answer = api.get("/api/v1/devices")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert api.counters["http_refused_busy"] == 1


def test_a_busy_server_still_says_that_it_is_alive(api: Api) -> None:
    api.counters["http_requests_current"] = MAX_REQUESTS
    assert api.get("/healthz").status_code == 200
    assert api.get("/readyz").status_code == 200


def test_open_event_streams_leave_room_for_other_requests(api: Api) -> None:
    api.counters["http_requests_current"] = MAX_REQUESTS + 63
    api.counters["http_subscribers_current"] = 64
    assert api.get("/api/v1/devices").status_code == 200


def test_json_that_is_none_is_a_400_problem(api: Api) -> None:
    json = {"Content-Type": "application/json"}
    answer = api.ask("POST", "/api/v1/provisioned", content=b"{", headers=json)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:lwm2m-fast:problem:input"


def test_the_openapi_document_tells_role_and_problems_of_every_route(api: Api) -> None:
    document = api.get("/openapi.json").json()
    for route in all_routes():
        operation = document["paths"][route.path.replace(":path", "")][route.method.lower()]
        wanted = route.role.name.lower() if route.role else "everybody"
        assert wanted in operation["description"]
        assert ("security" in operation) is (route.role is not None)
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        assert "422" not in operation["responses"]
    assert "Problem" in document["components"]["schemas"]
