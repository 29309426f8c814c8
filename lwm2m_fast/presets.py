"""Whole sets of settings by one name, for fleets that were configured for another server.

Only what differs from the defaults in config/ and matters to a device or an operator of that server
stands here; every source of settings wins over a preset. Knows no value's bounds: config/ has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

Values = Mapping[str, Mapping[str, Any]]


class Preset(NamedTuple):
    """Settings by section and name, and for whom they are."""

    reason: str
    values: Values
    note: str = ""
    """What is missing, told at the start."""


def _ports(coap: int, dtls: int, bootstrap: int, bootstrap_dtls: int) -> dict[str, dict[str, Any]]:
    return {
        "coap": {"port": coap},
        "dtls": {"port": dtls},
        "bootstrap": {"enabled": True, "port": bootstrap, "dtls_port": bootstrap_dtls},
    }


def _with(values: Values, more: Values) -> Values:
    return {name: {**values.get(name, {}), **more.get(name, {})} for name in {**values, **more}}


_THINGSBOARD: Final[Values] = {
    "dtls": {"cid_length": 8, "retransmit_first_s": 9.0},
    "bootstrap": {"default_lifetime_s": 300, "default_short_server_id": 123},
    "queue": {"awake_time_ms": 10_000, "request_timeout_s": 120.0},
}

PRESETS: Final[Mapping[str, Preset]] = {
    "cumulocity": Preset(
        "Devices that were set up for Cumulocity's LwM2M agent.",
        _with(
            _ports(5783, 5784, 5683, 5684),
            {
                "dtls": {"cid_length": 3, "max_sessions": 150_000},
                "bootstrap": {"default_lifetime_s": 432_000, "default_short_server_id": 1},
                "registration": {"grace_s": 14_400.0},
                "queue": {
                    "awake_time_ms": 0,
                    "request_timeout_s": 180.0,
                    "min_request_timeout_s": 10.0,
                    "max_request_timeout_s": 600.0,
                    "max_operations_per_device": 1000,
                    "post_registration_pending": 10,
                },
            },
        ),
    ),
    "thingsboard": Preset(
        "Devices that were set up for ThingsBoard's LwM2M transport.",
        _with(_ports(5685, 5686, 5687, 5688), _THINGSBOARD),
    ),
    "thingsboard-psk": Preset(
        "The same on the ports of the older layout with a pair of ports for each mode: its PSK "
        "pairs.",
        _with(_ports(5685, 5686, 5691, 5692), _THINGSBOARD),
    ),
    "thingsboard-x509": Preset(
        "That layout's X.509 pairs.",
        _with(_ports(5689, 5690, 5695, 5696), _THINGSBOARD),
    ),
    "thingsboard-legacy": Preset(
        "That layout's PSK and X.509 pairs at once.",
        _with(
            _with(_ports(5685, 5686, 5691, 5692), _THINGSBOARD),
            {
                "coap": {"more_ports": "5689"},
                "dtls": {"more_ports": "5690"},
                "bootstrap": {"more_ports": "5695", "more_dtls_ports": "5696"},
            },
        ),
        "the ports for raw public keys (5687, 5688, 5693, 5694) are not opened: there is no such "
        "mode here",
    ),
}

NOT_HERE: Final = """The older layout of ThingsBoard's transport has six pairs of ports, 5685 to
5696, each for one mode. Every DTLS port here serves pre-shared keys and certificates, whatever its
pair was for. The ports for raw public keys (5687, 5688, 5693, 5694) have no preset: that mode is
not served, and `thingsboard-legacy` says so at the start."""
