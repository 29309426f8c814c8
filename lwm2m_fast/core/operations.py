"""The operations of a server on a device: one table, one row each (LwM2M Core, section 6).

An Order becomes a CoapRequest (build), the answer to it a Result (interpret). What a row names
lives by subject: asking and writing build, choice refuses, answers read, contexts remember. No
device is known here; a Target says what one is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from lwm2m_fast.core import answers, asking, writing
from lwm2m_fast.core.answers import Asked, Result, decode_report, decode_send, result_json
from lwm2m_fast.core.ask import Answered, CoapRequest
from lwm2m_fast.core.choice import LEVELS, place_of
from lwm2m_fast.core.contexts import ObservedContext, context_of, paths_of, read_context
from lwm2m_fast.core.orders import AUTOMATIC, Order
from lwm2m_fast.core.raw_coap import build_raw
from lwm2m_fast.core.target import Target, target_of
from lwm2m_fast.core.writing import OpenFile
from lwm2m_fast.errors import FormatError, RequestError
from lwm2m_fast.model import forced_format
from lwm2m_fast.wire.numbers import Code

Levels = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Numbers of ids that a path may have, for LwM2M 1.0, 1.1 and 1.2."""

_NO_PATH: Final[Levels] = ((), (), ())
_VALUES: Final[Levels] = ((1, 2, 3), (1, 2, 3, 4), (1, 2, 3, 4))
_WRITTEN: Final[Levels] = ((2, 3), (2, 3, 4), (2, 3, 4))
_UPDATED: Final[Levels] = ((2,), (2, 3), (2, 3))
_LINKED: Final[Levels] = ((1, 2, 3), (1, 2, 3), (1, 2, 3))
_CREATED: Final[Levels] = ((1, 2), (1, 2), (1, 2))
_EXECUTED: Final[Levels] = ((3,), (3,), (3,))
_DELETED: Final[Levels] = ((2,), (2,), (2, 4))

_CONTENT: Final = (int(Code.CONTENT),)
_CHANGED: Final = (int(Code.CHANGED),)
_CREATED_CODE: Final = (int(Code.CREATED),)
_DELETED_CODE: Final = (int(Code.DELETED),)
_OBSERVED: Final = (int(Code.CONTENT), int(Code.CHANGED))
"""Devices from before LwM2M 1.0 was final answer an Observe with 2.04."""


MAX_READY: Final = 256
"""Requests kept for devices that are alike; beyond, all are forgotten and worked out anew."""

_KEPT: Final = frozenset({"read", "observe"})
"""Operations whose request follows from path and format alone, and which are asked most."""


class Row(NamedTuple):
    """One operation."""

    levels: Levels
    build: Callable[[Order, Target, OpenFile | None], CoapRequest]
    expected: tuple[int, ...]
    """Codes of success; none: every 2.xx."""
    read: Callable[[Asked], Result]


def _plain(
    build: Callable[[Order, Target], CoapRequest],
) -> Callable[[Order, Target, OpenFile | None], CoapRequest]:
    """A builder that needs no files."""
    return lambda order, target, open_file: build(order, target)


def _raw(order: Order, target: Target, open_file: OpenFile | None) -> CoapRequest:
    return build_raw(order.coap or {})


_cancelled = answers.if_any(answers.values)
_cancelled_composite = answers.if_any(answers.composite_values)

OPERATIONS: Final[Mapping[str, Row]] = {
    "read": Row(_VALUES, _plain(asking.read), _CONTENT, answers.values),
    "write": Row(_WRITTEN, writing.write, _CHANGED, answers.done),
    "execute": Row(_EXECUTED, _plain(asking.execute), _CHANGED, answers.done),
    "create": Row(_CREATED, writing.create, _CREATED_CODE, answers.location),
    "delete": Row(_DELETED, _plain(asking.delete), _DELETED_CODE, answers.done),
    "discover": Row(_LINKED, _plain(asking.discover), _CONTENT, answers.links),
    "write_attributes": Row(_VALUES, _plain(asking.write_attributes), _CHANGED, answers.done),
    "observe": Row(_VALUES, _plain(asking.observe), _OBSERVED, answers.values),
    "cancel_observe": Row(_VALUES, _plain(asking.cancel_observe), _OBSERVED, _cancelled),
    "read_composite": Row(
        _NO_PATH, _plain(asking.read_composite), _CONTENT, answers.composite_values
    ),
    "write_composite": Row(_NO_PATH, writing.write_composite, _CHANGED, answers.done),
    "observe_composite": Row(
        _NO_PATH, _plain(asking.observe_composite), _OBSERVED, answers.composite_values
    ),
    "cancel_composite": Row(
        _NO_PATH, _plain(asking.cancel_composite), _OBSERVED, _cancelled_composite
    ),
    "coap": Row(_NO_PATH, _raw, (), answers.raw),
}


def _row(order: Order) -> Row:
    row = OPERATIONS.get(order.op)
    if row is None:
        raise RequestError(f"op: {order.op!r} is not known; known are {', '.join(OPERATIONS)}")
    return row


def _check_level(order: Order, target: Target, levels: Levels) -> None:
    """RequestError unless the operation exists at the order's path in the device's LwM2M."""
    of_release = levels[min(target.version[1], len(levels) - 1)]
    depth = place_of(order.path or "").path.depth
    if depth in of_release:
        return
    allowed = ", ".join(LEVELS[each] for each in of_release)
    later = next((each for each in levels if depth in each), None)
    since = f"; that takes LwM2M 1.{levels.index(later)}" if later else ""
    raise RequestError(
        f"{order.op}: {order.path} is {LEVELS[depth]}; LwM2M {target.lwm2m_version} allows "
        f"{allowed}{since}"
    )


def _forced(target: Target, forced: int | None) -> Target:
    """The device as if it were configured for this format."""
    return target if target.forced == forced else replace(target, forced=forced, ready={})


def build(order: Order, target: Target, open_file: OpenFile | None = None) -> CoapRequest:
    """The request that `order` is for this device.

    RequestError when it cannot be one, before anything is sent: a wrong level, type or format, an
    operation that the model or the device's LwM2M does not have, a file that is not there.
    Of a passive cancel it is what an active one would send. `open_file` gives the content of an
    uploaded file by its name (RequestError, OSError, LookupError or ValueError when there is none).
    """
    if order.serialization is not None:
        name = None if order.serialization == AUTOMATIC else order.serialization
        target, order = _forced(target, forced_format(name)), replace(order, serialization=None)
    if order.op in _KEPT:
        key = (order.op, order.path, order.format, order.is_unchecked)
        ready = target.ready.get(key)
        if ready is None:
            ready = _build(order, target, open_file)
            if len(target.ready) >= MAX_READY:
                target.ready.clear()
            target.ready[key] = ready
        return ready
    request = _build(order, target, open_file)
    if order.op == "observe_composite":
        context_of(order, request)
    return request


def _build(order: Order, target: Target, open_file: OpenFile | None) -> CoapRequest:
    row = _row(order)
    try:
        if row.levels is not _NO_PATH:
            levels = row.levels
            if order.op == "write" and order.mode == "update":
                levels = _UPDATED
            _check_level(order, target, levels)
        return row.build(order, target, open_file)
    except FormatError as error:
        raise RequestError(f"{order.op}: {error}") from None


def interpret(order: Order, target: Target, answered: Answered, now_ns: int) -> Result:
    """What `answered` means for `order`; never raises on what a device sends.

    `now_ns` is the moment of its arrival in nanoseconds since 1970, for relative times.
    """
    if answered.outcome != "answered":
        return unanswered(answered)
    row = _row(order)
    asked = Asked(order, target, answered, now_ns)
    if answered.code in row.expected or not row.expected:
        result = row.read(asked)
    elif answered.code >> 5 in (4, 5):
        result = answers.refused(asked)
    else:
        result = answers.unexpected(asked, row.expected)
    return result if result.answered is answered else result._replace(answered=answered)


unanswered = answers.unanswered

__all__ = [
    "OPERATIONS",
    "ObservedContext",
    "OpenFile",
    "Result",
    "Row",
    "Target",
    "build",
    "context_of",
    "decode_report",
    "decode_send",
    "interpret",
    "paths_of",
    "read_context",
    "result_json",
    "target_of",
    "unanswered",
]
