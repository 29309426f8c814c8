"""Leshan's composite routes, and observing: /composite and /observe."""

from __future__ import annotations

from typing import Any

import pytest
from leshan_service import Face, FakeResult

from lwm2m_fast.codec import Node
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import DeviceAsleep


def one(number: int, name: str, value: Any) -> dict[str, Any]:
    return {"id": number, "kind": "singleResource", "type": name, "value": value}


def observation(*paths: str, is_composite: bool = False) -> dict[str, Any]:
    return {"number": 1, "paths": list(paths), "is_composite": is_composite, "state": "active"}


# Read- and Write-Composite


def test_read_composite_maps_paths_to_nodes(face: Face) -> None:
    face.says(Node("/3/0/9", 85), Node("/1/0/1", 300), Node("/1/0/7", "U"))
    answer = face.device("GET", "/composite?paths=/3/0/9,/1,/4/0", role="read")
    assert face.order == Order("read_composite", paths=("/3/0/9", "/1", "/4/0"), is_unchecked=True)
    shown = answer.json()
    assert shown["status"] == "CONTENT(205)"
    assert list(shown["content"]) == ["/3/0/9", "/1"]
    assert shown["content"]["/3/0/9"]["value"] == "85"
    assert shown["content"]["/1"]["kind"] == "obj"


def test_read_composite_of_the_root(face: Face) -> None:
    face.says(Node("/3/0/9", 85))
    content = face.device("GET", "/composite?paths=/").json()["content"]
    assert face.order.paths == ("/",)
    assert content["/"]["kind"] == "root"
    assert [known["id"] for known in content["/"]["objects"]] == [3]


@pytest.mark.parametrize("path", ["/composite", "/composite/observe"])
@pytest.mark.parametrize(
    "query, why",
    [
        ("", "paths"),
        ("paths=", "paths"),
        ("paths=/x", "'/x'"),
        ("paths=/3,/3", "given twice"),
        ("paths=" + ",".join(f"/{i}" for i in range(101)), "1 to 100"),
    ],
)
def test_paths_that_are_none_are_refused(face: Face, path: str, query: str, why: str) -> None:
    method = "POST" if path.endswith("observe") else "GET"
    answer = face.device(method, f"{path}?{query}")
    assert answer.status_code == 400
    assert answer.text.startswith("Invalid request: ")
    assert why in answer.text
    assert not face.service.asked


def test_a_hundred_paths_are_read_at_once(face: Face) -> None:
    paths = ",".join(f"/{i}" for i in range(100))
    assert face.device("GET", f"/composite?paths={paths}").status_code == 200


@pytest.mark.parametrize(
    "query, number",
    [
        ("nodeformat=SENML_JSON", 110),
        ("pathformat=SENML_JSON", 110),
        ("nodeformat=SENML_CBOR&pathformat=SENML_JSON", 112),
        ("", None),
    ],
)
def test_the_format_of_nodes_comes_first(face: Face, query: str, number: int | None) -> None:
    face.device("GET", f"/composite?paths=/3&{query}")
    assert face.order.format == number


def test_write_composite_has_a_value_for_each_path(face: Face) -> None:
    face.service.result = FakeResult(code="2.04")
    body = {
        "/1/0/1": one(1, "INTEGER", 60),
        "/1/0/6": one(6, "BOOLEAN", True),
        "/16/0/0": {"id": 0, "kind": "multiResource", "type": "STRING", "values": {"0": "aa"}},
        "/16/0/0/3": {"id": 3, "kind": "resourceInstance", "type": "STRING", "value": "dd"},
        "/5/0/0": one(0, "OPAQUE", "00ff"),
        "/3303/0": {"id": 0, "resources": [one(5701, "STRING", "Cel")]},
    }
    answer = face.device("PUT", "/composite?nodeformat=SENML_JSON", json=body)
    assert answer.json()["status"] == "CHANGED(204)"
    assert (face.order.op, face.order.format) == ("write_composite", 110)
    assert face.order.values == {
        "/1/0/1": 60,
        "/1/0/6": True,
        "/16/0/0/0": "aa",
        "/16/0/0/3": "dd",
        "/5/0/0": {"hex": "00ff"},
        "/3303/0/5701": "Cel",
    }


def test_write_composite_removes_with_null(face: Face) -> None:
    face.device("PUT", "/composite", json={"/16/0/0/3": None})
    assert face.order.values == {"/16/0/0/3": None}


@pytest.mark.parametrize(
    "body, why",
    [
        ({}, "a JSON object"),
        ([], "a JSON object"),
        ({"/1/0/1": one(1, "STRING", "x")}, "of type INTEGER"),
        ({"/1/0/1": one(2, "INTEGER", 1)}, "the id 2"),
        ({"x": one(1, "INTEGER", 1)}, "the path 'x'"),
        (
            {
                "/16/0/0": {"id": 0, "type": "STRING", "values": {"0": "a"}},
                "/16/0/0/0": {"id": 0, "type": "STRING", "value": "b"},
            },
            "/16/0/0/0 is written twice",
        ),
    ],
)
def test_a_composite_body_that_is_none_is_refused(face: Face, body: Any, why: str) -> None:
    answer = face.device("PUT", "/composite", json=body)
    assert answer.status_code == 400
    assert why in answer.text
    assert not face.service.asked


def test_a_composite_body_is_json(face: Face) -> None:
    answer = face.device("PUT", "/composite", content="x", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400
    assert "content type" in answer.text


# Observe


@pytest.mark.parametrize("path", ["/3", "/3/0", "/3/0/9", "/3/0/6/1"])
def test_observe_answers_with_the_value(face: Face, path: str) -> None:
    face.says(Node("/3/0/9", 85), Node("/3/0/6/1", 5))
    answer = face.device("POST", f"{path}/observe")
    assert face.order == Order("observe", path, is_unchecked=True)
    assert answer.json()["status"] == "CONTENT(205)"
    assert answer.json()["content"]["id"] == int(path.rsplit("/", 1)[1])


def test_observe_composite(face: Face) -> None:
    face.says(Node("/3/0/9", 85))
    answer = face.device("POST", "/composite/observe?paths=/3/0/9,/1/0&nodeformat=SENML_CBOR")
    assert face.order == Order(
        "observe_composite", paths=("/3/0/9", "/1/0"), format=112, is_unchecked=True
    )
    assert list(answer.json()["content"]) == ["/3/0/9"]


@pytest.mark.parametrize("path", ["/3/0/9/observe", "/composite/observe?paths=/3,/1"])
def test_a_passive_cancel_is_an_empty_200(face: Face, path: str) -> None:
    face.service.observed = [
        observation("/3/0/9"), observation("/3", "/1", is_composite=True),
    ]  # fmt: skip
    answer = face.device("DELETE", path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert face.order.mode == "passive"
    assert face.order.op == ("cancel_composite" if "?" in path else "cancel_observe")


@pytest.mark.parametrize("path", ["/3/0/9/observe", "/composite/observe?paths=/3,/1"])
def test_a_passive_cancel_of_nothing_is_an_empty_200_too(face: Face, path: str) -> None:
    answer = face.device("DELETE", path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert not face.service.asked


def test_an_active_cancel_answers_what_the_device_said(face: Face) -> None:
    face.service.observed = [observation("/3/0/9")]
    face.says(Node("/3/0/9", 85))
    answer = face.device("DELETE", "/3/0/9/observe?active")
    assert face.order == Order("cancel_observe", "/3/0/9", mode="active", is_unchecked=True)
    assert answer.json()["content"]["value"] == "85"


@pytest.mark.parametrize(
    "path, text",
    [
        ("/3/0/9/observe?active", "no observation for path /3/0/9 for client 'dev-1'"),
        (
            "/composite/observe?paths=/1,/3&active=true",
            "no composite observation for paths /1, /3 for client 'dev-1'",
        ),
    ],
)
def test_an_active_cancel_of_nothing_is_404(face: Face, path: str, text: str) -> None:
    face.service.observed = [
        observation("/3/0"),
        observation("/3", "/1", is_composite=True),  # the order of paths counts
        observation("/3/0/9", is_composite=True),
    ]
    answer = face.device("DELETE", path)
    assert (answer.status_code, answer.text) == (404, text)
    assert not face.service.asked


@pytest.mark.parametrize("path", ["//observe", "/observe", "/3/0/6/1/2/observe"])
def test_an_observation_has_one_to_four_ids(face: Face, path: str) -> None:
    for method in ("POST", "DELETE"):
        assert face.device(method, path).status_code == 400
    assert not face.service.asked


def test_a_passive_cancel_waits_for_a_device_that_sleeps(face: Face) -> None:
    face.service.observed = [observation("/3/0/9")]
    face.service.result = DeviceAsleep("dev-1")
    answer = face.device("DELETE", "/3/0/9/observe")
    assert (answer.status_code, answer.content) == (200, b"")
    assert [order.op for _, order, _, _ in face.service.submitted] == ["cancel_observe"]
