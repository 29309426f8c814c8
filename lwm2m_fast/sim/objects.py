"""The objects a simulated device has, as tables: ids, kinds and values.

No bytes and no format: sim/answers.py turns this into what a read is answered with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from lwm2m_fast.codec import Kind, ObjectLink, Value

LWM2M_VERSIONS: Final = ("1.0", "1.1", "1.2")

DEFAULT_PMIN_S: Final = 1
DEFAULT_PMAX_S: Final = 300
"""Resources /1/0/2 and /1/0/3 as delivered."""


class Source(IntEnum):
    """Where a value comes from that differs between devices or moves; as in catalogue.pxd."""

    NUMBER = 1
    UNIX_TIME = 2
    SIGNAL = 3
    BATTERY = 4
    TEMPERATURE = 5
    COLDEST = 6
    WARMEST = 7
    LATITUDE = 8
    LONGITUDE = 9


@dataclass(frozen=True)
class Varying:
    """A value made at the moment of the read; channels of one source move on their own."""

    source: Source
    channel: int = 0

    @property
    def is_name(self) -> bool:
        """The device's whole endpoint name, of which the number is the varying part."""
        return self.source is Source.NUMBER


Simulated = Value | Varying


@dataclass(frozen=True)
class Resource:
    """One resource; of several values when they are a dict by resource instance."""

    id: int
    kind: Kind
    value: Simulated | dict[int, Simulated]
    since: str = "1.0"
    """The LwM2M version from which on simulated devices have it."""

    @property
    def readable(self) -> bool:
        """Executable and write-only resources hold no value here."""
        return self.kind is not Kind.NONE


@dataclass(frozen=True)
class SimulatedObject:
    """An object with its version and, by instance id, its resources."""

    id: int
    version: str
    instances: dict[int, list[Resource]]


def _unreadable(id: int) -> Resource:
    return Resource(id, Kind.NONE, None)


def _server(lifetime_s: int) -> list[Resource]:
    return [
        Resource(0, Kind.INTEGER, 1),
        Resource(1, Kind.INTEGER, lifetime_s),
        Resource(2, Kind.INTEGER, DEFAULT_PMIN_S),
        Resource(3, Kind.INTEGER, DEFAULT_PMAX_S),
        _unreadable(4),
        Resource(5, Kind.INTEGER, 86400),
        Resource(6, Kind.BOOLEAN, True),
        Resource(7, Kind.STRING, "U"),
        _unreadable(8),
    ]


DEVICE: Final = [
    Resource(0, Kind.STRING, "lwm2m_fast"),
    Resource(1, Kind.STRING, "simulated device"),
    Resource(2, Kind.STRING, Varying(Source.NUMBER)),
    Resource(3, Kind.STRING, "1.4.2"),
    _unreadable(4),
    _unreadable(5),
    Resource(6, Kind.INTEGER, {0: 1, 1: 5}),
    Resource(7, Kind.INTEGER, {0: 3800, 1: 5000}),
    Resource(8, Kind.INTEGER, {0: 125, 1: 900}),
    Resource(9, Kind.INTEGER, Varying(Source.BATTERY)),
    Resource(10, Kind.INTEGER, 15),
    Resource(11, Kind.INTEGER, {0: 0}),
    _unreadable(12),
    Resource(13, Kind.TIME, Varying(Source.UNIX_TIME)),
    Resource(14, Kind.STRING, "+01:00"),
    Resource(15, Kind.STRING, "Europe/Berlin"),
    Resource(16, Kind.STRING, "U"),
    Resource(17, Kind.STRING, "temperature sensor"),
    Resource(18, Kind.STRING, "rev-b"),
    Resource(19, Kind.STRING, "1.4.2"),
    Resource(20, Kind.INTEGER, 0),
    Resource(21, Kind.INTEGER, 64),
]

CONNECTIVITY: Final = [
    Resource(0, Kind.INTEGER, 7),  # NB-IoT
    Resource(1, Kind.INTEGER, {0: 7, 1: 6}),
    Resource(2, Kind.INTEGER, Varying(Source.SIGNAL)),
    Resource(3, Kind.INTEGER, 18),
    Resource(4, Kind.STRING, {0: "192.0.2.17"}),
    Resource(5, Kind.STRING, {0: "192.0.2.1"}),
    Resource(7, Kind.STRING, {0: "iot.example"}),
    Resource(8, Kind.INTEGER, 12345678),
    Resource(9, Kind.INTEGER, 2),
    Resource(10, Kind.INTEGER, 262),
]

FIRMWARE: Final = [
    _unreadable(0),
    Resource(1, Kind.STRING, ""),
    _unreadable(2),
    Resource(3, Kind.INTEGER, 0),
    Resource(5, Kind.INTEGER, 0),
    Resource(6, Kind.STRING, "sensor-firmware"),
    Resource(7, Kind.STRING, "1.4.2"),
    Resource(8, Kind.INTEGER, {0: 0, 1: 2}),
    Resource(9, Kind.INTEGER, 2),
]

LOCATION: Final = [
    Resource(0, Kind.FLOAT, Varying(Source.LATITUDE)),
    Resource(1, Kind.FLOAT, Varying(Source.LONGITUDE)),
    Resource(2, Kind.FLOAT, 112.5),
    Resource(3, Kind.FLOAT, 8.0),
    Resource(4, Kind.OPAQUE, bytes.fromhex("00000000")),  # 3GPP TS 23.032: at rest
    Resource(5, Kind.TIME, Varying(Source.UNIX_TIME)),
    Resource(6, Kind.FLOAT, 0.0),
]

TEMPERATURE_SENSORS: Final = 3
MOST_SENSORS: Final = 128


def temperature(channel: int) -> list[Resource]:
    return [
        Resource(5518, Kind.TIME, Varying(Source.UNIX_TIME), since="1.1"),
        Resource(5601, Kind.FLOAT, Varying(Source.COLDEST, channel)),
        Resource(5602, Kind.FLOAT, Varying(Source.WARMEST, channel)),
        Resource(5603, Kind.FLOAT, -40.0),
        Resource(5604, Kind.FLOAT, 125.0),
        _unreadable(5605),
        Resource(5700, Kind.FLOAT, Varying(Source.TEMPERATURE, channel)),
        Resource(5701, Kind.STRING, "Cel"),
        Resource(5750, Kind.STRING, f"sensor {channel}", since="1.1"),
    ]


# One writable resource of each type, single and multiple (OMA's test object).
_TYPES: Final[list[tuple[int, Kind, Value, Value, str]]] = [
    (10, Kind.STRING, "initial value", "more", "1.0"),
    (20, Kind.INTEGER, 1024, -1, "1.0"),
    (25, Kind.UNSIGNED_INTEGER, (1 << 64) - 1, 7, "1.1"),
    (30, Kind.FLOAT, 3.14159, -0.5, "1.0"),
    (40, Kind.BOOLEAN, True, False, "1.0"),
    (50, Kind.OPAQUE, bytes.fromhex("0123456789abcdef"), b"", "1.0"),
    (60, Kind.TIME, 946684800, 1700000000, "1.0"),
    (70, Kind.OBJLNK, ObjectLink(3, 0), ObjectLink(65535, 65535), "1.0"),
    (80, Kind.CORELNK, "</3/0>", "</3303>,</3303/0>", "1.1"),
]

TEST: Final = [
    *(_unreadable(id) for id in (0, 1, 2, 3)),
    *(Resource(100 + n, kind, one, since) for n, kind, one, _, since in _TYPES),
    *(Resource(1100 + n, kind, {0: one, 1: two}, since) for n, kind, one, two, since in _TYPES),
]

# The version of each object, by LwM2M version in the order of LWM2M_VERSIONS.
_VERSIONS: Final = {
    1: ("1.0", "1.1", "1.2"),
    3: ("1.0", "1.1", "1.2"),
    4: ("1.0", "1.2", "1.3"),
    5: ("1.0", "1.0", "1.0"),
    6: ("1.0", "1.0", "1.0"),
    3303: ("1.0", "1.1", "1.1"),
    3442: ("1.0", "1.0", "1.0"),
}


def simulated_objects(
    version: str, lifetime_s: int, sensors: int = TEMPERATURE_SENSORS
) -> list[SimulatedObject]:
    """What a simulated device of one LwM2M version has, by object id.

    `sensors` is how many instances object 3303 has, at most MOST_SENSORS.

    The security object 0 is not among them: it is nobody's to list or to read.
    """
    instances = {
        1: {0: _server(lifetime_s)},
        3: {0: DEVICE},
        4: {0: CONNECTIVITY},
        5: {0: FIRMWARE},
        6: {0: LOCATION},
        3303: {channel: temperature(channel) for channel in range(sensors)},
        3442: {0: TEST},
    }
    at = LWM2M_VERSIONS.index(version)
    return [
        SimulatedObject(id, _VERSIONS[id][at], _known(instances[id], version)) for id in instances
    ]


def _known(instances: dict[int, list[Resource]], version: str) -> dict[int, list[Resource]]:
    return {id: [r for r in rows if r.since <= version] for id, rows in instances.items()}


def registration_links(
    instances: Iterable[tuple[int, str, Iterable[int]]], content_formats: Iterable[int]
) -> str:
    """The payload of a Register (OMA TS Core, 6.2.1): root, formats, object instances.

    `instances` are (object id, version, instance ids).
    """
    formats = " ".join(map(str, content_formats))
    links = [f'</>;rt="oma.lwm2m";ct="{formats}"']
    for id, version, ids in instances:
        below = [f"</{id}/{instance}>" for instance in ids]
        # An object without a version and with instances is told by those.
        if version != "1.0" or not below:
            links.append(f"</{id}>" + (f";ver={version}" if version != "1.0" else ""))
        links += below
    return ",".join(links)
