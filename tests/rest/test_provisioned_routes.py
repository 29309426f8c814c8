"""The list of who may register, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from fake_service import Api

from lwm2m_fast.errors import StoreError

LIST = "/api/v1/provisioned"


def test_put_adds_one_and_tells_whether_it_is_new(api: Api) -> None:
    first = api.ask("PUT", f"{LIST}/urn:imei:1%2F2", "operate")
    assert (first.status_code, first.json()) == (201, {"received": 1, "added": 1})
    again = api.ask("PUT", f"{LIST}/urn:imei:1%2F2", "operate")
    assert (again.status_code, again.json()) == (200, {"received": 1, "added": 0})
    assert api.service.on_list == {"urn:imei:1/2"}


def test_post_adds_many_and_counts_the_new(api: Api) -> None:
    api.service.on_list = {"b"}
    answer = api.ask("POST", LIST, "operate", json={"endpoints": ["a", "b", "c"]})
    assert answer.json() == {"received": 3, "added": 2}


def test_delete_takes_one_off_once(api: Api) -> None:
    api.service.on_list = {"a"}
    assert api.ask("DELETE", f"{LIST}/a", "operate").status_code == 204
    gone = api.ask("DELETE", f"{LIST}/a", "operate")
    assert gone.status_code == 404
    assert gone.json()["detail"] == "'a' is not on the list of endpoints that may register"


def test_the_list_goes_on_after_its_last_name_to_its_end(api: Api) -> None:
    api.service.on_list = {"a", "b", "c"}
    first = api.get(f"{LIST}?limit=2").json()
    assert first == {"endpoints": ["a", "b"], "next_after": "b"}
    rest = api.get(f"{LIST}?limit=2&after=b").json()
    assert rest == {"endpoints": ["c"], "next_after": None}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"endpoints": [f"d{i}" for i in range(10_000)]}, 200),
        ({"endpoints": [f"d{i}" for i in range(10_001)]}, 400),
        ({"endpoints": []}, 400),
        ({"endpoints": ["x" * 255]}, 200),
        ({"endpoints": ["x" * 256]}, 400),
        ({"endpoints": ["ok", ""]}, 400),
        ({"endpoints": [7]}, 400),
        ({"endpoints": "abc"}, 400),
        ({}, 400),
        ([], 400),
    ],
)
def test_the_limits_of_a_bulk(api: Api, body: Any, status: int) -> None:
    assert api.ask("POST", LIST, "operate", json=body).status_code == status
    assert bool(api.service.on_list) is (status == 200)


def test_a_name_with_half_a_character_is_refused(api: Api) -> None:
    json = {"Content-Type": "application/json"}
    body = b'{"endpoints": ["\\ud800"]}'
    assert api.ask("POST", LIST, "operate", content=body, headers=json).status_code == 400


def test_a_store_that_cannot_keep_it_is_a_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(endpoints: object) -> int:
        raise StoreError("the disk is full")

    monkeypatch.setattr(api.service, "allow", full)
    answer = api.ask("PUT", f"{LIST}/a", "operate")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
