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

TEXT, OCTETS, LINKS, SENML_JSON, TLV = 0, 42, 40, 110, 11542

STRUCTURED: Final = {"1.0": (TLV,), "1.1": (SENML_JSON, TLV), "1.2": (SENML_JSON, TLV)}
"""Formats of instances and objects by LwM2M version; the first is used without an Accept."""

_BINARY: Final = {TLV}
_ENCODING_TEXT, _ENCODING_INTEGER, _ENCODING_FLOAT = 0, 1, 2
_ENCODINGS: Final = {
    Kind.INTEGER: _ENCODING_INTEGER,
    Kind.TIME: _ENCODING_INTEGER,
    Kind.FLOAT: _ENCODING_FLOAT,
    Kind.STRING: _ENCODING_TEXT,
}

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
    return Catalogue(_entries(list(objects), STRUCTURED[version], naming), started_at_s)


def _entries(
    objects: Sequence[SimulatedObject], formats: tuple[int, ...], naming: Naming
) -> Iterator[Entry]:
    for each in objects:
        inside = [leaf for id in each.instances for leaf in _leaves(each, id)]
        yield (each.id,), True, False, _answers(Path(each.id), inside, formats, naming, each)
        for instance, resources in each.instances.items():
            path = Path(each.id, instance)
            inside = _leaves(each, instance)
            yield path.ids, True, False, _answers(path, inside, formats, naming, each)
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
    path: Path, resource: Resource, formats: tuple[int, ...], naming: Naming
) -> Iterator[Entry]:
    """The resource, and each of its instances where it is a multiple one."""
    leaves = _values(path, resource)
    many = isinstance(resource.value, dict)
    own = formats if many else (_single_format(resource.kind), *formats)
    answers = [(f, _parts(f, path, leaves, naming)) for f in own] if resource.readable else []
    answers.append((LINKS, [_resource_link(path, resource).encode()]))
    yield path.ids, resource.readable, many, answers
    for leaf in leaves if many else ():
        single = (_single_format(resource.kind), *formats)
        yield leaf[0].ids, True, False, [(f, _parts(f, leaf[0], [leaf], naming)) for f in single]


def _single_format(kind: Kind) -> int:
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
    binary = content_format in _BINARY
    varying = [at for at, leaf in enumerate(leaves) if isinstance(leaf[2], Varying)]

    def payload(other: int | None) -> bytes:
        nodes = [
            Node(at, _stand_in(kind, value, naming, i == other, binary), kind)
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
        encoding = _ENCODINGS[kind] if binary else _ENCODING_TEXT
        parts.append((value.source, value.channel, encoding, end - start))
        done = end
    return [*parts, plain[done:]] if done < len(plain) else parts


def _stand_in(kind: Kind, value: Simulated, naming: Naming, other: bool, binary: bool) -> Value:
    if not isinstance(value, Varying):
        return value
    if value.source is Source.NUMBER:
        return naming.stand_in(other)
    chosen = _STAND_INS[kind][other]
    # Of two doubles of one sign the first bytes may be equal.
    return -chosen if other and binary and kind is Kind.FLOAT else chosen


def _difference(one: bytes, other: bytes) -> tuple[int, int]:
    """Where two equally long payloads begin and end to differ."""
    differing = [at for at, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]]
    return differing[0], differing[-1] + 1
