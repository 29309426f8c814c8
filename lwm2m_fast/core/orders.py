"""An order: one thing to do to one device, as people and programs say it; values only.

An order is stored, listed and shown as JSON, and holds nothing that only makes sense for one
device: types, formats and levels are looked up when it is checked and when it is sent
(core/operations).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Order:
    """What to do. Which fields matter depends on `op`; the rest stays as it is here."""

    op: str
    """read · write · execute · create · delete · discover · write_attributes · observe ·
    cancel_observe · read_composite · write_composite · observe_composite · cancel_composite ·
    coap."""
    path: str | None = None
    """"/3/0/9"; of the single-path operations."""
    paths: tuple[str, ...] = ()
    """Of read_composite, observe_composite, cancel_composite."""
    value: Any = None
    """Of write: one resource or resource instance. JSON as the type has it: text, number, boolean,
    {"hex": "00ff"} for opaque, "3:0" for an object link, a number of seconds or RFC 3339 text for a
    time; {"0": v, "1": v} for a multiple resource; {"file": name} streams an uploaded file."""
    values: Mapping[str, Any] | None = None
    """Of write (an instance: resource id to value), create (the same; or instance id to such a
    map), write_composite (full path to value; null removes)."""
    arguments: str | None = None
    """Of execute: the OMA argument list, `0='x',1`."""
    is_free_text: bool = False
    """Of execute: send `arguments` unchecked, whatever it is."""
    attributes: Mapping[str, Any] | None = None
    """Of write_attributes: name to number, or null to unset."""
    mode: str | None = None
    """write: "replace" (PUT, the default) or "update" (POST); cancel_*: "passive" (the default: a
    reset answers the next notification) or "active" (a request with Observe 1)."""
    format: int | None = None
    """Content format for this one order, before every other preference."""
    depth: int | None = None
    """Of discover (LwM2M 1.2): 0 to 3."""
    coap: Mapping[str, Any] | None = field(default=None)
    """Of coap: method, uri, query[], content_format, accept, payload_hex."""
