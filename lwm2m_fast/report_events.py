"""What listeners are told of a report: notification, send, observe_ended (core/events.py).

Made only for those who listen. Knows no store and no queue.
"""

from __future__ import annotations

from typing import Any

from lwm2m_fast.codec import Pack
from lwm2m_fast.core.ask import Report
from lwm2m_fast.core.events import Event
from lwm2m_fast.core.operations import ObservedContext
from lwm2m_fast.core.typed_values import node_json
from lwm2m_fast.wire.numbers import code_text

MAX_SHOWN_BYTES = 4096
"""Of a payload that cannot be read, so that somebody may find out why."""


def notification(
    endpoint: str, context: ObservedContext | None, report: Report, pack: Pack | None, why: str
) -> Event:
    """Values under an observation; `pack` is None when they cannot be read, and `why` says it."""
    data = _observed(context, report) | _values(report, pack, why)
    return Event("notification", endpoint, report.at, data)


def observe_ended(endpoint: str, context: ObservedContext | None, report: Report) -> Event:
    """The device ended an observation with an error (RFC 7641, section 3.2)."""
    data = _observed(context, report) | {"code": code_text(report.code)} | _unread(report)
    return Event("observe_ended", endpoint, report.at, data)


def send(endpoint: str, report: Report, pack: Pack | None, why: str) -> Event:
    """Values that the device sent by itself, those of every moment."""
    data = _values(report, pack, why)
    data["paths"] = list(dict.fromkeys(value["path"] for value in data["values"]))
    return Event("send", endpoint, report.at, data)


def _observed(context: ObservedContext | None, report: Report) -> dict[str, Any]:
    data: dict[str, Any] = {"observation": report.observation, "sequence": report.sequence}
    if context is None:
        return data | {"paths": []}
    if context.is_composite:
        return data | {"paths": list(context.paths)}
    return data | {"path": context.paths[0]}


def _values(report: Report, pack: Pack | None, why: str) -> dict[str, Any]:
    number = report.content_format
    data: dict[str, Any] = {"content_format": None if number < 0 else number, "values": []}
    if pack is None:
        return data | {"error": why} | _unread(report)
    return data | {"values": [node_json(node) for node in pack]}


def _unread(report: Report) -> dict[str, Any]:
    if not report.payload:
        return {}
    return {
        "payload_hex": report.payload[:MAX_SHOWN_BYTES].hex(),
        "payload_bytes": len(report.payload),
    }
