"""Every answer of a simulated device, made once: objects in, a Catalogue out.

Payloads come from codec/. Where a value differs from device to device the payload is encoded twice
with two stand-ins, and the bytes that differ are its place; this works for any content format
that writes both stand-ins in equally many bytes, so a new format is one row in STRUCTURED.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lwm2m_fast.codec import Kind, Node, Path, Value, encode
from lwm2m_fast.sim.catalogue import Catalogue
from lwm2m_fast.sim.objects import Resource, Simulated, SimulatedObject, Source, Varying

if TYPE_CHECKING:  # names of the stub only
    from lwm2m_fast.sim.catalogue import Entry, Part

TEXT, OCTETS, LINKS, CBOR, SENML_JSON, SENML_CBOR = 0, 42, 40, 60, 110, 112
TLV, LWM2M_CBOR = 11542, 11544

STRUCTURED: Final = {
    "1.0": (TLV,),
    "1.1": (SENML_JSON, SENML_CBOR, TLV),
    "1.2": (SENML_JSON, SENML_CBOR, TLV, LWM2M_CBOR),
}
"""Formats of instances and objects by LwM2M version; the first is used without an Accept."""

SINGLE: Final = {"1.0": (), "1.1": (CBOR,), "1.2": (CBOR,)}
"""Formats of one value beside text (octets where it is opaque)."""

OFFERED: Final = {version: (*SINGLE[version], *STRUCTURED[version]) for version in STRUCTURED}
"""What a Register names in `ct`; text, octets and links need not be named."""

_TEXT, _INTEGER, _FLOAT, _CBOR_INTEGER = range(4)  # as in catalogue.pxd
_IN_TLV: Final = {
    Kind.INTEGER: _INTEGER,
    Kind.TIME: _INTEGER,
    Kind.FLOAT: _FLOAT,
    Kind.STRING: _TEXT,
}
_IN_CBOR: Final = _IN_TLV | {Kind.INTEGER: _CBOR_INTEGER, Kind.TIME: _CBOR_INTEGER}
_BINARY: Final = {TLV: _IN_TLV, **dict.fromkeys((CBOR, SENML_CBOR, LWM2M_CBOR), _IN_CBOR)}

# Two stand-ins per kind that differ in their first and last byte, however they are written, and
# that are as wide as the values they stand for.
_STAND_INS: Final[dict[Kind, tuple[int, int] | tuple[float, float]]] = {
    Kind.INTEGER: (71, 82),
    Kind.TIME: (1111111111, 2012345678),
    Kind.FLOAT: (81.37, 92.64),
}
_DIGITS: Final = ("1357902468", "2468013579")

_Leaf = tuple[Path, Kind, Simulated]


@dataclass(frozen=True)
class Naming:
    """How an endpoint name, which is also the serial number, is made of a device's number."""

    prefix: str
    digits: int

    def name(self, number: int) -> str:
        """The endpoint name of one device."""
        return f"{self.prefix}{number:0{self.digits}}"

    def stand_in(self, which: int) -> str:
        """A name to find the number's place by."""
        return self.prefix + _DIGITS[which][: self.digits]


def catalogue(
    objects: Iterable[SimulatedObject], version: str, naming: Naming, started_at_s: int
) -> Catalogue:
    """The answers of a fleet of one LwM2M version; `started_at_s` is Unix time."""
    formats = _Formats(STRUCTURED[version], SINGLE[version])
    return Catalogue(_entries(list(objects), formats, naming), started_at_s)


def sent(
    objects: Iterable[SimulatedObject], samples: int, naming: Naming, started_at_s: int
) -> Catalogue:
    """What a Send carries, in SenML CBOR: everything of the first sensor, or with several `samples`
    its last temperatures, SAMPLE_EVERY_S apart, as moments before now (RFC 8428, 4.5.3)."""
    sensors = next(each for each in objects if each.id == SENSOR)
    path = Path(SENSOR, 0)
    parts = _parts(SENML_CBOR, path, _leaves(sensors, 0), naming)
    if samples > 1:
        parts = list(_history(str(path.child(MEASURED)).encode(), samples))
    return Catalogue([(path.ids, True, False, [(SENML_CBOR, parts)])], started_at_s)


SENSOR: Final = 3303
MEASURED: Final = 5700
SAMPLE_EVERY_S: Final = 10
MOST_SAMPLES: Final = 24
"""They fit into one block, and so does the array's head into a byte with one more."""


def _history(name: bytes, samples: int) -> Iterator[Part]:
    """Records of a base name, a negative time and a double; labels are RFC 8428, table 4."""
    head = bytes([0x80 | samples]) if samples < 24 else bytes([0x98, samples])
    base_name = b"\x21" + bytes([0x60 | len(name)]) + name
    for at in range(samples):
        ago = SAMPLE_EVERY_S * (samples - 1 - at)
        fields = 1 + (at == 0) + (ago > 0)
        # -1 - n is written as n: one byte for up to 24 seconds, then two.
        time = bytes([0x20 | ago - 1]) if 0 < ago <= 24 else bytes([0x38, ago - 1 & 255])
        yield (
            (head if at == 0 else b"")
            + bytes([0xA0 | fields])
            + (base_name if at == 0 else b"")
            + (b"\x06" + time if ago else b"")
            + b"\x02\xfb"
        )
        yield (Source.TEMPERATURE, 0, _FLOAT, 8, ago)


@dataclass(frozen=True)
class _Formats:
    structured: tuple[int, ...]
    single: tuple[int, ...]

    def of_one(self, kind: Kind) -> tuple[int, ...]:
        return (single_format(kind), *self.single, *self.structured)


def _entries(
    objects: Sequence[SimulatedObject], formats: _Formats, naming: Naming
) -> Iterator[Entry]:
    for each in objects:
        inside = [leaf for id in each.instances for leaf in _leaves(each, id)]
        yield (
            (each.id,),
            True,
            False,
            _answers(Path(each.id), inside, formats.structured, naming, each),
        )
        for instance, resources in each.instances.items():
            path = Path(each.id, instance)
            inside = _leaves(each, instance)
            answers = _answers(path, inside, formats.structured, naming, each)
            yield path.ids, True, False, answers
            for resource in resources:
                yield from _resource_entries(path.child(resource.id), resource, formats, naming)


def _leaves(each: SimulatedObject, instance: int) -> list[_Leaf]:
    return [
        leaf
        for resource in each.instances[instance]
        for leaf in _values(Path(each.id, instance, resource.id), resource)
    ]


def _values(path: Path, resource: Resource) -> list[_Leaf]:
    if isinstance(resource.value, dict):
        return [(path.child(id), resource.kind, value) for id, value in resource.value.items()]
    return [(path, resource.kind, resource.value)] if resource.readable else []


def _resource_entries(
    path: Path, resource: Resource, formats: _Formats, naming: Naming
) -> Iterator[Entry]:
    """The resource, and each of its instances where it is a multiple one."""
    leaves = _values(path, resource)
    many = isinstance(resource.value, dict)
    own = formats.structured if many else formats.of_one(resource.kind)
    answers = [(f, _parts(f, path, leaves, naming)) for f in own] if resource.readable else []
    answers.append((LINKS, [_resource_link(path, resource).encode()]))
    yield path.ids, resource.readable, many, answers
    for leaf in leaves if many else ():
        single = formats.of_one(resource.kind)
        yield leaf[0].ids, True, False, [(f, _parts(f, leaf[0], [leaf], naming)) for f in single]


def single_format(kind: Kind) -> int:
    """What one value is answered in when nobody asks for a format."""
    return OCTETS if kind is Kind.OPAQUE else TEXT


def _answers(
    path: Path,
    leaves: list[_Leaf],
    formats: tuple[int, ...],
    naming: Naming,
    each: SimulatedObject,
) -> list[tuple[int, list[Part]]]:
    answers = [(f, _parts(f, path, leaves, naming)) for f in formats]
    return [*answers, (LINKS, [_discover(path, each).encode()])]


def _discover(path: Path, each: SimulatedObject) -> str:
    """What Discover tells of an object or one instance (OMA TS Core, 6.3.2)."""
    wanted = each.instances if path.depth == 1 else {path.ids[1]: each.instances[path.ids[1]]}
    version = f";ver={each.version}" if each.version != "1.0" else ""
    links = [f"</{each.id}>{version}"] if path.depth == 1 else []
    for instance, resources in wanted.items():
        at = Path(each.id, instance)
        links.append(f"<{at}>")
        links += [_resource_link(at.child(resource.id), resource) for resource in resources]
    return ",".join(links)


def _resource_link(path: Path, resource: Resource) -> str:
    dimension = f";dim={len(resource.value)}" if isinstance(resource.value, dict) else ""
    return f"<{path}>{dimension}"


def _parts(content_format: int, path: Path, leaves: list[_Leaf], naming: Naming) -> list[Part]:
    """The payload cut at the places of its varying values."""
    encodings = _BINARY.get(content_format)
    varying = [at for at, leaf in enumerate(leaves) if isinstance(leaf[2], Varying)]

    def payload(other: int | None) -> bytes:
        nodes = [
            Node(at, _stand_in(kind, value, naming, i == other, encodings), kind)
            for i, (at, kind, value) in enumerate(leaves)
        ]
        return encode(content_format, nodes, path)

    plain = payload(None)
    places = sorted((*_difference(plain, payload(at)), at) for at in varying)
    parts: list[Part] = []
    done = 0
    for start, end, at in places:
        _, kind, value = leaves[at]
        if start < done or not isinstance(value, Varying):
            raise AssertionError(f"two varying values share bytes in the answer to {path}")
        parts += [plain[done:start]] if start > done else []
        encoding = encodings[kind] if encodings else _TEXT
        parts.append((value.source, value.channel, encoding, end - start))
        done = end
    return [*parts, plain[done:]] if done < len(plain) else parts


def _stand_in(
    kind: Kind, value: Simulated, naming: Naming, other: bool, encodings: dict[Kind, int] | None
) -> Value:
    if not isinstance(value, Varying):
        return value
    if value.source is Source.NUMBER:
        return naming.stand_in(other)
    chosen = _STAND_INS[kind][other]
    # Of two doubles of one sign the first bytes may be equal, and so are the heads of two CBOR
    # integers: what is to be replaced as a whole has to differ in its sign.
    opposite = encodings is not None and encodings[kind] in (_FLOAT, _CBOR_INTEGER)
    return -chosen if other and opposite else chosen


def _difference(one: bytes, other: bytes) -> tuple[int, int]:
    """Where two equally long payloads begin and end to differ."""
    differing = [at for at, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]]
    return differing[0], differing[-1] + 1
