"""Tenants: who shares a server without seeing each other. What a tenant may be called, and the one
that runs the server. Knows no device and no token.
"""

from __future__ import annotations

import re
from typing import Any

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.secured import DEFAULT_TENANT

MANAGEMENT = DEFAULT_TENANT
"""The tenant of who runs the server: what belongs to nobody is its own."""

CONNECTOR = "lwm2m-connector"
"""Endpoint name of the connector, which each tenant has; no device of a fleet has it."""

MAX_TENANT = 32

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{MAX_TENANT - 1}}}", re.ASCII)


def checked_tenant(name: Any) -> str:
    """`name` if a tenant can be called so. RequestError otherwise."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RequestError(
            f"tenant is {name!r:.80}, allowed are 1 to {MAX_TENANT} letters, digits, `-` and `_`, "
            "the first a letter or digit"
        )
    return name
