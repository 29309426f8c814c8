"""ThingsBoard's RPC methods over the real server and a simulated device, each in a process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from serving import Server, with_one_device

NAME = "sim-000001"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with with_one_device(tmp_path_factory.mktemp("rpc") / "data") as server:
        yield server


def rpc(server: Server, method: str, **params: Any) -> dict[str, Any]:
    body = {"method": method, "params": params}
    answer = server.http.post(f"/api/v1/devices/{NAME}/rpc", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def results(server: Server, *asked: tuple[str, dict[str, Any]]) -> list[str]:
    """The results of methods, in order; a value or an error beside one that is unexpected."""
    return [rpc(server, method, **params)["result"] for method, params in asked]


def test_a_device_is_read_by_path_version_and_key(server: Server) -> None:
    objects = server.get(f"/api/v1/devices/{NAME}")["objects"]
    version = objects["3"]["version"] or "1.0"
    by_id = rpc(server, "Read", id="/3/0/0")
    assert by_id["result"] == "CONTENT"
    assert by_id["value"].startswith("LwM2mSingleResource [id=0, value=")
    assert rpc(server, "Read", id=f"/3_{version}/0/0") == by_id
    assert rpc(server, "Read", key="manufacturer") == by_id
    wrong = rpc(server, "Read", id="/3_7.7/0/0")
    assert wrong["result"] == "BAD_REQUEST" and wrong["error"].endswith(f"/3_{version}")
    assert rpc(server, "Read", id="/3")["value"].startswith("LwM2mObject [id=3, instances={0=")
    both = rpc(server, "ReadComposite", keys=["manufacturer", "batteryLevel"])
    assert both["result"] == "CONTENT" and "/3/0/9=LwM2mSingleResource [id=9" in both["value"]


def test_a_device_is_written_executed_and_discovered(server: Server) -> None:
    assert results(
        server,
        ("WriteReplace", {"id": "/3/0/14", "value": "+05:00"}),
        ("WriteReplace", {"key": "timezone", "value": "Asia/Karachi"}),
        ("WriteUpdate", {"id": "/3/0", "value": {"14": "+06:00"}}),
        ("WriteComposite", {"nodes": {"/3/0/14": "+07:00", "timezone": "Asia/Bangkok"}}),
        ("WriteAttributes", {"id": "/3303/0/5700", "attributes": {"pmin": 5, "pmax": 50}}),
        ("Execute", {"id": "/3/0/4"}),
        ("WriteReplace", {"id": "/3/0/0", "value": "nobody"}),
        ("Delete", {"id": "/3/0"}),
        ("Read", {"id": "/3303/99"}),
    ) == ["CHANGED"] * 6 + ["METHOD_NOT_ALLOWED", "METHOD_NOT_ALLOWED", "NOT_FOUND"]
    assert "value=+07:00" in rpc(server, "Read", key="utcOffset")["value"]
    links = json.loads(rpc(server, "Discover", id="/3303/0")["value"])
    assert any(link.startswith("</3303/0/5700>") and "pmin=5" in link for link in links)
    assert "</3303/0>" in json.loads(rpc(server, "DiscoverAll")["value"])


def test_instances_come_and_go(server: Server) -> None:
    made = rpc(server, "Create", id="/3303/7", value={"5700": 1.5, "5701": "Cel"})
    assert made["result"] == "CREATED", made
    assert rpc(server, "Read", id="/3303/7/5701")["result"] == "CONTENT"
    assert rpc(server, "Delete", id="/3303/7") == {"result": "DELETED"}
    assert rpc(server, "Read", id="/3303/7")["result"] == "NOT_FOUND"


def test_observations_are_begun_listed_and_ended(server: Server) -> None:
    assert results(
        server,
        ("Observe", {"id": "/3/0/9"}),
        ("Observe", {"id": "/3/0/9"}),
        ("Observe", {"id": "/3/0"}),
        ("ObserveComposite", {"ids": ["/3303/0/5700", "/3/0/13"]}),
        ("ObserveComposite", {"ids": ["/3303/0"]}),
    ) == ["CONTENT", "CONTENT", "BAD_REQUEST", "CONTENT", "BAD_REQUEST"]
    listed = rpc(server, "ObserveReadAll")["value"]
    assert "SingleObservation:/3/0/9" in listed
    assert "CompositeObservation:[/3/0/13, /3303/0/5700]" in listed
    ids = ["/3/0/13", "/3303/0/5700"]
    assert rpc(server, "ObserveCompositeCancel", ids=ids[:1])["result"] == "BAD_REQUEST"
    assert rpc(server, "ObserveCompositeCancel", ids=ids) == {"result": "CONTENT", "value": "1"}
    assert rpc(server, "ObserveCancel", id="/3/0/13")["result"] == "BAD_REQUEST"
    assert rpc(server, "ObserveCancelAll") == {"result": "CONTENT", "value": "1"}
    assert rpc(server, "ObserveReadAll")["value"] == "[]"
    assert rpc(server, "ObserveCancelAll") == {"result": "CONTENT", "value": "0"}
