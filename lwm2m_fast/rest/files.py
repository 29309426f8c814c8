"""/api/v1/files: uploads that a write can stream to a device (`{"file": name}`).

A body goes to the service as it comes; nothing of it is gathered here.
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Path, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.errors import NotFound, RequestError
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.bodies import OCTETS, described
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Route, Tenant, decoded

MAX_NAME = 128
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{MAX_NAME - 1}}}", re.ASCII)

Name = Annotated[str, Path(description=f"Letters, digits, `_.-`; at most {MAX_NAME}")]


class File(BaseModel):
    name: str
    size: int = Field(description="Bytes")
    changed_at: float | None = Field(description="Unix seconds")


class FileList(BaseModel):
    files: list[File]


async def list_files(ctx: Ctx, tenant: Tenant) -> Response:
    """The uploads of this tenant."""
    return JsonResponse({"files": ctx.service.files(tenant)})


async def upload(request: Request, ctx: Ctx, name: Name, tenant: Tenant) -> Response:
    """Keep the body under this name; a file of that name is replaced once the new one is whole."""
    kept = await ctx.service.put_file(checked(name), request.stream(), tenant)
    return JsonResponse(kept, 201)


async def remove(ctx: Ctx, name: Name, tenant: Tenant) -> Response:
    """Remove an upload. A transfer of it that is under way goes on."""
    if not await ctx.service.delete_file(checked(name), tenant):
        raise NotFound(f"there is no file called {decoded(name)!r}")
    return Response(status_code=204)


def checked(segment: str) -> str:
    """The name in a path segment, if a file may have it: no dot first, no slash.

    The service looks again; here it is refused before anything of the body is read.
    """
    name = decoded(segment)
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"a file's name has 1 to {MAX_NAME} letters, digits, `_`, `.`, `-` and begins with a "
            f"letter or a digit, unlike {name[:80]!a}"
        )
    return name


_ALL = "/api/v1/files"
_ONE = _ALL + "/{name}"
UPLOADS = _ALL + "/"

ROUTES = (
    Route(
        method="GET", path=_ALL, role=Role.READ, handler=list_files, tag="files",
        responses={200: {"model": FileList}},
    ),
    Route(
        method="PUT", path=_ONE, role=Role.OPERATE, handler=upload, tag="files",
        responses={
            201: {"model": File},
            **documented(
                {400: "the name is none, or a limit is reached (`files.`)", 503: "the disk refuses"}
            ),
        },
        body=described({"type": "string", "format": "binary"}, OCTETS),
    ),
    Route(
        method="DELETE", path=_ONE, role=Role.OPERATE, handler=remove, tag="files",
        responses={
            204: {"description": "It is removed"}, **documented({404: "there is no such file"})
        },
    ),
)  # fmt: skip
