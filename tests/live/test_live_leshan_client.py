"""A device made with the Leshan client library registers, is read, updates and leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from leshan_device import LeshanDevice
from serving import Server, served, until


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


def test_it_registers_and_is_read(server: Server, device: LeshanDevice) -> None:
    shown = server.get("/api/v1/devices/leshan-1")
    assert shown["lwm2m_version"] == "1.1"
    assert {"1", "3", "3442"} <= shown["objects"].keys()
    answer = server.get("/api/v1/devices/leshan-1/3/0/0?accept=0")
    assert (answer["code"], answer["value"]) == ("2.05", "A maker")


def test_it_updates(server: Server, device: LeshanDevice) -> None:
    before = server.get("/api/v1/devices/leshan-1")["updated_at"]
    device.tell("update")
    device.expect("updated")
    until(lambda: server.get("/api/v1/devices/leshan-1")["updated_at"] > before)


def test_it_leaves(server: Server, device: LeshanDevice) -> None:
    device.tell("stop")
    device.expect("stopped")
    assert server.http.get("/api/v1/devices/leshan-1").status_code == 404
