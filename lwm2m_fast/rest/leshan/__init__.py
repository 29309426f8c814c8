"""The HTTP interface that Leshan's demo server has, for those who come from there.

One file per subject, as in rest/; docs/leshan.md tells what is the same and what is not. Off unless
`http.leshan_api` says so. Its errors are plain text and its units Leshan's, so that nothing of it
leaks into the house's own interface.
"""

from __future__ import annotations

from dataclasses import replace

from lwm2m_fast.rest.leshan import (
    bootstrap,
    clients,
    composite,
    events,
    observe,
    security,
    server,
    specs,
)
from lwm2m_fast.rest.routes import Route

# What has a fixed word in it comes before what takes any path.
ROUTES: tuple[Route, ...] = (
    *observe.ROUTES,
    *composite.ROUTES,
    *clients.ROUTES,
    *events.ROUTES,
    *specs.ROUTES,
    *server.ROUTES,
    *security.ROUTES,
    *bootstrap.ROUTES,
)


def routes(is_open: bool) -> tuple[Route, ...]:
    """The rows; with `is_open` they need no token, as in Leshan."""
    return tuple(replace(row, role=None) for row in ROUTES) if is_open else ROUTES
