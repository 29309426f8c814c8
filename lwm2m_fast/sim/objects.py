"""The objects a simulated device has, as tables: ids, kinds and values.

No bytes and no format: sim/answers.py turns this into what a read is answered with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from lwm2m_fast.codec import Kind, Value

LWM2M_VERSIONS: Final = ("1.0", "1.1", "1.2")


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
        Resource(2, Kind.INTEGER, 1),
        Resource(3, Kind.INTEGER, 300),
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


def _temperature(channel: int) -> list[Resource]:
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


# The version of each object, by LwM2M version in the order of LWM2M_VERSIONS.
_VERSIONS: Final = {
    1: ("1.0", "1.1", "1.2"),
    3: ("1.0", "1.1", "1.2"),
    4: ("1.0", "1.2", "1.3"),
    5: ("1.0", "1.0", "1.0"),
    6: ("1.0", "1.0", "1.0"),
    3303: ("1.0", "1.1", "1.1"),
}


def simulated_objects(version: str, lifetime_s: int) -> list[SimulatedObject]:
    """What a simulated device of one LwM2M version has, by object id.

    The security object 0 is not among them: it is nobody's to list or to read.
    """
    instances = {
        1: {0: _server(lifetime_s)},
        3: {0: DEVICE},
        4: {0: CONNECTIVITY},
        5: {0: FIRMWARE},
        6: {0: LOCATION},
        3303: {channel: _temperature(channel) for channel in range(TEMPERATURE_SENSORS)},
    }
    at = LWM2M_VERSIONS.index(version)
    return [
        SimulatedObject(id, _VERSIONS[id][at], _known(instances[id], version)) for id in instances
    ]


def _known(instances: dict[int, list[Resource]], version: str) -> dict[int, list[Resource]]:
    return {id: [r for r in rows if r.since <= version] for id, rows in instances.items()}


def registration_links(objects: Iterable[SimulatedObject], content_formats: Iterable[int]) -> str:
    """The payload of a Register (OMA TS Core, 6.2.1): root, formats, object instances."""
    formats = " ".join(map(str, content_formats))
    links = [f'</>;rt="oma.lwm2m";ct="{formats}"']
    for each in objects:
        if each.version != "1.0":
            links.append(f"</{each.id}>;ver={each.version}")
        links += [f"</{each.id}/{instance}>" for instance in each.instances]
    return ",".join(links)
