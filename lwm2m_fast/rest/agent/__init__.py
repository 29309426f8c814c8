"""/service/lwm2m-agent: the registration of devices as the tools of existing Cumulocity fleets ask
for it. A thin face of the same devices that /api/v1/configurations has.
"""

from __future__ import annotations

from lwm2m_fast.rest.agent import bulk, metadata, registration
from lwm2m_fast.rest.routes import Route

ROUTES: tuple[Route, ...] = (*metadata.ROUTES, *bulk.ROUTES, *registration.ROUTES)
"""`bulk` before `{device}`, which would take it for a device."""
