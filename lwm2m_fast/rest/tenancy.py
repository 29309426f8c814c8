"""What a tenant finds of a server that it shares: its own devices, and nothing of another's.

One place decides for every route. A path with an endpoint in it is of who owns the endpoint, and a
device of somebody else looks like one that nobody has. Every other path stands in a table; a path
that stands nowhere is refused to all but the tenant that runs the server. What belongs to nobody is
that tenant's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from enum import Enum, auto
from typing import Any, Final, TypeVar

from fastapi import Request
from starlette.exceptions import HTTPException

from lwm2m_fast.errors import Conflict, StoreError, UnknownDevice
from lwm2m_fast.fleet.tenants import CONNECTOR, MANAGEMENT
from lwm2m_fast.rest.base import MAX_PAGE, Event, Service
from lwm2m_fast.rest.routes import Context, checked_endpoint, decoded, tenant_of

LOOKED_AT_ONCE: Final = MAX_PAGE
"""Rows of everybody that are looked at for one page of a tenant's own."""

T = TypeVar("T")


class Shown(Enum):
    """What of a path a tenant finds."""

    OWN = auto()  # the handler asks whose it is, and shows no more
    EVERYTHING = auto()  # nothing of any device is in it
    MANAGEMENT = auto()  # it is of the server as a whole


_CONNECTOR = f"/api/v1/devices/{CONNECTOR}"
_AGENT = "/service/lwm2m-agent/deviceRegistration"

PATHS: Final[dict[str, Shown]] = {
    "/api/v1/devices": Shown.OWN,
    "/api/v1/batches": Shown.OWN,
    "/api/v1/batches/{id}": Shown.OWN,
    "/api/v1/events": Shown.OWN,
    "/api/v1/provisioned": Shown.OWN,
    "/api/v1/configurations": Shown.OWN,
    "/api/v1/profiles": Shown.OWN,
    "/api/v1/profiles/{name}": Shown.OWN,
    "/api/v1/imports": Shown.OWN,
    "/api/v1/imports/{number}": Shown.OWN,
    "/api/v1/credentials": Shown.OWN,
    "/api/v1/trust": Shown.OWN,
    "/api/v1/trust/{sha256}": Shown.OWN,
    _CONNECTOR: Shown.OWN,
    _CONNECTOR + "/shell": Shown.OWN,
    _CONNECTOR + "/operations": Shown.OWN,
    _CONNECTOR + "/operations/{id}": Shown.OWN,
    "/api/v1/unbound": Shown.OWN,
    "/api/v1/unbound/{name}": Shown.OWN,
    "/api/v1/tokens": Shown.OWN,
    "/api/v1/tokens/{name}": Shown.OWN,
    _AGENT: Shown.OWN,
    _AGENT + "/": Shown.OWN,
    _AGENT + "/bulk": Shown.OWN,
    _AGENT + "/{device}": Shown.OWN,
    "/inventory/managedObjects/{device}": Shown.OWN,
    _AGENT + "/metadata": Shown.EVERYTHING,
    _AGENT + "/template.csv": Shown.EVERYTHING,
    "/api/v1/objects": Shown.EVERYTHING,
    "/api/v1/objects/{number}": Shown.EVERYTHING,
    "/healthz": Shown.EVERYTHING,
    "/readyz": Shown.EVERYTHING,
    "/metrics": Shown.MANAGEMENT,
    "/api/v1/files": Shown.OWN,
    "/api/v1/files/{name}": Shown.OWN,
    "/api/v1/post-registration": Shown.OWN,
    "/api/v1/bootstrap": Shown.MANAGEMENT,
    # rest/leshan
    "/api/clients": Shown.OWN,
    "/api/event": Shown.OWN,
    "/api/event/{rest:path}": Shown.OWN,
    "/api/security/clients": Shown.OWN,
    "/api/objectspecs": Shown.EVERYTHING,
    "/api/server/endpoint": Shown.EVERYTHING,
    "/api/server/security": Shown.EVERYTHING,
    "/api/security/server": Shown.EVERYTHING,
    "/api/bootstrap": Shown.OWN,
    "/bs/api/bootstrap": Shown.OWN,
    "/bs/api/event": Shown.OWN,
    "/bs/api/event/{rest:path}": Shown.OWN,
    "/bs/api/security/clients": Shown.OWN,
    "/bs/api/server/endpoint": Shown.EVERYTHING,
    "/bs/api/server/security": Shown.EVERYTHING,
    "/bs/api/security/server": Shown.EVERYTHING,
}
"""Every path without an endpoint in it."""


def check(request: Request, path: str, service: Service) -> None:
    """Return when this tenant may go on. UnknownDevice, HTTPException 403."""
    tenant = tenant_of(request)
    if "{endpoint}" in path:
        endpoint = checked_endpoint(decoded(request.path_params["endpoint"]))
        if endpoint == CONNECTOR:
            raise Conflict(
                f"{CONNECTOR} is the connector, which each tenant has and which always is; its "
                f"routes are /api/v1/devices/{CONNECTOR}, and below it /shell and /operations"
            )
        check_own(service, tenant, (endpoint,))
    elif tenant != MANAGEMENT and PATHS.get(path, Shown.MANAGEMENT) is Shown.MANAGEMENT:
        raise HTTPException(403, f"only tokens of the tenant {MANAGEMENT} may do this")


def check_own(service: Service, tenant: str, endpoints: Iterable[str]) -> None:
    """UnknownDevice for the first that is not of this tenant."""
    owner = service.provisioning.owner
    for endpoint in endpoints:
        if endpoint == CONNECTOR or owner(endpoint) != tenant:
            raise UnknownDevice(endpoint)


async def own_page(
    ctx: Context,
    tenant: str,
    page: Callable[[str | None, int], Awaitable[list[T]]],
    name_of: Callable[[T], str],
    after: str | None,
    limit: int,
) -> tuple[list[T], str | None]:
    """Up to `limit` rows of this tenant out of `page(after, limit)` of everybody's, by name; and
    where to go on. It may be short, even empty, and still not be the last."""
    owner = ctx.service.provisioning.owner
    found: list[T] = []
    looked = 0
    while True:
        rows = await page(after, limit)
        for row in rows:
            after = name_of(row)
            if owner(after) == tenant:
                found.append(row)
                if len(found) == limit:
                    return found, after
        looked += len(rows)
        if len(rows) < limit:
            return found, None
        if looked >= LOOKED_AT_ONCE:
            return found, after


def own_devices(
    ctx: Context, tenant: str, cursor: int, limit: int, contains: str = ""
) -> tuple[list[dict[str, Any]], int | None]:
    """Service.devices(), those of this tenant."""
    owner = ctx.service.provisioning.owner
    found: list[dict[str, Any]] = []
    following: int | None = cursor
    looked = 0
    while following is not None and len(found) < limit and looked < LOOKED_AT_ONCE:
        wanted = limit - len(found)
        page, following = ctx.service.devices(following, wanted, contains)
        found += (one for one in page if owner(one["endpoint"]) == tenant)
        looked += wanted
    return found, following


def own_events(ctx: Context, tenant: str) -> Callable[[Event], bool]:
    """Whether an event is of this tenant. Never raises: what cannot be known is not told."""
    owner = ctx.service.provisioning.owner

    def is_own(event: Event) -> bool:
        if event.endpoint in ("", CONNECTOR) or event.kind == "alarm":
            return bool(event.data.get("tenant", MANAGEMENT) == tenant)
        try:
            return owner(event.endpoint) == tenant
        except StoreError:
            return False

    return is_own
