"""Device profiles as they are written elsewhere: the older shape, and the same in the newer."""

from __future__ import annotations

import copy
from typing import Any

_PATHS = {
    "keyName": {
        "/3/0/2": "serialNumber",
        "/3/0/3": "firmwareVersion",
        "/3/0/9": "batLevel01InMedmoryTest",
        "/3/0/13": "currentTime",
        "/3/0/14": "utcOffset",
        "/4/0/0": "networkBearer",
        "/3303/0/5700": "sensorValue00",
        "/3303/1/5604": "maxRangeValue",
        "/3303/1/5700": "sensorValue",
        "/3303/123/5700": "sensorValue00",
        "/3303/123/5701": "sensorUnits",
    },
    "observe": [
        "/3/0/9", "/3/0/13", "/3/0/14", "/4/0/0", "/3303/0/5700", "/3303/1/5604", "/3303/1/5700",
        "/3303/123/5700", "/3303/123/5701",
    ],
    "attribute": [
        "/3/0/2", "/3/0/9", "/3/0/13", "/3/0/14", "/4/0/0", "/3303/1/5604", "/3303/123/5701",
    ],
    "telemetry": [
        "/3/0/3", "/3/0/9", "/3/0/13", "/3303/0/5700", "/3303/1/5700", "/3303/123/5700",
    ],
}  # fmt: skip

OLDER: dict[str, Any] = {
    "observeAttr": _PATHS,
    "bootstrap": {
        "servers": {
            "binding": "U",
            "shortId": 123,
            "lifetime": 300,
            "notifIfDisabled": True,
            "defaultMinPeriod": 1,
        },
        "lwm2mServer": {
            "host": "localhost",
            "port": 5685,
            "serverId": 123,
            "securityMode": "NO_SEC",
            "serverPublicKey": "",
            "bootstrapServerIs": False,
            "clientHoldOffTime": 1,
            "bootstrapServerAccountTimeout": 0,
        },
        "bootstrapServer": {
            "host": "0.0.0.0",
            "port": 5687,
            "serverId": 111,
            "securityMode": "NO_SEC",
            "serverPublicKey": "",
            "clientHoldOffTime": 1,
            "bootstrapServerAccountTimeout": 0,
        },
    },
    "clientLwM2mSettings": {
        "clientOnlyObserveAfterConnect": True,
        "clientUpdateValueAfterConnect": True,
    },
}


def _versioned(path: str) -> str:
    first, rest = path[1:].split("/", 1)
    return f"/{first}_{'1.1' if first == '3303' else '1.0'}/{rest}"


NEWER: dict[str, Any] = {
    "type": "LWM2M",
    "observeAttr": {
        "keyName": {_versioned(path): key for path, key in _PATHS["keyName"].items()},  # type: ignore[attr-defined]
        "observe": [_versioned(path) for path in reversed(list(_PATHS["observe"]))],
        "attribute": [_versioned(path) for path in _PATHS["attribute"]],
        "telemetry": [_versioned(path) for path in _PATHS["telemetry"]],
        "attributeLwm2m": {},
        "observeStrategy": "SINGLE",
        "initAttrTelAsObsStrategy": False,
    },
    "bootstrapServerUpdateEnable": False,
    "bootstrap": [
        {
            "securityMode": "NO_SEC",
            "shortServerId": 123,
            "bootstrapServerIs": False,
            "host": "localhost",
            "port": 5685,
            "serverPublicKey": "",
            "serverCertificate": None,
            "clientHoldOffTime": 1,
            "bootstrapServerAccountTimeout": 0,
            "lifetime": 300,
            "defaultMinPeriod": 1,
            "notifIfDisabled": True,
            "binding": "U",
        },
        {
            "securityMode": "NO_SEC",
            "shortServerId": None,
            "bootstrapServerIs": True,
            "host": "0.0.0.0",
            "port": 5687,
            "serverPublicKey": "",
            "serverCertificate": None,
            "clientHoldOffTime": 1,
            "bootstrapServerAccountTimeout": 0,
            "lifetime": 300,
            "defaultMinPeriod": 1,
            "notifIfDisabled": True,
            "binding": "U",
        },
    ],
    "clientLwM2mSettings": {
        "clientOnlyObserveAfterConnect": 1,
        "fwUpdateStrategy": 1,
        "swUpdateStrategy": 1,
        "fwUpdateResource": None,
        "swUpdateResource": None,
        "useObject19ForOtaInfo": False,
        "powerMode": "DRX",
        "psmActivityTimer": None,
        "edrxCycle": None,
        "pagingTransmissionWindow": None,
        "defaultObjectIDVer": "1.0",
    },
}

EXPORTED: dict[str, Any] = {
    "name": "lwm2mProfileNoSec",
    "type": "DEFAULT",
    "transportType": "LWM2M",
    "provisionType": "DISABLED",
    "profileData": {
        "configuration": {"type": "DEFAULT"},
        "transportConfiguration": NEWER,
        "alarms": None,
    },
}


def changed(sample: dict[str, Any], **places: Any) -> dict[str, Any]:
    """A copy of a sample with other values: `bootstrap__0__port=1` is a path through it."""
    made = copy.deepcopy(sample)
    for place, value in places.items():
        at: Any = made
        *way, last = place.split("__")
        for name in way:
            at = at[int(name)] if name.isdigit() else at[name]
        at[int(last) if last.isdigit() else last] = value
    return made
