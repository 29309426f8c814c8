"""Request bodies: JSON, text and orders as they come, and how OpenAPI describes them.

Reads a body once, whole; the gate in front (limits.py) has bounded it. What an order may say is
core/orders' business; here it only gets the place it came from into its error.
"""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import Query, Request
from pydantic import BaseModel, Field

from lwm2m_fast.core.orders import Order
from lwm2m_fast.core.strategies import parse_orders
from lwm2m_fast.errors import RequestError

MAX_ORDERS = 1000  # in one request; what a device's queue holds by default
JSON = "application/json"
TEXT = "text/plain"
OCTETS = "application/octet-stream"

Wait = Annotated[
    float, Query(ge=0, le=600, description="Seconds to wait for the end; 0 answers at once")
]
Timeout = Annotated[
    float | None,
    Query(ge=0.1, le=600.0, description="Seconds that the device has to answer; its own setting"),
]
ValidUntil = Annotated[
    float | None,
    Query(ge=0, le=2**53, description="Unix seconds after which it is not sent any more"),
]


class OrderBody(BaseModel):
    """One thing to do to a device; which fields count depends on `op`."""

    op: str = Field(
        description="read, write, execute, create, delete, discover, write_attributes, observe, "
        "cancel_observe, read_composite, write_composite, observe_composite, cancel_composite, "
        "coap"
    )
    path: str | None = Field(None, description="`/3/0/9`; of everything that has one path")
    paths: list[str] | None = Field(None, description="Of composite operations")
    value: Any = Field(
        None,
        description='Of write, to a resource: text, number, boolean; `{"hex": "00ff"}` is opaque, '
        '`"3:0"` an object link, `{"0": v, "1": v}` a multiple resource, `{"file": name}` an '
        "uploaded file",
    )
    values: dict[str, Any] | None = Field(
        None,
        description="Of write and create, to an instance: resource id to value; of "
        "write_composite: full path to value",
    )
    arguments: str | None = Field(None, description="Of execute: `0='x',1`")
    is_free_text: bool | None = Field(None, description="Of execute: send arguments unchecked")
    attributes: dict[str, float | None] | None = Field(
        None, description="Of write_attributes: name to number, null unsets"
    )
    mode: str | None = Field(
        None, description="write: replace or update; cancel_*: passive or active"
    )
    format: int | None = Field(None, description="CoAP Content-Format, before every preference")
    serialization: str | None = Field(
        None,
        description="In place of the device's `serializationFormat`, wherever it can hold what is "
        "carried: TLV, JSON, CBOR, TEXT, OPAQUE, SENML_JSON, SENML_CBOR or DEFAULT",
    )
    depth: int | None = Field(None, description="Of discover in LwM2M 1.2: 0 to 3")
    coap: dict[str, Any] | None = Field(
        None, description="Of coap: method, uri, query, content_format, accept, payload_hex"
    )
    strategy: str | None = Field(
        None,
        description="Of observe_composite and cancel_composite: SINGLE, COMPOSITE_ALL or "
        "COMPOSITE_BY_OBJECT; then it is an order for each path, for all, or for each object",
    )
    is_unchecked: bool | None = Field(
        None, description="Let the device decide what the object model would refuse"
    )


ORDER_SCHEMA = {"$ref": "#/components/schemas/OrderBody"}
ORDERS_SCHEMA = {
    "oneOf": [ORDER_SCHEMA, {"type": "array", "items": ORDER_SCHEMA, "maxItems": MAX_ORDERS}]
}


def described(schema: dict[str, Any], media_type: str = JSON, *, required: bool = True) -> Any:
    """The OpenAPI request body with this schema."""
    return {"content": {media_type: {"schema": schema}}, "required": required}


def media_type(request: Request) -> str:
    """The body's media type without its parameters, in lower case; "" without one."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def json_body(request: Request) -> Any:
    """The body as JSON. RequestError when it is none."""
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from None


async def object_body(request: Request) -> dict[str, Any]:
    """The body as a JSON object. RequestError when it is something else."""
    found = await json_body(request)
    if not isinstance(found, dict):
        raise RequestError("the body is not a JSON object")
    return found


async def text_body(request: Request) -> str:
    """The body as text. RequestError when it is not UTF-8."""
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise RequestError("the body is not UTF-8") from None


def orders_of(data: Any, where: str = "body") -> list[Order]:
    """One order, or a list of them; one with a `strategy` is as many as it takes.

    RequestError names the place: `body[3]: ...`.
    """
    if isinstance(data, dict):
        return _orders(data, where)
    if not isinstance(data, list):
        raise RequestError(f"{where}: an order is a JSON object, several are a list of them")
    if not 0 < len(data) <= MAX_ORDERS:
        raise RequestError(f"{where}: has {len(data)} orders, allowed are 1 to {MAX_ORDERS}")
    found = [order for n, one in enumerate(data) for order in _orders(one, f"{where}[{n}]")]
    if len(found) > MAX_ORDERS:
        raise RequestError(f"{where}: is {len(found)} orders, allowed are 1 to {MAX_ORDERS}")
    return found


def _orders(data: Any, where: str) -> list[Order]:
    if not isinstance(data, dict):
        raise RequestError(f"{where}: an order is a JSON object")
    try:
        return parse_orders(data)
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from None
