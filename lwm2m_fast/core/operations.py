"""Stand-in until the branch of the operations is merged: Target and reading reports only."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from lwm2m_fast.codec import Kind, Node, Pack, decode
from lwm2m_fast.core.ask import Report
from lwm2m_fast.core.target import Target, target_of
from lwm2m_fast.errors import FormatError

__all__ = ["ObservedContext", "Result", "Target", "decode_report", "target_of"]


class Result(NamedTuple):
    ok: bool
    code: str
    pack: Pack | None = None
    links: list[dict[str, Any]] | None = None
    location: str | None = None
    error: str | None = None


class ObservedContext(NamedTuple):
    paths: tuple[str, ...]
    accept: int | None
    is_composite: bool


def read_context(context: bytes) -> ObservedContext:
    try:
        paths, accept, is_composite = orjson.loads(context)
    except ValueError as error:
        raise FormatError(f"not a context: {error}") from None
    return ObservedContext(tuple(paths), accept, is_composite)


def decode_report(target: Target, context: ObservedContext | None, report: Report) -> Pack:
    base = "/" if context is None or context.is_composite else context.paths[0]
    return decode(
        report[3], report[4], base, target.types, now_ns=int(report[5] * 1e9), root=target.root
    )


def value_json(node: Node) -> Any:
    value = node.value
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return str(value) if node.kind is Kind.OBJLNK else value


def pack_json(pack: Pack) -> list[dict[str, Any]]:
    return [
        {
            "path": str(node.path),
            "type": node.kind.name,
            "value": value_json(node),
            "time": node.time_ns,
        }
        for node in pack
    ]
