"""/service/lwm2m-agent/deviceRegistration/metadata: what a device's configuration has, as JSON
Schema in pages, and a template of the CSV file.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from lwm2m_fast.fleet.csv_rows import EXPORTED
from lwm2m_fast.fleet.device_fields import DeviceConfiguration
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.problem import JsonResponse
from lwm2m_fast.rest.routes import Ctx, Route

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEMPLATE = "/service/lwm2m-agent/deviceRegistration/template.csv"

NEEDED: dict[str, dict[str, Any]] = {"bootstrapSecurity": {"$ref": "#/$defs/BootstrapSecurity"}}
"""What a registration here must say, though not every configuration has it."""

_PAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Device", ("endpointId", "type")),
    ("Security", ("serverSecurity", "bootstrapSecurity")),
    (
        "Bootstrap",
        (
            "lwm2mServerUri", "bootstrapShortServerId", "lwm2mShortServerId",
            "securityInstanceOffset", "registrationLifetime", "defaultMinimumPeriod",
            "defaultMaximumPeriod", "clientHoldOffTime", "generateBootstrapServerConfig",
            "furtherServers", "bootstrapSteps",
        ),
    ),
)  # fmt: skip
"""Title and fields of a page; the last page, "Advanced", has all others."""


def _pages() -> list[dict[str, Any]]:
    whole = DeviceConfiguration.model_json_schema(by_alias=True)
    fields: dict[str, Any] = dict(whole["properties"])
    required = {*whole["required"], *NEEDED}
    for name, schema in NEEDED.items():
        fields[name] = {"description": fields[name]["description"], **schema}
    pages = [(title, {name: fields.pop(name) for name in names}) for title, names in _PAGES]
    return [
        {
            "$schema": DIALECT,
            "title": title,
            "type": "object",
            "properties": own,
            "required": sorted(required & own.keys()),
            "$defs": whole["$defs"],
        }
        for title, own in [*pages, ("Advanced", fields)]
    ]


async def metadata(
    ctx: Ctx, lang: Annotated[str, Query(max_length=35, description="Titles are English")] = "en"
) -> Response:
    """The fields of a device's configuration, in pages of JSON Schema."""
    return JsonResponse(
        {
            "c8y_DeviceRegistration": {
                "title": "LwM2M",
                "description": "Register an LwM2M device",
                "pages": _pages(),
                "bulk": {
                    "title": "Register LwM2M devices from a CSV file",
                    "exampleFileUrls": [
                        {
                            "title": "Template",
                            "description": "Every column there is",
                            "url": TEMPLATE,
                        }
                    ],
                },
            }
        }
    )


async def template(ctx: Ctx) -> Response:
    """The header of a CSV file with every column."""
    return Response(";".join(EXPORTED) + "\r\n", media_type="text/csv; charset=utf-8")


ROUTES = (
    Route(
        method="GET", path="/service/lwm2m-agent/deviceRegistration/metadata", role=Role.READ,
        handler=metadata, tag="lwm2m-agent", responses={200: {"description": "Schemas"}},
    ),
    Route(
        method="GET", path=TEMPLATE, role=Role.READ, handler=template, tag="lwm2m-agent",
        responses={200: {"description": "text/csv"}},
    ),
)  # fmt: skip
