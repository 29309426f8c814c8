"""What a Leshan client is answered: the response object, the delayed one, and errors as plain text.

A refusal of the device is an answer like any other (HTTP 200, `failure`); an HTTP error means that
there was none. Takes results as values, whether they come at once or from the queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.responses import PlainTextResponse, Response

from lwm2m_fast import errors
from lwm2m_fast.codec import Path
from lwm2m_fast.core.orders import Order
from lwm2m_fast.model import View
from lwm2m_fast.rest.leshan.nodes import parsed_path
from lwm2m_fast.rest.leshan.shown import Leaf, moments, newest, node_at, nodes_at
from lwm2m_fast.rest.leshan.types import code_words, status_text

NO_STORE = {"Cache-Control": "no-store"}

SINGLE = frozenset({"read", "observe", "cancel_observe"})
COMPOSITE = frozenset({"read_composite", "observe_composite", "cancel_composite"})

# Error -> status and the words before its message, nearest class first. Leshan answers 400 where
# it knows no device, and knows no full queue.
TEXTS: dict[type[errors.Error], tuple[int, str]] = {
    errors.UnknownDevice: (400, ""),
    errors.QueueFull: (429, "Request refused: "),
    errors.RequestError: (400, "Invalid request: "),
    errors.FormatError: (400, "Invalid request: "),
    errors.DeviceTimeout: (504, "Request timeout: "),
    errors.DeviceError: (500, "Request failed: "),
    errors.StoreError: (503, "Request refused: "),
    errors.Error: (500, "Unexpected exception: "),
}


class Outcome(NamedTuple):
    """What came of an order, from a Result or from the JSON of one."""

    code: str
    """"2.05"."""
    ok: bool
    error: str | None
    leaves: list[Leaf]
    links: Sequence[Mapping[str, Any]] | None
    location: str | None


def refused(error: errors.Error) -> Response:
    """An error of ours as Leshan tells it."""
    status, words = next(TEXTS[c] for c in type(error).__mro__ if c in TEXTS)
    text = words + str(error)
    if isinstance(error, errors.UnknownDevice):
        text = f"No registered client with id '{error.name}'"
    headers = {"Retry-After": "1"} if status in (429, 503) else {}
    return PlainTextResponse(text, status, {**NO_STORE, **headers})


def unusable(outcome: Outcome) -> str | None:
    """Why a success of the device is none: it cannot be understood. None when it can."""
    if outcome.ok or not outcome.code.startswith("2."):
        return None
    return outcome.error or f"{outcome.code} is no answer to this"


def response_object(order: Order, outcome: Outcome, view: View | None) -> dict[str, Any]:
    """The object for an answer that can be used; members that say nothing are left out."""
    found: dict[str, Any] = {
        "status": status_text(outcome.code),
        "valid": True,
        "success": outcome.ok,
        "failure": not outcome.ok,
    }
    if outcome.ok:
        found.update(_said(order, outcome, view))
    elif outcome.error and outcome.error != code_words(outcome.code):
        found["errormessage"] = outcome.error
    return {name: value for name, value in found.items() if value is not None}


def _said(order: Order, outcome: Outcome, view: View | None) -> dict[str, Any]:
    if order.op in SINGLE or order.op in COMPOSITE:
        return contents(order, outcome.leaves, view)
    if order.op == "discover":
        return {"objectLinks": [link_object(link) for link in outcome.links or ()]}
    if order.op == "create":
        return {"location": outcome.location and outcome.location.lstrip("/")}
    return {}


def contents(order: Order, leaves: Sequence[Leaf], view: View | None) -> dict[str, Any]:
    """`content` is what is newest. Where the device gave moments, `timestamped` has all of them,
    newest first: [{"timestamp": milliseconds since 1970 or null, "content": ...}]."""
    found: dict[str, Any] = {"content": content(order, newest(leaves), view)}
    if any(leaf.at_ms is not None for leaf in leaves):
        found["timestamped"] = [
            {"timestamp": at_ms, "content": content(order, group, view)}
            for at_ms, group in moments(leaves)
        ]
    return found


def content(order: Order, leaves: Sequence[Leaf], view: View | None) -> dict[str, Any] | None:
    """The node of a single-path order, or the map from path to node of a composite one."""
    if order.op in COMPOSITE:
        return nodes_at(map(parsed_path, order.paths), leaves, view)
    return node_at(order_path(order), leaves, view)


def order_path(order: Order) -> Path:
    return parsed_path(order.path or "/")


def link_object(link: Mapping[str, Any]) -> dict[str, Any]:
    """A link as {"url", "attributes"}: a value as it stands in the link format (RFC 6690)."""
    attributes = link.get("attributes") or {}
    return {
        "url": link.get("url"),
        "attributes": {name: core_link_value(value) for name, value in attributes.items()},
    }


def core_link_value(value: Any) -> str | None:
    """Numbers and versions as they are, everything else quoted; None where there is no value."""
    if value is None or value is True:
        return None
    text = str(value)
    if text.replace(".", "", 1).replace("-", "", 1).isdigit():
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def delayed(endpoint: str, order: Order, number: int) -> dict[str, Any]:
    """The answer for a device that sleeps: the request waits, its number is `requestId`."""
    found: dict[str, Any] = {"ep": endpoint}
    if order.path is not None:
        found["path"] = order.path
    else:  # Leshan says nothing of the paths of a composite request
        found["paths"] = list(order.paths or (order.values or {}))
    return {**found, "requestId": str(number), "delayed": True}
