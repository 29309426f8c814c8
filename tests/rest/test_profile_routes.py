"""Device profiles over HTTP: put, shown, listed, removed; and who may."""

from __future__ import annotations

from typing import Any

import pytest
from fake_service import Api

from lwm2m_fast.rest.limits import MAX_BODY_BYTES
from tests.fleet.profile_samples import EXPORTED, NEWER, OLDER, changed
from tests.provisioning.provisioning_kit import NO_SEC

ALL = "/api/v1/profiles"


@pytest.mark.parametrize("given", [OLDER, NEWER, EXPORTED], ids=["older", "newer", "exported"])
def test_a_profile_is_kept_and_shown_in_todays_form(api: Api, given: Any) -> None:
    answer = api.ask("PUT", ALL + "/p", json=given)
    assert answer.status_code == 201, answer.text
    assert answer.json()["name"] == "p"
    assert "bootstrapServerUpdateEnable is not set" in answer.json()["warnings"][0]
    shown = api.get(ALL + "/p").json()
    assert [each["port"] for each in shown["bootstrap"]] == [5687, 5685]
    assert api.ask("PUT", ALL + "/p", json=shown).status_code == 200
    assert api.get(ALL + "/p").json() == shown
    assert api.get(ALL).json() == {"profiles": ["p"]}


def test_a_name_may_have_blanks_and_more(api: Api) -> None:
    assert api.ask("PUT", ALL + "/Smart%20meters%2F%C3%A9", json={}).status_code == 201
    assert api.get(ALL).json() == {"profiles": ["Smart meters/é"]}
    assert api.get(ALL + "/Smart%20meters%2F%C3%A9").status_code == 200
    assert api.ask("PUT", ALL + "/%0A", json={}).status_code == 400


def test_what_is_wrong_is_told_and_changes_nothing(api: Api) -> None:
    api.ask("PUT", ALL + "/p", json=NEWER)
    before = api.get(ALL + "/p").json()
    wrong = changed(NEWER, bootstrap__0__port=0, bootstrap__0__securityMode="OSCORE")
    answer = api.ask("PUT", ALL + "/p", json=wrong)
    assert answer.status_code == 400
    assert "bootstrap.0.port is 0" in answer.json()["detail"]
    assert "bootstrap.0.securityMode is 'OSCORE'" in answer.json()["detail"]
    assert api.ask("PUT", ALL + "/p", content=b"{").status_code == 400
    assert api.ask("PUT", ALL + "/p", json=[]).status_code == 400
    large = b'{"a":"' + b"x" * MAX_BODY_BYTES + b'"}'
    assert api.ask("PUT", ALL + "/p", content=large).status_code == 413
    assert api.get(ALL + "/p").json() == before


def test_one_goes_unless_a_device_has_it(api: Api) -> None:
    api.ask("PUT", ALL + "/p", json=NEWER)
    device = NO_SEC | {"deviceProfile": "p"}
    assert api.ask("POST", "/api/v1/configurations", json=device).status_code == 201
    refused = api.ask("DELETE", ALL + "/p")
    assert refused.status_code == 409 and "'d-1'" in refused.json()["detail"]
    assert api.get("/api/v1/configurations/d-1").json()["deviceProfile"] == "p"
    changes = {"deviceProfile": None}
    assert api.ask("PATCH", "/api/v1/configurations/d-1", json=changes).status_code == 200
    assert api.ask("DELETE", ALL + "/p").status_code == 204
    for method in ("GET", "DELETE"):
        assert api.ask(method, ALL + "/p").status_code == 404
    device = NO_SEC | {"endpointId": "d-2", "deviceProfile": "p"}
    refused = api.ask("POST", "/api/v1/configurations", json=device)
    assert (refused.status_code, "deviceProfile is 'p'" in refused.json()["detail"]) == (400, True)


@pytest.mark.parametrize("role", ["read", "operate"])
def test_only_an_admin_changes_profiles(api: Api, role: str) -> None:
    api.ask("PUT", ALL + "/p", json=NEWER)
    assert api.ask("PUT", ALL + "/p", role, json={}).status_code == 403
    assert api.ask("DELETE", ALL + "/p", role).status_code == 403
    assert api.ask("GET", ALL, role).status_code == 200
    assert api.ask("GET", ALL + "/p", role).json()["bootstrap"]
