"""Settings, post-registration, batches and files over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fake_service import Api, FakeService

from lwm2m_fast.rest import batches, limits
from lwm2m_fast.rest.base import MAX_BULK
from lwm2m_fast.rest.batches import MAX_BATCH_ORDERS
from lwm2m_fast.rest.files import MAX_NAME
from lwm2m_fast.rest.limits import MAX_BODY_BYTES
from lwm2m_fast.rest.settings import MAX_COMMANDS

SETTINGS = "/api/v1/devices/dev-1/settings"
COMMANDS = "/api/v1/post-registration"
BATCHES = "/api/v1/batches"
FILES = "/api/v1/files"
READ = {"op": "read", "path": "/3/0/0"}


def test_settings_are_changed_by_name_and_unset_by_null(api: Api) -> None:
    assert api.get(SETTINGS).json() == {}
    api.ask("PUT", SETTINGS, "operate", json={"lwm2mRequestTimeout": 10000})
    answer = api.ask("PUT", SETTINGS, "operate", json={"serializationFormat": "TLV"})
    both = {"lwm2mRequestTimeout": 10000, "serializationFormat": "TLV"}
    assert answer.json() == api.get(SETTINGS).json() == both
    answer = api.ask("PUT", SETTINGS, "operate", json={"serializationFormat": None})
    assert answer.json() == {"lwm2mRequestTimeout": 10000}


def test_settings_are_an_object(api: Api) -> None:
    answer = api.ask("PUT", SETTINGS, "operate", json=[1])
    assert answer.status_code == 400
    assert api.service.set_for == {}


def test_the_post_registration_list_is_replaced_as_a_whole(api: Api) -> None:
    assert api.get(COMMANDS).json() == {"commands": []}
    wanted = {"commands": ["read /3", "observe /3/0/9"]}
    assert api.ask("PUT", COMMANDS, "operate", json=wanted).json() == wanted
    assert api.get(COMMANDS).json() == wanted


def test_the_post_registration_list_has_a_bound(api: Api) -> None:
    wanted = {"commands": ["read /3"] * MAX_COMMANDS}
    assert api.ask("PUT", COMMANDS, "operate", json=wanted).status_code == 200
    wanted = {"commands": ["read /3"] * (MAX_COMMANDS + 1)}
    assert api.ask("PUT", COMMANDS, "operate", json=wanted).status_code == 400
    assert len(api.service.commands["default"]) == MAX_COMMANDS


def batch(api: Api, **body: Any) -> Any:
    return api.ask("POST", BATCHES, "operate", json=body)


def test_a_batch_is_the_same_for_each_device_once() -> None:
    api = Api(FakeService())
    answer = batch(api, endpoints=["b", "a", "b"], orders=READ)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{BATCHES}/1"
    assert (answer.json()["devices"], answer.json()["pending"]) == (2, 2)
    assert [endpoint for endpoint, _, _ in api.service.submitted] == ["b", "a"]


def test_a_batch_can_be_for_all_registered_devices_with_a_part_in_their_names(api: Api) -> None:
    answer = batch(api, filter={"contains": "imei"}, shell="read /3\nread /4")
    assert answer.json()["total"] == 2
    assert [name for name, _, _ in api.service.submitted] == ["urn:imei:356938035643809"]
    assert batch(api, filter={}, orders=[READ]).json()["devices"] == 4


def test_a_filter_for_too_many_devices_or_none_is_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no registered device" in batch(api, filter={"contains": "?"}, orders=READ).text
    monkeypatch.setattr(batches, "MAX_BULK", 3)
    answer = batch(api, filter={}, orders=READ)
    assert answer.status_code == 400
    assert "more than 3 devices" in answer.json()["detail"]
    assert api.service.made == {}


def test_a_batch_shows_its_progress_and_its_results_in_pages(api: Api) -> None:
    api.service.full = {"dev-1"}
    batch(api, endpoints=["dev-1", "a/b", "x"], orders=READ)
    api.ask("GET", "/api/v1/devices/a%2Fb/operations/1?wait=1")
    page = api.get(f"{BATCHES}/1?limit=2").json()
    assert (page["total"], page["done"], page["failed"], page["pending"]) == (3, 1, 1, 1)
    assert page["next"] == 2
    assert page["results"][0] == {"endpoint": "dev-1", "error": "its queue is full"}
    assert page["results"][1]["operations"][0]["state"] == "SUCCESSFUL"
    rest = api.get(f"{BATCHES}/1?after=2").json()
    assert ([one["endpoint"] for one in rest["results"]], rest["next"]) == (["x"], None)
    assert api.get(BATCHES).json() == {"batches": [{"id": 1, "origin": "api"}]}
    assert api.get(f"{BATCHES}/2").status_code == 404


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"orders": READ}, "either endpoints or filter"),
        ({"endpoints": ["x"], "filter": {}, "orders": READ}, "either endpoints or filter"),
        ({"endpoints": ["x"]}, "either orders or shell"),
        ({"endpoints": ["x"], "orders": READ, "shell": "read /3"}, "either orders or shell"),
        ({"endpoints": [], "orders": READ}, "endpoints"),
        ({"endpoints": ["x"] * (MAX_BULK + 1), "orders": READ}, "endpoints"),
        ({"endpoints": [""], "orders": READ}, "1 to 255 bytes"),
        ({"endpoints": ["x"], "orders": [READ, {}]}, "orders[1]"),
        ({"endpoints": ["x"], "orders": [READ] * (MAX_BATCH_ORDERS + 1)}, "allowed are 1 to"),
        ({"endpoints": ["x"], "shell": "help"}, "help"),
        ({"endpoints": ["x"], "shell": "serialization TLV\nread /3"}, "serialization TLV"),
    ],
)
def test_a_batch_that_is_none_is_refused(api: Api, body: dict[str, Any], said: str) -> None:
    answer = batch(api, **body)
    assert answer.status_code == 400
    assert said in answer.json()["detail"]
    assert api.service.submitted == []


def test_a_file_is_kept_listed_and_removed(api: Api) -> None:
    answer = api.ask("PUT", f"{FILES}/image-1.2.bin", "operate", content=b"\x00\xff")
    assert (answer.status_code, answer.json()["size"]) == (201, 2)
    assert api.service.uploads == {"default": {"image-1.2.bin": b"\x00\xff"}}
    assert [one["name"] for one in api.get(FILES).json()["files"]] == ["image-1.2.bin"]
    assert api.ask("DELETE", f"{FILES}/image-1.2.bin", "operate").status_code == 204
    assert api.ask("DELETE", f"{FILES}/image-1.2.bin", "operate").status_code == 404


@pytest.mark.parametrize("name", [".hidden", "..", "a%2Fb", "-x", "%00", "w%C3%A4", "x" * 129])
def test_a_file_has_a_plain_name(api: Api, name: str) -> None:
    answer = api.ask("PUT", f"{FILES}/{name}", "operate", content=b"x")
    assert answer.status_code in (400, 404, 405)  # a client may resolve `..` itself
    assert not api.service.uploads.get("default")
    assert api.ask("PUT", f"{FILES}/{'x' * MAX_NAME}", "operate", content=b"x").status_code == 201


def test_an_upload_may_be_larger_than_any_other_body(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = bytes(MAX_BODY_BYTES + 1)
    assert api.ask("PUT", f"{FILES}/x", "operate", content=body).status_code == 201
    assert api.ask("POST", f"{FILES}/x", "operate", content=body).status_code == 413
    monkeypatch.setattr(limits, "MAX_UPLOAD_BYTES", 9)

    async def ten() -> AsyncIterator[bytes]:
        yield bytes(10)

    assert api.ask("PUT", f"{FILES}/y", "operate", content=bytes(10)).status_code == 413
    assert api.ask("PUT", f"{FILES}/y", "operate", content=ten()).status_code == 413
    assert api.ask("PUT", f"{FILES}/y", "operate", content=bytes(9)).status_code == 201


def test_an_upload_without_a_token_is_not_read(api: Api) -> None:
    assert api.ask("PUT", f"{FILES}/x", "read", content=b"x").status_code == 403
    assert not api.service.uploads.get("default")
