"""Bodies of Leshan's bootstrap server, as its page and Zephyr's suite make them."""

from __future__ import annotations

from typing import Any

KEY = bytes(range(200, 216))
OWN_KEY = "73656372657473656372657473656372"
BS = "coap://bootstrap.example:5683"


def ints(data: bytes) -> list[int]:
    return list(data)


def server_of(short_id: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "binding": "U",
        "defaultMinPeriod": 1,
        "lifetime": 86400,
        "notifIfDisabled": False,
        "shortId": short_id,
        **more,
    }


def psk_account(short_id: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "bootstrapServer": False,
        "clientOldOffTime": 1,
        "publicKeyOrId": ints(b"dev-1"),
        "secretKey": ints(KEY),
        "securityMode": "PSK",
        "serverId": short_id,
        "serverSmsNumber": "",
        "smsBindingKeyParam": [],
        "smsBindingKeySecret": [],
        "smsSecurityMode": "NO_SEC",
        "uri": "coaps://192.0.2.1:5684",
        **more,
    }


def own_account() -> dict[str, Any]:
    """Of the bootstrap server."""
    return {
        "bootstrapServer": True,
        "publicKeyOrId": ints(b"bs-dev-1"),
        "secretKey": ints(bytes.fromhex(OWN_KEY)),
        "securityMode": "PSK",
        "uri": BS.replace("coap:", "coaps:"),
    }


def body_of(**more: Any) -> dict[str, Any]:
    return {
        "servers": {"0": server_of()},
        "security": {"1": psk_account()},
        "oscore": {},
        "toDelete": ["/0", "/1"],
        **more,
    }
