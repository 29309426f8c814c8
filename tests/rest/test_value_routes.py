"""Last values, observations and Write-Attributes over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from fake_service import Api

from lwm2m_fast.core.orders import MAX_PATHS

ROOT = "/api/v1/devices/dev-1"


def value(path: str) -> dict[str, Any]:
    known = {"type": "integer", "value": 1, "time": 1700000000.0, "origin": "SEND"}
    return {"path": path, **known}


def relation(number: int, *paths: str) -> dict[str, Any]:
    return {
        "id": number,
        "paths": list(paths),
        "is_composite": len(paths) > 1,
        "content_format": 110,
        "state": "active",
        "since": 1700000000.0,
        "notified": 2,
        "last_at": None,
    }


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", ["/3/0/9", "/3303/0/5700"]),
        ("/", ["/3/0/9", "/3303/0/5700"]),
        ("/3", ["/3/0/9"]),
        ("3/0/9", ["/3/0/9"]),
        ("/4", []),
    ],
)
def test_values_are_those_at_and_below_a_path(api: Api, path: str, found: list[str]) -> None:
    api.service.known_values["dev-1"] = [value("/3/0/9"), value("/3303/0/5700")]
    body = api.get(f"{ROOT}/values", params={"path": path}).json()
    assert body["endpoint"] == "dev-1"
    assert [one["path"] for one in body["values"]] == found


def test_values_of_a_device_that_left_are_still_there(api: Api) -> None:
    api.service.known_values["gone"] = [value("/3/0/9")]
    assert api.get("/api/v1/devices/gone/values").status_code == 200
    assert api.get("/api/v1/devices/nobody/values").status_code == 404


@pytest.mark.parametrize("path", ["x", "/3/65535", "/1/2/3/4/5", "/" * 25])
def test_values_below_what_is_no_path_are_a_400(api: Api, path: str) -> None:
    assert api.get(f"{ROOT}/values", params={"path": path}).status_code == 400


def test_observations_are_listed(api: Api) -> None:
    api.service.relations["dev-1"] = [relation(1, "/3/0/9")]
    assert api.get(f"{ROOT}/observations").json() == {
        "endpoint": "dev-1",
        "observations": [relation(1, "/3/0/9")],
    }
    assert api.get("/api/v1/devices/nobody/observations").status_code == 404


@pytest.mark.parametrize(
    ("body", "order"),
    [
        ({"path": "/3/0/9"}, {"op": "observe", "path": "/3/0/9"}),
        ({"path": "/3", "format": 110}, {"op": "observe", "path": "/3", "format": 110}),
        ({"paths": ["/3/0", "/4"]}, {"op": "observe_composite", "paths": ["/3/0", "/4"]}),
    ],
)
def test_observing_is_an_operation(api: Api, body: dict[str, Any], order: dict[str, Any]) -> None:
    answer = api.ask("POST", f"{ROOT}/observations", "operate", json=body)
    assert answer.status_code == 202
    assert answer.json()["order"] == order


@pytest.mark.parametrize(
    "body", [{}, [], {"path": "/3", "paths": ["/4"]}, {"paths": []}, {"path": "/3", "x": 1}]
)
def test_what_cannot_be_observed_is_refused(api: Api, body: Any) -> None:
    answer = api.ask("POST", f"{ROOT}/observations", "operate", json=body)
    assert answer.status_code == 400
    assert api.service.submitted == []


@pytest.mark.parametrize(
    ("query", "orders"),
    [
        ("path=/3/0/9", [{"op": "cancel_observe", "path": "/3/0/9", "mode": "passive"}]),
        ("path=3/0/9&mode=active", [{"op": "cancel_observe", "path": "/3/0/9", "mode": "active"}]),
        (
            "path=/4&path=/3/0",
            [{"op": "cancel_composite", "paths": ["/3/0", "/4"], "mode": "passive"}],
        ),
        (
            "",
            [
                {"op": "cancel_observe", "path": "/3/0/9", "mode": "passive"},
                {"op": "cancel_composite", "paths": ["/3/0", "/4"], "mode": "passive"},
            ],
        ),
    ],
)
def test_an_observation_is_ended_by_its_paths_in_any_order(
    api: Api, query: str, orders: list[dict[str, Any]]
) -> None:
    api.service.relations["dev-1"] = [relation(1, "/3/0/9"), relation(2, "/3/0", "/4")]
    answer = api.ask("DELETE", f"{ROOT}/observations?{query}", "operate")
    assert answer.status_code == 202
    made = [
        {"mode": "passive", **one["order"]} for one in answer.json()["operations"]
    ]  # the default need not be kept
    assert made == orders


def test_an_observation_of_as_many_paths_as_there_may_be_is_ended_by_them(api: Api) -> None:
    paths = [f"/3303/{number}/5700" for number in range(MAX_PATHS)]
    api.service.relations["dev-1"] = [relation(1, *paths)]
    where = f"{ROOT}/observations?path=" + "&path=".join(paths)
    assert api.ask("DELETE", where, "operate").status_code == 202
    answer = api.ask("DELETE", f"{where}&path=/3", "operate")
    assert answer.status_code == 400
    assert f"{MAX_PATHS + 1} times, at most {MAX_PATHS}" in answer.json()["detail"]


def test_an_observation_that_is_not_there_cannot_be_ended(api: Api) -> None:
    api.service.relations["dev-1"] = [relation(1, "/3/0/9")]
    for query, status in (("path=/3/0", 404), ("path=x", 400), ("mode=soft", 400)):
        answer = api.ask("DELETE", f"{ROOT}/observations?{query}", "operate")
        assert answer.status_code == status
    assert api.ask("DELETE", "/api/v1/devices/nobody/observations", "operate").status_code == 404
    assert api.service.submitted == []


def test_an_observation_that_cannot_be_read_is_left_out_when_all_are_ended(api: Api) -> None:
    unreadable = {**relation(1, "/3"), "paths": []}
    api.service.relations["dev-1"] = [unreadable, relation(2, "/3/0/9")]
    answer = api.ask("DELETE", f"{ROOT}/observations", "operate")
    assert answer.status_code == 202
    assert [one["order"]["path"] for one in answer.json()["operations"]] == ["/3/0/9"]


PATHS = ["/3/0/9", "/3303/0/5700", "/3/0/13"]
SINGLES = [{"op": "observe", "path": path} for path in PATHS]
ALL = [{"op": "observe_composite", "paths": PATHS}]
BY_OBJECT = [
    {"op": "observe_composite", "paths": ["/3/0/9", "/3/0/13"]},
    {"op": "observe_composite", "paths": ["/3303/0/5700"]},
]


@pytest.mark.parametrize(
    "strategy, orders",
    [
        ("SINGLE", SINGLES),
        ("COMPOSITE_ALL", ALL),
        ("COMPOSITE_BY_OBJECT", BY_OBJECT),
        (0, SINGLES),
        (1, ALL),
        (2, BY_OBJECT),
    ],
)
@pytest.mark.parametrize("where", ["observations", "operations"])
def test_several_paths_are_observed_by_a_strategy(
    api: Api, where: str, strategy: Any, orders: list[dict[str, Any]]
) -> None:
    body = {"paths": PATHS, "strategy": strategy}
    if where == "operations":
        body["op"] = "observe_composite"
    answer = api.ask("POST", f"{ROOT}/{where}", "operate", json=body)
    assert answer.status_code == 202
    assert [one["order"] for one in answer.json()["operations"]] == orders
    assert len(api.service.submitted) == 1  # all of them or none


@pytest.mark.parametrize("strategy", ["", "ALL", 3, -1, True, 1.0, ["SINGLE"]])
def test_a_strategy_that_there_is_not_is_refused(api: Api, strategy: Any) -> None:
    body = {"paths": PATHS, "strategy": strategy}
    answer = api.ask("POST", f"{ROOT}/observations", "operate", json=body)
    assert answer.status_code == 400
    assert "COMPOSITE_BY_OBJECT" in answer.json()["detail"]
    assert api.service.submitted == []


@pytest.mark.parametrize(
    "strategy, made",
    [
        ("SINGLE", [("/3/0/9",), ("/3303/0/5700",), ("/3/0/13",)]),
        ("COMPOSITE_ALL", [("/3/0/9", "/3303/0/5700", "/3/0/13")]),
        ("COMPOSITE_BY_OBJECT", [("/3/0/13", "/3/0/9"), ("/3303/0/5700",)]),
    ],
)
def test_they_are_ended_by_the_same_paths_in_any_order_and_by_no_others(
    api: Api, strategy: str, made: list[tuple[str, ...]]
) -> None:
    others = [relation(90, "/5/0/3"), relation(91, "/3/0/9", "/5/0/3")]
    api.service.relations["dev-1"] = others + [
        {**relation(number, *paths), "is_composite": strategy != "SINGLE"}
        for number, paths in enumerate(made, 1)
    ]
    for paths, status in (
        (["/3303/0/5700", "/3/0/13", "/3/0/9", "/3/0/9"], 202),
        (["/3/0/9", "/3303/0/5701"], 404),
        ([*PATHS, "/4/0/1"], 404),
        ([], 400),
    ):
        api.service.submitted.clear()
        query = "&".join([f"strategy={strategy}", *(f"path={path}" for path in paths)])
        answer = api.ask("DELETE", f"{ROOT}/observations?{query}", "operate")
        assert answer.status_code == status, (paths, answer.text)
        if status != 202:
            assert api.service.submitted == []
            continue
        ended = [one["order"] for one in answer.json()["operations"]]
        found = {tuple(one.get("paths") or [one["path"]]) for one in ended}
        assert found == set(made)


def test_attributes_are_written_to_a_path(api: Api) -> None:
    attributes = {"pmin": 10, "gt": None}
    answer = api.ask("PUT", f"{ROOT}/attributes/3303/0/5700?wait=1", "operate", json=attributes)
    assert answer.status_code == 200
    order = {"op": "write_attributes", "path": "/3303/0/5700", "attributes": attributes}
    assert answer.json()["order"] == order


@pytest.mark.parametrize(
    ("path", "body"),
    [("3303", {"pmin": -1}), ("3303", {"colour": 1}), ("3303", []), ("x", {"pmin": 1})],
)
def test_attributes_that_are_none_are_refused(api: Api, path: str, body: Any) -> None:
    answer = api.ask("PUT", f"{ROOT}/attributes/{path}", "operate", json=body)
    assert answer.status_code == 400
    assert api.service.submitted == []


def test_presence_tells_whether_a_device_listens(api: Api) -> None:
    assert api.get(f"{ROOT}/presence").json()["awake"] is True
    assert api.get("/api/v1/devices/nobody/presence").status_code == 404
