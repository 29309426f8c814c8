"""/api/v1/bootstrap: who may see and switch it, and what the switch takes."""

from __future__ import annotations

import pytest
from fake_service import Api

from lwm2m_fast.fleet.tokens import Role

PATH = "/api/v1/bootstrap"


def test_it_is_switched_and_shown(api: Api) -> None:
    assert api.get(PATH).json()["enabled"] is False
    answer = api.ask("PUT", PATH, json={"enabled": True})
    assert answer.status_code == 200
    shown = api.get(PATH).json()
    assert shown == answer.json()
    assert (shown["enabled"], shown["decided_by"], shown["configured"]) == (True, "operator", False)
    assert (shown["coap_port"], shown["dtls_port"]) == (5683, 5684)
    assert shown["counts"]["bootstraps_started"] == 0
    assert api.ask("PUT", PATH, json={"enabled": None}).json()["enabled"] is False


@pytest.mark.parametrize(
    "body, why",
    [
        ({}, "enabled is missing"),
        ({"enabled": "false"}, "allowed are true, false and null"),
        ({"enabled": 0}, "allowed are true, false and null"),
        ({"enabled": True, "port": 1}, "'port' is not known"),
    ],
)
def test_what_says_neither_on_nor_off_is_refused(api: Api, body: object, why: str) -> None:
    answer = api.ask("PUT", PATH, json=body)
    assert answer.status_code == 400 and why in answer.json()["detail"]
    assert api.get(PATH).json()["enabled"] is False


def test_it_takes_an_admin_of_the_tenant_that_runs_the_server(api: Api) -> None:
    assert api.ask("PUT", PATH, "operate", json={"enabled": True}).status_code == 403
    api.tokens.add("theirs", Role.ADMIN, "another-secret", now=0.0, tenant="acme")
    theirs = {"Authorization": "Bearer another-secret"}
    assert api.ask("PUT", PATH, None, headers=theirs, json={"enabled": True}).status_code == 403
    assert api.ask("GET", PATH, None, headers=theirs).status_code == 403
    assert api.get(PATH).json()["enabled"] is False
