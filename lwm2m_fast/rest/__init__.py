"""The HTTP interface: one file per subject, their routes gathered here.

`create_app` makes the application over a Service (base.py), `HttpServer` serves it in the
running loop. Imports no other room but fleet/ (tokens); the server is given as a protocol.
"""

from __future__ import annotations

from lwm2m_fast.rest import devices, events, health, provisioned, tokens
from lwm2m_fast.rest.routes import Route

# A path that is a prefix of another's pattern comes first.
ROUTES: tuple[Route, ...] = (
    *devices.ROUTES,
    *events.ROUTES,
    *provisioned.ROUTES,
    *tokens.ROUTES,
)


def all_routes(metrics_open: bool = False) -> tuple[Route, ...]:
    """Every route there is, with the role it needs."""
    return (*ROUTES, *health.routes(metrics_open))
