"""`lwm2m-fast operations`, `values`, `observations`: what is asked of a device and known of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from lwm2m_fast.cli.client import DEFAULT_URL, AsJson, Client, Token, Url, segment
from lwm2m_fast.cli.output import moment, tell, tell_json, tell_table
from lwm2m_fast.cli.results import order_text, tell_values, why

DEVICES = "/api/v1/devices"
PAGE = 1000  # most that the server gives at once

Name = Annotated[str, typer.Argument(help="Endpoint name of the device.")]


class State(StrEnum):
    PENDING = "pending"
    EXECUTING = "executing"
    SUCCESSFUL = "successful"
    FAILED = "failed"


def operations(
    endpoint: Name,
    state: Annotated[
        list[State] | None, typer.Option(help="Only these; may be given repeatedly.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Most operations to list.", min=1)] = 100,
    cancel: Annotated[
        int | None, typer.Option(help="Give up this operation instead of listing.", min=1)
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """List what a device was asked to do, newest first."""
    where = f"{DEVICES}/{segment(endpoint)}/operations"
    with Client(url, token) as server:
        if cancel is not None:
            found = [server.ask("DELETE", f"{where}/{cancel}").json()]
        else:
            found = _collect(server, where, [one.value.upper() for one in state or ()], limit)
    if as_json:
        tell_json(found)
        return
    columns = ("id", "state", "order", "created", "attempts", "result")
    tell_table(columns, (_row(one) for one in found))
    tell(f"{len(found)} operations")


def _collect(server: Client, where: str, states: list[str], limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    before: dict[str, int] = {}
    while len(found) < limit:
        wanted = min(PAGE, limit - len(found))
        page = server.get(where, limit=wanted, state=states, **before)
        found += page["operations"]
        if page["next_before"] is None:
            break
        before = {"before": page["next_before"]}
    return found


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    result = one["result"] or {}
    came = why(one) if one["state"] == "FAILED" else result.get("code") or one["reason"] or ""
    return (
        one["id"],
        one["state"],
        order_text(one["order"]),
        moment(one["created_at"]),
        one["attempts"],
        came,
    )


def values(
    endpoint: Name,
    path: Annotated[str, typer.Argument(help="Only at and below this, such as /3/0.")] = "",
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Show the last that is known of each resource, without asking the device."""
    with Client(url, token) as server:
        found = server.get(f"{DEVICES}/{segment(endpoint)}/values", path=path)["values"]
    if as_json:
        tell_json(found)
        return
    tell_values(found)
    tell(f"{len(found)} values")


def observations(
    endpoint: Name, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None
) -> None:
    """List what a device is observed for."""
    with Client(url, token) as server:
        found = server.get(f"{DEVICES}/{segment(endpoint)}/observations")["observations"]
    if as_json:
        tell_json(found)
        return
    rows = (
        (
            " ".join(one["paths"]),
            one["state"],
            moment(one["since"]),
            one["notified"],
            moment(one["last_at"]) if one["last_at"] is not None else "",
        )
        for one in found
    )
    tell_table(("path", "state", "since", "notified", "last"), rows)
    tell(f"{len(found)} observations")
