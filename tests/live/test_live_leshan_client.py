"""A device made with the Leshan client library: what a server does to one, and hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from leshan_device import LeshanDevice
from serving import Server, served, until

ONE = "/api/v1/devices/leshan-1"

# Resources of object 3442 (LwM2M v1.1 test object), a value of the type, and how it is told.
EVERY_TYPE: dict[int, Any] = {
    110: "ü",
    120: -9_007_199_254_740_993,
    125: 2**64 - 1,
    130: -1.5,
    140: False,
    150: {"hex": "00ff10"},
    170: "3:0",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("leshan") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def device(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeshanDevice]:
    uri = f"coap://127.0.0.1:{server.coap[1]}"
    with closing(LeshanDevice("leshan-1", uri, tmp_path_factory.mktemp("ddf"))) as running:
        running.expect("registered")
        yield running


def done(server: Server, **order: Any) -> dict[str, Any]:
    """The operation after its end."""
    answer = server.http.post(f"{ONE}/operations?wait=15", json=order)
    assert answer.status_code == 200, answer.text
    operation: dict[str, Any] = answer.json()
    return operation


def succeeded(server: Server, **order: Any) -> dict[str, Any]:
    operation = done(server, **order)
    assert operation["state"] == "SUCCESSFUL", operation
    result: dict[str, Any] = operation["result"]
    return result


def values_of(result: dict[str, Any]) -> dict[str, Any]:
    return {each["path"]: each["value"] for each in result["values"]}


def test_it_registers_and_is_read(server: Server, device: LeshanDevice) -> None:
    shown = server.get(ONE)
    assert shown["lwm2m_version"] == "1.1"
    assert {"1", "3", "3442"} <= shown["objects"].keys()
    assert server.get(f"{ONE}/3/0/0")["values"][0]["value"] == "A maker"


@pytest.mark.parametrize("resource", EVERY_TYPE)
@pytest.mark.parametrize("number", [None, 112, 110, 11542], ids=["chosen", "cbor", "json", "tlv"])
def test_every_type_is_written_and_read_back(
    server: Server, device: LeshanDevice, resource: int, number: int | None
) -> None:
    path = f"/3442/0/{resource}"
    # In TLV the client writes the largest unsigned number as one byte of ones.
    wanted = 200 if (resource, number) == (125, 11542) else EVERY_TYPE[resource]
    more = {} if number is None else {"format": number}
    assert succeeded(server, op="write", path=path, value=wanted, **more)["code"] == "2.04"
    assert values_of(succeeded(server, op="read", path=path, **more)) == {path: wanted}


def test_an_instance_is_read_updated_and_discovered(server: Server, device: LeshanDevice) -> None:
    order = {"op": "write", "path": "/3442/0", "mode": "update", "values": {"110": "a", "120": 7}}
    succeeded(server, **order)
    found = values_of(succeeded(server, op="read", path="/3442/0"))
    assert (found["/3442/0/110"], found["/3442/0/120"]) == ("a", 7)
    links = succeeded(server, op="discover", path="/3442/0")["links"]
    assert "/3442/0/110" in [link["path"] for link in links]


def test_attributes_are_written_and_discovered(server: Server, device: LeshanDevice) -> None:
    attributes = {"pmin": 10, "pmax": 200}
    succeeded(server, op="write_attributes", path="/3442/0/120", attributes=attributes)
    (link,) = succeeded(server, op="discover", path="/3442/0/120")["links"]
    assert {name: int(value) for name, value in link["attributes"].items()} == attributes
    unset = dict.fromkeys(attributes)
    succeeded(server, op="write_attributes", path="/3442/0/120", attributes=unset)


def test_it_executes_and_refuses(server: Server, device: LeshanDevice) -> None:
    assert succeeded(server, op="execute", path="/3442/0/0", arguments="0='x'")["code"] == "2.04"
    refused = done(server, op="read", path="/3442/9")
    assert (refused["state"], refused["result"]["code"]) == ("FAILED", "4.04")


def test_composite_operations(server: Server, device: LeshanDevice) -> None:
    written = {"/3442/0/110": "composite", "/3442/0/140": True}
    succeeded(server, op="write_composite", values=written)
    result = succeeded(server, op="read_composite", paths=[*written, "/3/0/0"])
    assert values_of(result) == {**written, "/3/0/0": "A maker"}


def test_it_notifies_until_it_is_told_to_stop(server: Server, device: LeshanDevice) -> None:
    succeeded(server, op="observe", path="/3442/0/120")
    (observation,) = server.get(f"{ONE}/observations")["observations"]
    assert (observation["paths"], observation["state"]) == (["/3442/0/120"], "active")
    succeeded(server, op="write", path="/3442/0/120", value=4711)

    def origin() -> Any:
        values = {each["path"]: each for each in server.get(f"{ONE}/values")["values"]}
        last = values.get("/3442/0/120", {})
        return last.get("value") == 4711 and last["origin"] == "NOTIFICATION"

    until(origin)
    succeeded(server, op="cancel_observe", path="/3442/0/120", mode="active")
    assert server.get(f"{ONE}/observations")["observations"] == []


def test_it_sends(server: Server, device: LeshanDevice) -> None:
    device.tell("send /3/0/1 /3442/0/110")
    assert device.expect("sent") == "sent CHANGED(204)"

    def sent() -> dict[str, str]:
        values = server.get(f"{ONE}/values")["values"]
        return {each["path"]: each["value"] for each in values if each["origin"] == "SEND"}

    until(lambda: sent() == {"/3/0/1": "A model", "/3442/0/110": "composite"})


def test_it_updates(server: Server, device: LeshanDevice) -> None:
    before = server.get(ONE)["updated_at"]
    device.tell("update")
    device.expect("updated")
    until(lambda: server.get(ONE)["updated_at"] > before)


def test_it_leaves(server: Server, device: LeshanDevice) -> None:
    device.tell("stop")
    device.expect("stopped")
    assert server.http.get(ONE).status_code == 404
