"""What an order may do on a device, and in which content formats: everything that is refused
before anything is sent, except for values.

The rules of negotiation are model/formats'; here they meet an order and a target.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from lwm2m_fast.codec import FORMATS, Path
from lwm2m_fast.core.orders import Order
from lwm2m_fast.core.target import Target
from lwm2m_fast.errors import RequestError
from lwm2m_fast.model import (
    HOLDS_ONE_ONLY,
    Formats,
    Operation,
    ResourceType,
    negotiate,
    speaks,
    spelling,
)

SECURITY: Final = 0
"""The object that only a bootstrap server may touch (LwM2M Core, appendix E.1)."""

RESOURCE: Final = 3
RESOURCE_INSTANCE: Final = 4

LEVELS: Final = ("the root", "an object", "an object instance", "a resource", "a resource instance")
"""Names of paths by the number of their ids."""

_ALLOWED: Final[Mapping[str, tuple[str, str]]] = {
    "R": ("read", "is_readable"),
    "W": ("written", "is_writable"),
    "E": ("executed", "is_executable"),
}

_COMPOSITE: Final[Mapping[int, tuple[int, int]]] = {
    110: (110, 110),
    112: (112, 112),
    320: (320, 110),
    322: (322, 112),
}
"""A composite operation's format to (Content-Format, Accept): an ETCH payload is answered by a
pack of the same encoding (LwM2M Core, section 7.4.4; RFC 8790)."""

_ETCH: Final = (322, 320)


class Place(NamedTuple):
    """A path, ready for a request."""

    path: Path
    segments: tuple[bytes, ...]


@lru_cache(maxsize=8192)
def place_of(text: str) -> Place:
    """The place that `text` names; FormatError for a path that is none."""
    path = Path.parse(text)
    return Place(path, tuple(str(number).encode() for number in path.ids))


def check_object(order: Order, path: Path) -> None:
    """RequestError for the object that no server but a bootstrap server may touch."""
    if path.depth and path.ids[0] == SECURITY and not order.is_unchecked:
        raise RequestError(f"{path}: object 0 (Security) is for bootstrap servers only")


def check_access(order: Order, target: Target, path: Path, letter: str) -> None:
    """RequestError unless the model lets a server read (R), write (W) or execute (E) there."""
    if order.is_unchecked:
        return
    check_object(order, path)
    known = target.resource(path)
    verb, is_allowed = _ALLOWED[letter]
    if known is not None and not getattr(known, is_allowed):
        may = known.operations or "nothing"
        raise RequestError(f"{path}: {known.name!r} cannot be {verb}; the model allows {may}")
    if known is not None and path.depth == RESOURCE_INSTANCE and not known.multiple:
        raise RequestError(f"{path}: {known.name!r} is a single resource, it has no instances")


def is_single(target: Target, path: Path) -> bool:
    """Does the path address exactly one value, as far as is known?"""
    if path.depth != RESOURCE:
        return path.depth == RESOURCE_INSTANCE
    known = target.resource(path)
    return known is None or not known.multiple


def type_at(target: Target, path: Path) -> ResourceType | None:
    """The type of the resource at or above `path`, None when it is not known."""
    known = target.resource(path)
    return None if known is None or known.type is ResourceType.NONE else known.type


@lru_cache(maxsize=4096)
def _negotiated(
    operation: Operation,
    offered: tuple[int, ...],
    version: str,
    single: bool,
    type: ResourceType | None,
    forced: int | None,
    binary: int | None,
) -> Formats:
    return negotiate(
        operation,
        offered=offered,
        lwm2m_version=version,
        is_single=single,
        type=type,
        forced=forced,
        binary=binary,
    )


def formats_of(
    order: Order,
    target: Target,
    operation: Operation,
    single: bool,
    type: ResourceType | None = None,
) -> Formats:
    """Content-Format and Accept of an operation on one path: the order's own format, else what the
    device is configured for, else what it speaks."""
    forced, binary = target.forced, target.binary
    if order.format is not None:
        forced = binary = _own_format(order, target, order.format)
        if not single and forced in HOLDS_ONE_ONLY:
            raise RequestError(
                f"format: {FORMATS[forced].name} ({forced}) holds one value, "
                f"{order.path} is or has several"
            )
    return _negotiated(
        operation, target.content_formats, target.lwm2m_version, single, type, forced, binary
    )


def composite_formats(
    order: Order, target: Target, operation: Operation, removes: bool = False
) -> Formats:
    """The same for an operation on several paths; `removes`: null has to be said."""
    if target.version < (1, 1):
        raise RequestError(
            f"{order.op}: needs LwM2M 1.1, {target.endpoint!r} speaks {target.lwm2m_version}"
        )
    if order.format is not None:
        pair = _COMPOSITE.get(_own_format(order, target, order.format))
        if pair is None:
            allowed = ", ".join(f"{FORMATS[each].name} ({each})" for each in _COMPOSITE)
            raise RequestError(f"format: {order.op} takes {allowed}, not {order.format}")
        if removes and pair[0] not in _ETCH:
            raise RequestError(f"format: {FORMATS[pair[0]].name} cannot say that a value goes")
        return _parts(operation, *pair)
    if removes:
        number = next((each for each in _ETCH if each in target.content_formats), None)
        if number is None:
            raise RequestError(
                f"values: null needs a device that offers SenML-ETCH CBOR ({_ETCH[0]}) or "
                f"SenML-ETCH JSON ({_ETCH[1]}); {target.endpoint!r} offers "
                f"{list(target.content_formats) or 'nothing'}"
            )
        return _parts(operation, *_COMPOSITE[number])
    return _negotiated(
        operation,
        target.content_formats,
        target.lwm2m_version,
        False,
        None,
        target.forced,
        target.binary,
    )


def _parts(operation: Operation, sent: int, answered: int) -> Formats:
    return Formats(sent, None if operation is Operation.WRITE_COMPOSITE else answered)


def _own_format(order: Order, target: Target, number: int) -> int:
    """The order's own format as the device spells it; RequestError when it does not speak it."""
    if number not in FORMATS:
        raise RequestError(f"format: content format {number} is not known")
    if order.is_unchecked:
        return number
    if not speaks(number, target.content_formats, target.lwm2m_version):
        raise RequestError(
            f"format: {target.endpoint!r} does not offer {FORMATS[number].name} ({number}); "
            f"it offers {', '.join(map(str, target.content_formats))}"
        )
    return spelling(number, target.content_formats)
