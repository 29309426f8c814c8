"""Keys of a device profile in RPC requests: they win over those of resources by default."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rpc_service import Rpc

from lwm2m_fast.core.orders import Order
from tests.provisioning.provisioning_kit import NO_SEC

KEYS = {
    "/3_1.1/0/9": "charge",
    "/3/0/0": "batteryLevel",  # by default that of /3/0/9
    "/3303/0/5700": "inside",
    "/3303/1/5700": "outside",
    "/3303/0/5701": "twice",
    "/3303/1/5701": "twice",
    "/3303/0/5601": "once",
    "/3303/7/5601": "once",  # an instance that the device does not have
    "/9/0/0": "manufacturer",  # an object that the device does not have
}


@pytest.fixture
def rpc() -> Rpc:
    found = Rpc()
    face = found.service.provisioning
    profile = {
        "observeAttr": {"keyName": KEYS},
        "clientLwM2mSettings": {"defaultObjectIDVer": "1.1"},
    }
    asyncio.run(face.put_profile("p", profile, "default"))
    given = NO_SEC | {"endpointId": "dev-1", "deviceProfile": "p"}
    asyncio.run(face.add(given, "default"))
    return found


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("charge", "/3/0/9"),
        ("batteryLevel", "/3/0/0"),
        ("outside", "/3303/1/5700"),
        ("once", "/3303/0/5601"),
        ("manufacturer", "/3/0/0"),
        ("serialNumber", "/3/0/2"),
    ],
)
def test_a_key_of_the_profile_comes_before_the_default_one(rpc: Rpc, key: str, path: str) -> None:
    rpc.ask("Read", key=key)
    assert rpc.asked.path == path


def test_a_key_of_two_resources_is_refused_with_both(rpc: Rpc) -> None:
    told = rpc.ask("Read", key="twice")
    assert told["result"] == "BAD_REQUEST"
    assert "/3303/0/5701, /3303/1/5701" in told["error"]
    assert rpc.service.orders == []


def test_lists_and_maps_have_keys_too(rpc: Rpc) -> None:
    rpc.ask("ReadComposite", keys=["charge", "inside"])
    assert rpc.asked == Order("read_composite", paths=("/3/0/9", "/3303/0/5700"), is_unchecked=True)


def test_the_profiles_object_version_is_that_of_an_object_without_one(rpc: Rpc) -> None:
    rpc.ask("Read", id="/5_1.1/0/3")
    assert rpc.asked.path == "/5/0/3"
    told: dict[str, Any] = rpc.ask("Read", id="/5_1.0/0/3")
    assert told["result"] == "BAD_REQUEST" and "/5_1.1" in told["error"]
