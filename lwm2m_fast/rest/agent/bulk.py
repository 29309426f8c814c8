"""/service/lwm2m-agent/deviceRegistration/bulk: a CSV file of devices to register, or to delete.

The answer is the operation that works it off; /api/v1/imports/{id} tells how far it is.
"""

from __future__ import annotations

from contextlib import aclosing

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.csv_rows import MAX_BYTES
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.bodies import described, media_type
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Route, Tenant

BULK = "/service/lwm2m-agent/deviceRegistration/bulk"
PART = "file"
MAX_FORM_BYTES = MAX_BYTES + 65_536
"""Of a request: the file, and what a form puts around it."""


class _InMemory(MultiPartParser):
    """Lays no file down on a disk, not even a temporary one: what is in it are keys in clear."""

    spool_max_size = MAX_FORM_BYTES + 1


async def file_of(request: Request) -> tuple[bytes, str]:
    """The CSV file of a request, and its name: the part `file` of a form, or the body itself."""
    kind = media_type(request)
    if kind == "text/csv":
        data = await request.body()
        if len(data) > MAX_BYTES:
            raise HTTPException(413, f"the file has more than {MAX_BYTES} bytes")
        return data, ""
    if kind != "multipart/form-data":
        raise HTTPException(415, "send multipart/form-data with a part `file`, or text/csv")
    async with aclosing(request.stream()) as stream:
        parser = _InMemory(request.headers, stream, max_files=1, max_fields=8, max_part_size=65_536)
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise RequestError(f"the form cannot be read: {error.message}") from None
    try:
        part = form.get(PART)
        if not isinstance(part, UploadFile):
            raise RequestError(f"the form has no part `{PART}` with a file name")
        data = await part.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise HTTPException(413, f"the file has more than {MAX_BYTES} bytes")
        return data, part.filename or ""
    finally:
        await form.close()


async def register_file(request: Request, ctx: Ctx, tenant: Tenant) -> Response:
    """Register every device of a CSV file. Bad rows are told and stop no other."""
    data, name = await file_of(request)
    job = await ctx.service.provisioning.submit_file("register", tenant, data, name)
    return JsonResponse(job, 202, {"Location": f"/api/v1/imports/{job['id']}"})


async def delete_file(request: Request, ctx: Ctx, tenant: Tenant) -> Response:
    """Forget exactly the devices of a CSV file."""
    data, name = await file_of(request)
    job = await ctx.service.provisioning.submit_file("delete", tenant, data, name)
    return JsonResponse(job, 202, {"Location": f"/api/v1/imports/{job['id']}"})


BODY = described(
    {
        "type": "object",
        "required": [PART],
        "properties": {PART: {"type": "string", "format": "binary"}},
    },
    "multipart/form-data",
)
REFUSED = documented(
    {
        400: "the file has no usable header",
        413: f"it has more than {MAX_BYTES} bytes",
        415: "it is neither a form nor text/csv",
        429: "too many files wait already",
    }
)

ROUTES = (
    Route(
        method="POST", path=BULK, role=Role.ADMIN, handler=register_file, tag="lwm2m-agent",
        responses={202: {"description": "The operation"}, **REFUSED}, body=BODY,
    ),
    Route(
        method="DELETE", path=BULK, role=Role.ADMIN, handler=delete_file, tag="lwm2m-agent",
        responses={202: {"description": "The operation"}, **REFUSED}, body=BODY,
    ),
)  # fmt: skip
