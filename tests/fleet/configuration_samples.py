"""Configurations as existing tools send them."""

from __future__ import annotations

from typing import Any

SAMPLE: dict[str, Any] = {
    "bootstrapSecurity": {
        "bootstrapSecurityMode": "PSK",
        "bootstrapId": "98ABCD32",
        "bootstrapKey": "AABB3104D212",
    },
    "serverSecurity": {"securityMode": "X.509"},
    "bootstrapShortServerId": 0,
    "lwm2mShortServerId": 1,
    "securityInstanceOffset": 0,
    "bindingMode": "UQ",
    "enableResourceLevelTimestamp": False,
    "genericUIRetainOldValuesIfError": True,
    "binaryDeliveryEncoding": "OPAQUE",
    "disableObjectInstanceActions": False,
    "disableFirmwareStateMachine": False,
    "stateMachineResetBeforeFirmwareUpdate": True,
    "endpointId": "urn:my:example:device",
    "lwm2mServerUri": "coaps://lwm2m.example.com:5784",
    "registrationLifetime": 12000,
}
