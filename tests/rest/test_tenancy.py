"""A tenant finds its own devices, and another's look like none; on every route there is."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from fake_service import Api, FakeEvent, FakeService, device

from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.tenants import CONNECTOR
from lwm2m_fast.fleet.tokens import MAX_OF_TENANT, Role
from lwm2m_fast.provisioning.registry import Registry
from lwm2m_fast.rest import leshan
from lwm2m_fast.rest.routes import Route, Tenant
from lwm2m_fast.rest.table import all_routes
from lwm2m_fast.rest.tenancy import LOOKED_AT_ONCE, PATHS, Shown, own_events
from tests.certificate_kit import made_certificate
from tests.provisioning.provisioning_kit import NO_SEC

ROUTES = (*all_routes(), *leshan.routes(is_open=False))
OF_A_DEVICE = [route for route in ROUTES if "{endpoint}" in route.path]
OTHERS = [route for route in ROUTES if "{endpoint}" not in route.path]
OURS, THEIRS, NOBODYS = "ours", "theirs", "nobodys"


class Shared(Api):
    """Two tenants, each with one device, both registered."""

    def __init__(self) -> None:
        super().__init__(FakeService(), leshan_api=True)
        for tenant in ("acme", "beta"):
            for role in Role:
                name = f"{tenant}-{role.name.lower()}"
                self.tokens.add(name, role, f"secret-{name}", 0.0, tenant)
        for tenant, name in (("acme", OURS), ("beta", THEIRS)):
            made = self.of(tenant, "POST", "/api/v1/configurations", json=configuration(name))
            assert made.status_code == 201, made.text
            self.service.registered[name] = device(name)

    def of(self, tenant: str, method: str, path: str, role: str = "admin", **more: Any) -> Any:
        headers = {"Authorization": f"Bearer secret-{tenant}-{role}", **more.pop("headers", {})}
        return self.ask(method, path, None, headers=headers, **more)


def configuration(name: str) -> dict[str, Any]:
    return NO_SEC | {"endpointId": name}


@pytest.fixture
def shared() -> Shared:
    return Shared()


def filled(route: Route, endpoint: str) -> str:
    return (
        route.path.replace("{endpoint}", endpoint)
        .replace("{path:path}", "3/0/0")
        .replace("{rest:path}", "x")
        .replace("{group}", "basic")
        .replace("{id}", "1")
        .replace("{name}", "nobody")
    )


def of_route(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", OF_A_DEVICE, ids=of_route)
def test_anothers_device_looks_like_nobodys(shared: Shared, route: Route) -> None:
    is_leshans = route.path.startswith(("/api/", "/bs/api/")) and "v1" not in route.path
    unknown = 400 if is_leshans else 404
    body = {"json": {"commands": []}} if route.method in ("POST", "PUT", "PATCH") else {}
    answers = []
    for name in (THEIRS, NOBODYS):
        answer = shared.of("acme", route.method, filled(route, name), **body)
        answers.append((answer.status_code, answer.text.replace(name, "it")))
    assert answers[0] == answers[1]
    assert answers[0][0] == unknown
    # Nor does the tenant that runs the server find it.
    assert shared.ask(route.method, filled(route, THEIRS), **body).status_code == unknown
    # And whose it is comes further.
    own = shared.of("acme", route.method, filled(route, OURS), **body)
    assert (own.status_code, own.text.replace(OURS, "it")) != answers[0]
    assert not shared.service.performed or shared.service.performed[-1][0] == OURS
    assert {endpoint for endpoint, _, _ in shared.service.submitted} <= {OURS}
    assert THEIRS in shared.service.registered


@pytest.mark.parametrize("route", OTHERS, ids=of_route)
def test_every_other_path_has_a_decision(route: Route) -> None:
    shown = PATHS[route.path]
    asks = any(one.annotation == "Tenant" for one in _parameters(route).values())
    assert asks is (shown is Shown.OWN)


def _parameters(route: Route) -> Any:
    assert Tenant is not None
    return inspect.signature(route.handler).parameters


def test_the_table_has_no_path_that_there_is_not() -> None:
    assert PATHS.keys() == {route.path for route in OTHERS}


@pytest.mark.parametrize(
    "route", [one for one in OTHERS if PATHS[one.path] is Shown.MANAGEMENT], ids=of_route
)
def test_what_is_of_the_whole_server_is_the_managements(shared: Shared, route: Route) -> None:
    body = {"json": {"commands": []}} if route.method == "PUT" else {}
    assert shared.of("acme", route.method, filled(route, OURS), **body).status_code == 403
    assert shared.ask(route.method, filled(route, OURS), **body).status_code != 403


@pytest.mark.parametrize("path", ["/api/v1/devices", "/api/clients", "/api/v1/configurations"])
def test_a_list_has_only_ones_own(shared: Shared, path: str) -> None:
    shared.service.registered["of-the-house"] = device("of-the-house")
    found = shared.of("acme", "GET", path, "read").text
    assert OURS in found
    assert THEIRS not in found
    assert "of-the-house" not in found
    assert THEIRS not in shared.get(path).text


def test_a_page_of_few_among_many_is_found(shared: Shared) -> None:
    shared.service.registered |= {name: device(name) for name in map("d-{:04}".format, range(900))}
    page = shared.of("acme", "GET", "/api/v1/devices?limit=10").json()
    assert [one["endpoint"] for one in page["devices"]] == [OURS]
    assert page["next_cursor"] is None


def test_the_list_of_who_may_register_is_shared_out(shared: Shared) -> None:
    path = "/api/v1/provisioned"
    assert shared.of("acme", "POST", path, json={"endpoints": [OURS]}).status_code == 200
    for name in (THEIRS, NOBODYS):
        wrong = shared.of("acme", "POST", path, json={"endpoints": [OURS, name]})
        assert wrong.status_code == 404
    assert shared.service.on_list == {OURS}
    assert shared.ask("POST", path, json={"endpoints": ["of-the-house"]}).status_code == 200
    assert shared.of("acme", "GET", path).json()["endpoints"] == [OURS]
    assert shared.get(path).json()["endpoints"] == ["of-the-house"]


def test_credentials_are_ones_own(shared: Shared) -> None:
    path = "/api/v1/credentials"
    psk = {"server": {"mode": "PSK", "identity": "i", "key": "00"}}
    for name in (THEIRS, NOBODYS):
        for body in ({"endpoint": name} | psk, [{"endpoint": name} | psk]):
            assert shared.of("acme", "POST", path, json=body).status_code == 404
        leshan = {"endpoint": name, "tls": {"mode": "x509"}}
        assert shared.of("acme", "PUT", "/api/security/clients", json=leshan).status_code == 400
    assert shared.service.security.credential(THEIRS) is None
    made = shared.of("acme", "PUT", f"{path}/{OURS}", json=psk)
    assert (made.status_code, made.json()["tenant"]) == (201, "acme")
    assert [one["endpoint"] for one in shared.of("acme", "GET", path).json()["credentials"]] == [
        OURS
    ]
    assert OURS in shared.of("acme", "GET", "/api/security/clients").text
    for found in (shared.get(path), shared.get("/api/security/clients")):
        assert OURS not in found.text


def test_an_anchor_is_its_tenants(shared: Shared) -> None:
    path = "/api/v1/trust"
    authority = made_certificate("Example Root", None, is_authority=True)
    added = shared.of("acme", "POST", path, content=authority.pem)
    assert added.json()["anchors"][0]["tenant"] == "acme"
    one = f"{path}/{authority.sha256}"
    assert shared.of("beta", "GET", path).json() == {"anchors": []}
    assert shared.of("beta", "DELETE", one).status_code == 404
    assert shared.of("acme", "DELETE", one).status_code == 204


def test_a_batch_is_of_who_made_it(shared: Shared) -> None:
    path = "/api/v1/batches"
    orders = {"orders": {"op": "read", "path": "/3"}}
    wrong = shared.of("acme", "POST", path, json={"endpoints": [OURS, THEIRS], **orders})
    assert wrong.status_code == 404
    assert shared.service.submitted == []
    made = shared.of("acme", "POST", path, json={"filter": {}, **orders})
    assert [one["endpoint"] for one in made.json()["results"]] == [OURS]
    assert shared.of("acme", "GET", path).json()["batches"] != []
    assert shared.of("acme", "GET", f"{path}/1").status_code == 200
    assert shared.of("beta", "GET", path).json()["batches"] == []
    assert shared.of("beta", "GET", f"{path}/1").status_code == 404
    assert shared.get(f"{path}/1").status_code == 404


def test_a_file_of_devices_is_of_who_sent_it(shared: Shared) -> None:
    text = {"Content-Type": "text/csv"}
    path = "/service/lwm2m-agent/deviceRegistration/bulk"
    data = b"endpoint id;securityMode;lwm2m server uri\nx;NO_SEC;coap://h\n"
    made = shared.of("acme", "POST", path, content=data, headers=text)
    where = made.headers["location"]
    assert shared.of("acme", "GET", where).json()["succeeded"] == 1
    assert shared.of("beta", "GET", where).status_code == 404
    assert shared.of("beta", "GET", "/api/v1/imports").json() == {"imports": []}
    assert shared.service.provisioning.owner("x") == "acme"


@pytest.mark.parametrize("path", ["/api/v1/events?endpoint=", "/api/event?ep="])
def test_events_of_anothers_device_cannot_be_asked_for(shared: Shared, path: str) -> None:
    for name in (THEIRS, NOBODYS):
        assert shared.of("acme", "GET", path + name).status_code in (400, 404)
    assert shared.service.subscribed == []


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/event"])
def test_a_stream_has_only_ones_own_events(shared: Shared, path: str) -> None:
    shared.app.state.context.closing.set()  # the stream ends as it has begun
    assert shared.of("acme", "GET", path).status_code == 200
    only = shared.service.subscriptions[0].only
    assert only is not None
    events = [FakeEvent("awake", name) for name in (OURS, THEIRS, NOBODYS)]
    events += [FakeEvent("alarm", THEIRS, data={"tenant": tenant}) for tenant in TENANTS]
    events += [FakeEvent("operation", CONNECTOR, data={"tenant": one}) for one in TENANTS]
    told = [(one.endpoint, one.data.get("tenant")) for one in events if only(one)]
    assert told == [(OURS, None), (THEIRS, "acme"), (CONNECTOR, "acme")]


TENANTS = ("acme", "beta", "default")


def test_an_event_whose_owner_cannot_be_read_is_told_to_nobody(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(registry: Registry, endpoint: str) -> str:
        raise StoreError("broken")

    monkeypatch.setattr(Registry, "owner", broken)
    for tenant in TENANTS:
        assert not own_events(shared.app.state.context, tenant)(FakeEvent("awake", OURS))


def test_an_admin_makes_tokens_for_its_own_tenant(shared: Shared) -> None:
    path = "/api/v1/tokens"
    made = shared.of("acme", "POST", path, json={"name": "x"})
    assert (made.status_code, made.json()["tenant"]) == (201, "acme")
    for other in ("beta", "default"):
        wrong = shared.of("acme", "POST", path, json={"name": "y", "tenant": other})
        assert wrong.status_code == 403
    made = shared.ask("POST", path, json={"name": "first", "tenant": "new-one", "role": "admin"})
    assert made.json()["tenant"] == "new-one"
    answer = shared.get("/api/v1/devices", None, headers=bearer(made.json()["token"]))
    assert (answer.status_code, answer.json()["devices"]) == (200, [])


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("tenant", ["", "a" * 33, "a b", "ä", "-x", "a/b", "x\n"])
def test_a_tenant_has_a_name(shared: Shared, tenant: str) -> None:
    answer = shared.ask("POST", "/api/v1/tokens", json={"name": "x", "tenant": tenant})
    assert answer.status_code == 400


def test_tokens_are_seen_and_taken_back_by_their_tenant(shared: Shared) -> None:
    path = "/api/v1/tokens"
    names = [one["name"] for one in shared.of("acme", "GET", path).json()["tokens"]]
    assert names == ["acme-admin", "acme-operate", "acme-read"]
    assert len(shared.ask("GET", path).json()["tokens"]) == 9
    assert shared.of("acme", "DELETE", f"{path}/beta-read").status_code == 404
    assert shared.of("acme", "DELETE", f"{path}/nobody").status_code == 404
    assert shared.of("acme", "DELETE", f"{path}/acme-read").status_code == 204
    assert shared.ask("DELETE", f"{path}/beta-read").status_code == 204


def test_a_tenant_cannot_take_all_tokens_there_are(shared: Shared) -> None:
    path = "/api/v1/tokens"
    for number in range(MAX_OF_TENANT - 3):
        assert shared.of("acme", "POST", path, json={"name": f"{number}"}).status_code == 201
    assert shared.of("acme", "POST", path, json={"name": "more"}).status_code == 400
    assert shared.of("beta", "POST", path, json={"name": "more"}).status_code == 201


@pytest.mark.parametrize("name", [CONNECTOR, "lwm2m%2Dconnector"])
@pytest.mark.parametrize("tail", ["/values", "/3/0/0", "/settings"])
def test_the_connector_is_no_device_of_the_fleet(shared: Shared, name: str, tail: str) -> None:
    for answer in (
        shared.of("acme", "GET", f"/api/v1/devices/{name}{tail}"),
        shared.get(f"/api/v1/devices/{name}{tail}"),
    ):
        assert answer.status_code == 409
        assert "connector" in answer.json()["detail"]


def test_a_refusal_names_no_device_of_another_tenant(shared: Shared) -> None:
    identity = {"mode": "PSK", "identity": "i", "key": "00"}
    for tenant, name in (("beta", THEIRS), ("acme", OURS)):
        where = f"/api/v1/credentials/{name}"
        answer = shared.of(tenant, "PUT", where, json={"server": identity})
    assert answer.status_code == 409
    assert "a device of another tenant" in answer.json()["detail"]
    assert THEIRS not in answer.text
    again = shared.of("acme", "POST", "/api/v1/configurations", json=configuration(THEIRS))
    assert again.status_code == 409


def test_nor_may_it_stand_among_devices(shared: Shared) -> None:
    bodies: dict[str, Any] = {
        "/api/v1/provisioned": {"endpoints": [CONNECTOR]},
        "/api/v1/credentials": {"endpoint": CONNECTOR, "server": {"mode": "NO_SEC"}},
        "/api/v1/batches": {"endpoints": [CONNECTOR], "shell": "read /3"},
    }
    for path, body in bodies.items():
        assert shared.ask("POST", path, json=body).status_code == 404
    made = shared.ask("POST", "/api/v1/configurations", json=configuration(CONNECTOR))
    assert made.status_code == 409


def test_a_page_ends_after_so_many_rows_of_others(shared: Shared) -> None:
    names = [f"d-{number:05}" for number in range(2 * LOOKED_AT_ONCE)]
    shared.service.on_list = {*names, OURS}
    path = "/api/v1/provisioned?limit=10"
    found, after, pages = [], None, 0
    while pages == 0 or after is not None:
        more = f"&after={after}" if after else ""
        page = shared.of("acme", "GET", path + more).json()
        found += page["endpoints"]
        after = page["next_after"]
        pages += 1
    assert found == [OURS]
    assert pages == 3
