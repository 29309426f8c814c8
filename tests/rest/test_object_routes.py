"""Known objects over HTTP: found by id or part of a name, with keys of their resources (P18)."""

from __future__ import annotations

from typing import Any

import pytest
from fake_service import Api

ALL = "/api/v1/objects"


def ids(api: Api, query: str) -> list[int]:
    answer = api.get(f"{ALL}?{query}")
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["objects"]]


@pytest.mark.parametrize("search", ["3303", "temperature", "TEMPERATURE", "%20emperatur"])
def test_an_object_is_found_by_its_id_or_a_part_of_its_name(api: Api, search: str) -> None:
    assert 3303 in ids(api, f"search={search}")
    assert 3 not in ids(api, f"search={search}")


def test_an_id_is_not_a_part_of_one(api: Api) -> None:
    assert ids(api, "search=330") == []
    assert ids(api, "search=nothing-is-called-so") == []
    assert ids(api, "search=99999999999999999999") == []


def test_all_come_page_by_page(api: Api) -> None:
    seen: list[int] = []
    after: Any = -1
    while after is not None:
        page = api.get(f"{ALL}?after={after}&limit=100").json()
        assert len(page["objects"]) <= 100
        seen += [one["id"] for one in page["objects"]]
        after = page["next_after"]
    assert seen == sorted(set(seen)) and {0, 1, 3, 3303} <= set(seen)


def test_an_object_has_its_resources_with_their_keys(api: Api) -> None:
    shown = api.get(f"{ALL}/3").json()
    assert (shown["name"], shown["is_multiple"]) == ("Device", False)
    assert shown["version"] == shown["versions"][-1]
    by_id = {one["id"]: one for one in shown["resources"]}
    assert by_id[9]["key"] == "batteryLevel"
    assert (by_id[9]["type"], by_id[9]["operations"]) == ("INTEGER", "R")
    older = api.get(f"{ALL}/3?version=1.0").json()
    assert older["version"] == "1.0"


@pytest.mark.parametrize("path", ["/31999", "/x", "/-3", "/3?version=9.9", "/999999", "/%C2%B2"])
def test_what_is_not_known_is_not_found(api: Api, path: str) -> None:
    assert api.get(ALL + path).status_code == 404


def test_a_page_has_a_bound(api: Api) -> None:
    assert api.get(f"{ALL}?limit=1001").status_code == 400
    assert api.get(f"{ALL}?search=" + "x" * 101).status_code == 400
    assert len(ids(api, "limit=1")) == 1
