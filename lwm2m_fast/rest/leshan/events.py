"""/api/event: what happens to devices, under Leshan's event names.

A translation of the house's own events, one function per kind; a kind that is not in the table is
not told. COAPLOG is not told: no datagram is kept to be shown. Moments and errors come beside
Leshan's members and events, never instead of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from starlette.responses import Response

from lwm2m_fast.core.orders import Order, parse_order
from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.model import View
from lwm2m_fast.rest.base import Event
from lwm2m_fast.rest.events import EventStream, check_room, frame
from lwm2m_fast.rest.leshan.answers import (
    Outcome,
    delayed,
    response_object,
)
from lwm2m_fast.rest.leshan.asking import ORIGIN, view_of
from lwm2m_fast.rest.leshan.nodes import parsed_path
from lwm2m_fast.rest.leshan.registrations import milliseconds, registration, update
from lwm2m_fast.rest.leshan.rows import row
from lwm2m_fast.rest.leshan.shown import (
    Leaf,
    leaf_nodes,
    leaves_of_values,
    moments,
    newest,
    node_at,
    nodes_at,
)
from lwm2m_fast.rest.leshan.types import status_text
from lwm2m_fast.rest.routes import Context, Ctx, Tenant, checked_endpoint
from lwm2m_fast.rest.tenancy import check_own, own_events

HEARTBEAT_S = 5.0
"""More often than a client gives up that reads with a timeout of ten seconds."""

FINAL = ("SUCCESSFUL", "FAILED")


class Told(NamedTuple):
    """One event of the stream."""

    name: str
    data: dict[str, Any]


Tell = Callable[[Context, Event], Iterable[Told]]
Val = Callable[[Sequence[Leaf]], Any]


def told(ctx: Context, event: Event) -> Iterable[Told]:
    """An event of ours as the events that Leshan would tell: none, one or two."""
    tell = TELL.get(event.kind)
    return tell(ctx, event) if tell is not None else ()


def _registered(ctx: Context, event: Event) -> Iterator[Told]:
    shown = registration(event.data, ctx.service)
    former = event.data.get("replaces")
    if former is not None:  # of the former registration no more than its id is kept
        yield Told("DEREGISTRATION", {**shown, "registrationId": former})
    yield Told("REGISTRATION", shown)


def _left(ctx: Context, event: Event) -> Iterator[Told]:
    yield Told("DEREGISTRATION", registration(event.data, ctx.service))


def _updated(ctx: Context, event: Event) -> Iterator[Told]:
    shown = registration(event.data, ctx.service)
    yield Told("UPDATED", {"registration": shown, "update": update(event.data)})


def _asleep(ctx: Context, event: Event) -> Iterator[Told]:
    yield Told("SLEEPING", {"ep": event.endpoint})


def _awake(ctx: Context, event: Event) -> Iterator[Told]:
    yield Told("AWAKE", {"ep": event.endpoint})


def _notified(ctx: Context, event: Event) -> Iterator[Told]:
    """One NOTIFICATION with what is newest in `val`, and all moments in `timestamped`."""
    single, paths = event.data.get("path"), event.data.get("paths") or ()
    if event.data.get("error") or not (single or paths):
        yield Told("NOTIFICATION_ERROR", _failure(event))
        return
    view = view_of(ctx, event.endpoint)
    leaves = leaves_of_values(event.data["values"])

    def val_single(leaves: Sequence[Leaf]) -> dict[str, Any] | None:
        return node_at(parsed_path(str(single)), leaves, view)

    def val_composite(leaves: Sequence[Leaf]) -> dict[str, Any]:
        return nodes_at(map(parsed_path, paths), leaves, view)

    data: dict[str, Any] = {"ep": event.endpoint}
    val: Val
    if single:
        val = val_single
        data |= {"kind": "single", "res": single, "val": val(newest(leaves))}
    else:
        val = val_composite
        data |= {"kind": "composite", "val": val(newest(leaves)), "paths": list(paths)}
    yield Told("NOTIFICATION", {**data, **_moments(event, leaves, val)})


def _sent(ctx: Context, event: Event) -> Iterator[Told]:
    """One SEND with the newest moment in `val`, and all moments in `timestamped`."""
    if event.data.get("error"):
        yield Told("SEND_ERROR", _failure(event))
        return
    leaves = leaves_of_values(event.data["values"])
    data = {"ep": event.endpoint, "val": leaf_nodes(newest(leaves))}
    yield Told("SEND", {**data, **_moments(event, leaves, leaf_nodes)})


def _moments(event: Event, leaves: Sequence[Leaf], val: Val) -> dict[str, Any]:
    found: dict[str, Any] = {"received": milliseconds(event.at)}
    if any(leaf.at_ms is not None for leaf in leaves):
        found["timestamped"] = [
            {"timestamp": at_ms, "val": val(group)} for at_ms, group in moments(leaves)
        ]
    return found


def _ended(ctx: Context, event: Event) -> Iterator[Told]:
    """An error of the device ended an observation."""
    yield Told("OBSERVATION_ENDED", _failure(event))


def _failure(event: Event) -> dict[str, Any]:
    """The data of the events that Leshan only writes to its log."""
    about = event.data
    paths = [about["path"]] if about.get("path") else list(about.get("paths") or ())
    data = {"ep": event.endpoint, "received": milliseconds(event.at), "paths": paths}
    if about.get("code"):
        data["status"] = status_text(about["code"])
    if about.get("error"):
        data["errormessage"] = about["error"]
    return data


def _operation(ctx: Context, event: Event) -> Iterator[Told]:
    operation = event.data
    if operation.get("origin") != ORIGIN or operation.get("state") not in FINAL:
        return
    try:
        order = parse_order(operation["order"])
    except RequestError:  # kept by another version of this server
        return
    head = delayed(event.endpoint, order, operation["id"])
    answer = _late_response(order, operation, view_of(ctx, event.endpoint))
    yield Told("REQUEST_RESPONSE", {**head, "response": answer})


def _late_response(order: Order, operation: dict[str, Any], view: View | None) -> dict[str, Any]:
    result = operation.get("result") or {}
    is_done = operation["state"] == "SUCCESSFUL"
    error = result.get("error") or (None if is_done else operation.get("reason"))
    code = result.get("code")
    if not code:  # it ended without the device: expired, cancelled
        found = {"valid": False, "success": False, "failure": True, "errormessage": error}
        return {name: value for name, value in found.items() if value is not None}
    leaves = leaves_of_values(result.get("values") or ())
    outcome = Outcome(code, is_done, error, leaves, result.get("links"), result.get("location"))
    return response_object(order, outcome, view)


TELL: dict[str, Tell] = {
    "registered": _registered,
    "updated": _updated,
    "deregistered": _left,
    "expired": _left,
    "asleep": _asleep,
    "awake": _awake,
    "notification": _notified,
    "send": _sent,
    "observe_ended": _ended,
    "operation": _operation,
}


async def events(ctx: Ctx, tenant: Tenant, ep: str | None = None) -> Response:
    """Events from now on. With `ep` those of one device; a bare name in the query is no filter."""
    return stream(ctx, tenant, ep, told)


def stream(ctx: Context, tenant: str, ep: str | None, tell: Tell) -> EventStream:
    """A stream of what `tell` makes of events."""
    check_room(ctx)
    wanted = checked_endpoint(ep) if ep else None
    if wanted is not None:
        check_own(ctx.service, tenant, [wanted])
    only = own_events(ctx, tenant)

    def frames(event: Event, number: int) -> Iterator[bytes]:
        return (frame(name, data) for name, data in tell(ctx, event))

    return EventStream(
        ctx.service,
        wanted,
        ctx.counters,
        ctx.closing,
        heartbeat_s=HEARTBEAT_S,
        frames=frames,
        only=only,
    )


STREAM = {200: "text/event-stream", 429: "text/plain: as many streams as allowed are open"}

ROUTES = (
    row("GET", "/api/event", Role.READ, events, STREAM),
    row("GET", "/api/event/{rest:path}", Role.READ, events, STREAM),
)
