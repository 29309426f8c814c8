"""Every route there is: the rows of all subjects, and the order in which they are asked."""

from __future__ import annotations

from lwm2m_fast.rest import (
    agent,
    batches,
    bootstrap,
    configurations,
    connector,
    credentials,
    devices,
    direct,
    events,
    files,
    health,
    objects,
    observations,
    operations,
    profiles,
    provisioned,
    settings,
    shell,
    tokens,
    trust,
    unbound,
    values,
)
from lwm2m_fast.rest.routes import Route
from lwm2m_fast.rest.thingsboard import ROUTES as THINGSBOARD

# A path that is a prefix of another's pattern comes first.
ROUTES: tuple[Route, ...] = (
    *connector.ROUTES,
    *devices.ROUTES,
    *operations.ROUTES,
    *shell.ROUTES,
    *values.ROUTES,
    *observations.ROUTES,
    *settings.ROUTES,
    *THINGSBOARD,
    *direct.ROUTES,  # any path below a device that is none of the above
    *batches.ROUTES,
    *files.ROUTES,
    *settings.FLEET_ROUTES,
    *events.ROUTES,
    *provisioned.ROUTES,
    *configurations.ROUTES,
    *profiles.ROUTES,
    *objects.ROUTES,
    *agent.ROUTES,
    *credentials.ROUTES,
    *unbound.ROUTES,
    *trust.ROUTES,
    *bootstrap.ROUTES,
    *tokens.ROUTES,
)


def all_routes(metrics_open: bool = False) -> tuple[Route, ...]:
    """Every route there is, with the role it needs."""
    return (*ROUTES, *health.routes(metrics_open))
