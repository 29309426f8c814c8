"""Which content format a request carries, and which one it asks the answer to be in.

One pure function over tables: no device, no codec, no bytes. Numbers are CoAP Content-Formats
(LwM2M Core, section 7.4; RFC 8428, section 12.3; RFC 8790, section 6).
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from lwm2m_fast.errors import RequestError
from lwm2m_fast.model.definitions import ResourceType

TEXT = 0
LINK = 40
OPAQUE = 42
CBOR = 60
SENML_JSON = 110
SENML_CBOR = 112
SENML_ETCH_JSON = 320
SENML_ETCH_CBOR = 322
TLV = 11542
JSON = 11543
LWM2M_CBOR = 11544

_SPELLINGS = {TLV: (TLV, 1542), JSON: (JSON, 1543)}
"""The numbers used before registration (LwM2M 1.0 drafts); some devices offer only those."""


class Operation(StrEnum):
    """Operations of the server on a device (LwM2M Core, sections 6.3 and 6.4)."""

    READ = "read"
    OBSERVE = "observe"
    DISCOVER = "discover"
    WRITE = "write"
    """Write, replace: PUT."""
    UPDATE = "update"
    """Write, partial update: POST."""
    CREATE = "create"
    EXECUTE = "execute"
    DELETE = "delete"
    WRITE_ATTRIBUTES = "write_attributes"
    READ_COMPOSITE = "read_composite"
    OBSERVE_COMPOSITE = "observe_composite"
    WRITE_COMPOSITE = "write_composite"


class Formats(NamedTuple):
    """What goes into the request; None where the option is not sent."""

    content_format: int | None
    accept: int | None


class _Part(StrEnum):
    """What a payload is, which decides the formats that can hold it."""

    NOTHING = "nothing"
    LINKS = "links"
    ARGUMENTS = "arguments"
    ANSWER = "answer"
    VALUES = "values"
    PATCH = "patch"
    PACK = "pack"


_PARTS = {
    Operation.READ: (_Part.NOTHING, _Part.ANSWER),
    Operation.OBSERVE: (_Part.NOTHING, _Part.ANSWER),
    Operation.DISCOVER: (_Part.NOTHING, _Part.LINKS),
    Operation.WRITE: (_Part.VALUES, _Part.NOTHING),
    Operation.UPDATE: (_Part.VALUES, _Part.NOTHING),
    Operation.CREATE: (_Part.VALUES, _Part.NOTHING),
    Operation.EXECUTE: (_Part.ARGUMENTS, _Part.NOTHING),
    Operation.DELETE: (_Part.NOTHING, _Part.NOTHING),
    Operation.WRITE_ATTRIBUTES: (_Part.NOTHING, _Part.NOTHING),
    Operation.READ_COMPOSITE: (_Part.PATCH, _Part.PACK),
    Operation.OBSERVE_COMPOSITE: (_Part.PATCH, _Part.PACK),
    Operation.WRITE_COMPOSITE: (_Part.PATCH, _Part.NOTHING),
}
"""Operation to (what the request carries, what its answer carries)."""

_FIXED = {_Part.NOTHING: None, _Part.LINKS: LINK, _Part.ARGUMENTS: TEXT}
"""Parts that have one format whatever anybody prefers."""

_ONE = (CBOR, SENML_CBOR, SENML_JSON, LWM2M_CBOR)
_MANY = (SENML_CBOR, LWM2M_CBOR, SENML_JSON, TLV, JSON)
_FIRST = {ResourceType.OPAQUE: (OPAQUE,)}
"""Preferred formats, best first, among those the device speaks: for one value, for many, and for
types that have a format of their own. Links have none: a GET that accepts the link format is
Discover (LwM2M Core, section 6.3.2), and its answer is not the value."""

_MANDATORY = {"1.0": (TLV,), "1.1": (TEXT, OPAQUE, LINK)}
"""Formats that a device of this LwM2M version speaks without offering them."""

_DEFAULT_ONE = {"1.0": TLV, "1.1": TEXT}
_DEFAULT_MANY = {_Part.ANSWER: None, _Part.VALUES: TLV}
"""Where nothing preferred is spoken. Many values: an answer is left to the device, which says what
it chose; a payload has to be something, and TLV is what the oldest devices know."""

_COMPOSITE = {
    _Part.PATCH: (SENML_CBOR, SENML_JSON, SENML_ETCH_CBOR, SENML_ETCH_JSON),
    _Part.PACK: (SENML_CBOR, SENML_JSON),
}
_ETCH_ANSWER = {SENML_ETCH_CBOR: SENML_CBOR, SENML_ETCH_JSON: SENML_JSON}
"""A device that only offers an ETCH form answers in the pack form of the same encoding."""

HOLDS_ONE_ONLY = frozenset({TEXT, LINK, OPAQUE, CBOR})
"""Formats of exactly one value."""

_NAMES = {
    "TLV": TLV,
    "JSON": JSON,
    "CBOR": CBOR,
    "TEXT": TEXT,
    "OPAQUE": OPAQUE,
    "SENML_JSON": SENML_JSON,
    "SENML_CBOR": SENML_CBOR,
}
_BINARY_NAMES = ("OPAQUE", "TLV", "JSON", "TEXT")


def forced_format(name: str | None) -> int | None:
    """The number of a configured `serializationFormat`; None (automatic) if unset or invalid."""
    return _NAMES.get((name or "").strip().upper())


def binary_format(name: str | None) -> int | None:
    """The number of a configured `binaryDeliveryEncoding`; None (the default) if unset or
    invalid."""
    word = (name or "").strip().upper()
    return _NAMES[word] if word in _BINARY_NAMES else None


def negotiate(
    operation: Operation,
    *,
    offered: Collection[int] = (),
    lwm2m_version: str = "1.0",
    is_single: bool = False,
    type: ResourceType | None = None,
    forced: int | None = None,
    binary: int | None = None,
) -> Formats:
    """The formats of one request to one device.

    `offered` is the `ct` of its registration. `is_single`: the path addresses exactly one value (a
    single-instance resource or a resource instance), of `type` if that is known. `forced` is the
    format configured for the device: used wherever it can hold what is carried. `binary` is the one
    configured for writing an opaque value, nearer than `forced`. RequestError when a composite
    operation meets a device without SenML and none is forced.
    """
    sent, answered = _PARTS[operation]
    wish = _Wish(frozenset(offered), lwm2m_version, is_single, type, forced, binary)
    return Formats(_choose(sent, operation, wish), _choose(answered, operation, wish))


def speaks(number: int, offered: Collection[int], lwm2m_version: str) -> bool:
    """Whether a device takes this format as far as is known; one that offers nothing may take any.
    The numbers from before registration count as the registered ones."""
    if not offered:
        return True
    mandatory = _MANDATORY.get(lwm2m_version, _MANDATORY["1.1"])
    same = next((each for each in _SPELLINGS.values() if number in each), (number,))
    return any(each in offered or each in mandatory for each in same)


def spelling(number: int, offered: Collection[int]) -> int:
    """The number under which a device that offers `offered` knows this format."""
    same = next((each for each in _SPELLINGS.values() if number in each), (number,))
    return number if number in offered else next((each for each in same if each in offered), number)


class _Wish(NamedTuple):
    offered: frozenset[int]
    lwm2m_version: str
    is_single: bool
    type: ResourceType | None
    forced: int | None
    binary: int | None


def _choose(part: _Part, operation: Operation, wish: _Wish) -> int | None:
    if part in _FIXED:
        return _FIXED[part]
    if part in _COMPOSITE:
        return _composite(part, operation, wish)
    forced = _forced(part, wish)
    if forced is not None:
        return _spelling(forced, wish.offered)
    return _preferred(part, wish)


def _forced(part: _Part, wish: _Wish) -> int | None:
    """`binary` before `forced`; each only where it can hold one value or many. An opaque value is
    written as octets unless one of them says otherwise."""
    is_binary_write = part is _Part.VALUES and wish.type is ResourceType.OPAQUE
    wishes = (wish.binary if is_binary_write else None, wish.forced)
    for wished in wishes:
        if wished is not None and (wish.is_single or wished not in HOLDS_ONE_ONLY):
            return wished
    return OPAQUE if is_binary_write and wish.is_single else None


def _preferred(part: _Part, wish: _Wish) -> int | None:
    mandatory = _MANDATORY.get(wish.lwm2m_version, _MANDATORY["1.1"])
    order: tuple[int, ...] = _MANY
    if wish.is_single:
        order = (_FIRST.get(wish.type, ()) if wish.type else ()) + _ONE
    for wanted in order:
        number = _spelling(wanted, wish.offered)
        if number in wish.offered or wanted in mandatory:
            return number
    return _fallback(part, wish)


def _fallback(part: _Part, wish: _Wish) -> int | None:
    if not wish.is_single:
        return _DEFAULT_MANY[part]
    if wish.type is None and part is _Part.ANSWER and wish.lwm2m_version != "1.0":
        return None  # text would hide what an unknown resource is: the device may say it
    default = _DEFAULT_ONE.get(wish.lwm2m_version, _DEFAULT_ONE["1.1"])
    return _spelling(default, wish.offered)


def _composite(part: _Part, operation: Operation, wish: _Wish) -> int:
    order = _COMPOSITE[part]
    if wish.forced in order:
        return wish.forced
    for number in order:
        if number in wish.offered:
            return number
    for etch, pack in _ETCH_ANSWER.items():
        if part is _Part.PACK and etch in wish.offered:
            return pack
    raise RequestError(
        f"{operation.value} needs a device that offers SenML CBOR ({SENML_CBOR}) or SenML JSON "
        f"({SENML_JSON}); this one offers {sorted(wish.offered) or 'nothing'}"
    )


def _spelling(wanted: int, offered: frozenset[int]) -> int:
    """The number under which the device offers this format, else its registered one."""
    return next((each for each in _SPELLINGS.get(wanted, ()) if each in offered), wanted)
