"""The connector over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from fake_service import Api

from lwm2m_fast.fleet.tenants import CONNECTOR

WHERE = f"/api/v1/devices/{CONNECTOR}"


def run(api: Api, text: str, query: str = "?wait=5", role: str = "admin") -> Any:
    return api.ask("POST", f"{WHERE}/shell{query}", role, content=text)


def test_it_is_there_and_cannot_be_deleted(api: Api) -> None:
    assert api.get(WHERE).json() == {"endpoint": CONNECTOR, "tenant": "default", "objects": {}}
    answer = api.ask("DELETE", WHERE)
    assert answer.status_code == 409
    assert "cannot be deleted" in answer.json()["detail"]
    assert api.get(WHERE).status_code == 200


@pytest.mark.parametrize("path", ["configurations", "credentials", "provisioned"])
def test_nor_in_another_way(api: Api, path: str) -> None:
    assert api.ask("DELETE", f"/api/v1/{path}/{CONNECTOR}").status_code == 409


def test_commands_are_operations(api: Api) -> None:
    api.service.provisioned.fleet.put("provisioned", [(b"old", b"")])
    answer = run(api, "help\nmigrateLwm2mDevices\ninvalidateRegistrationsForEndpoint dev-1")
    assert answer.status_code == 200, answer.text
    help_, migrated, ended = answer.json()["commands"]
    assert "migrateLwm2mDevices" in help_["help"]
    assert migrated["operation"]["state"] == "SUCCESSFUL"
    assert migrated["operation"]["result"]["succeeded"] == 1
    assert ended["operation"]["endpoint"] == CONNECTOR
    assert "dev-1" not in api.service.registered
    found = api.get(f"{WHERE}/operations").json()
    assert [one["id"] for one in found["operations"]] == [2, 1]
    assert found["next_before"] is None
    assert api.get(f"{WHERE}/operations/1").json() == migrated["operation"]
    assert api.get(f"{WHERE}/operations?state=FAILED").json()["operations"] == []
    assert api.get(f"{WHERE}/operations?before=2&limit=1").json()["next_before"] == 1
    assert api.get(f"{WHERE}/operations/3").status_code == 404


def test_without_wait_it_is_accepted(api: Api) -> None:
    answer = run(api, "migrateLwm2mDevices", "")
    assert answer.status_code == 202
    assert answer.json()["commands"][0]["operation"]["state"] == "PENDING"
    assert api.get(f"{WHERE}/operations/1?wait=5").json()["state"] == "SUCCESSFUL"


def test_a_line_that_is_wrong_stops_all(api: Api) -> None:
    for text in ("migrateLwm2mDevices\nread /3", "migrateLwm2mDevices -x", ""):
        assert run(api, text).status_code == 400
    assert api.get(f"{WHERE}/operations").json()["operations"] == []


def test_what_changes_configurations_needs_an_admin(api: Api) -> None:
    for text in ("migrateLwm2mDevices", "help\ncleanupClusterTenantObjectsForEndpoint x"):
        assert run(api, text, role="operate").status_code == 403
    ended = run(api, "invalidateRegistrationById 0aB1", role="operate")
    assert ended.json()["commands"][0]["operation"]["state"] == "SUCCESSFUL"
    assert run(api, "help", role="read").status_code == 403


def test_unbound_devices_are_shown_and_forgotten(api: Api) -> None:
    kept = {"unbound": [], "next_after": None}
    assert api.get("/api/v1/unbound").json() == kept
    assert api.ask("DELETE", "/api/v1/unbound/x").status_code == 404
