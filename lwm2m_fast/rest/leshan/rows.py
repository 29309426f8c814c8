"""A row of this face's route table: its tag, its plain-text errors, and what its statuses mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.leshan.answers import refused
from lwm2m_fast.rest.routes import Route

ANSWERED: Mapping[int, str] = {
    200: "What the device answered, be it a refusal; or that the request is delayed",
    400: "text/plain: unknown device, wrong path, body or value",
    500: "text/plain: the device rejected it or answered what cannot be used",
    504: "text/plain: no answer within `timeout` seconds",
}


def row(
    method: str,
    path: str,
    role: Role,
    handler: Callable[..., Any],
    statuses: Mapping[int, str] = ANSWERED,
) -> Route:
    return Route(
        method=method,
        path=path,
        role=role,
        handler=handler,
        tag="leshan",
        responses={status: {"description": text} for status, text in statuses.items()},
        refusal=refused,
    )
