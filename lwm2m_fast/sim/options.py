"""What a simulation is asked to be, checked once; reads no environment and no file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.sim.answers import MOST_SAMPLES
from lwm2m_fast.sim.identities import STAND_IN
from lwm2m_fast.sim.misbehaviour import parse_misbehaviour
from lwm2m_fast.sim.objects import LWM2M_VERSIONS, MOST_SENSORS, TEMPERATURE_SENSORS

MODES: Final = ("live", "register", "update", "send", "ping")
BLOCKS: Final = tuple(16 << szx for szx in range(7))
SOCKETS: Final = ("auto", "device", "shared")
MOST_DEVICES: Final = 16_000_000
MOST_NUMBER: Final = 0xFFFFFFFF
LOAD_DURATION_S: Final = 10.0
"""How long a load runs when nobody said."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """One simulation. ConfigError names the first value that cannot be used."""

    server: str = "coap://127.0.0.1:5783"
    bootstrap: str = ""
    """URI of a bootstrap server: devices bootstrap first, with the credentials that are given here,
    and register where and as they are told; `server` then says nothing."""
    devices: int = 20
    prefix: str = "sim-"
    """Endpoint names are this and the device's number, at least six digits long."""
    first: int = 1
    """The number of the first device: two simulations beside each other need different ones."""
    version: str = "1.1"
    lifetime_s: int = 300
    update_at: float = 0.8
    """The part of its lifetime after which a device updates its registration."""
    mode: str = "live"
    outstanding: int = 64
    """Requests under way at the same time, over all devices."""
    rate: float = 0.0
    """Requests started per second; 0 = as fast as the server answers."""
    duration_s: float | None = None
    """None: `live` runs until it is stopped, a load for LOAD_DURATION_S."""
    seed: int = 0
    """The same seed gives the same message ids, tokens and pauses."""
    deregister: bool = True
    """Whether the devices leave at the end."""
    sockets: str = "auto"
    """`shared`: one socket, a loopback address per device; `device`: a socket per device."""
    ack_timeout_s: float = 2.0
    """Of CoAP; a handshake's timer begins at half of it."""
    sensors: int = TEMPERATURE_SENSORS
    """Instances of object 3303; some eighty make a Register that needs blocks."""
    block_bytes: int = 1024
    """The largest block (RFC 7959) that a device takes and makes."""
    notify_every_s: float = 0.0
    """Notifications at this pace whatever the values; 0 = as values and attributes ask for."""
    confirm_every: int = 16
    """Every so manyth notification is confirmable; 0 = none."""
    send_every_s: float = 0.0
    """Pause between two Sends of a device; 0 = none by time."""
    send_samples: int = 1
    """1: a Send tells all of one sensor; more: its last temperatures with their times."""
    loss: float = 0.0
    """Share of datagrams that are lost, in each direction; `reorder` likewise."""
    reorder: float = 0.0
    delay_s: float = 0.0
    """How long a datagram takes, in each direction."""
    sleep_s: float = 0.0
    """Queue mode: deaf this long after the last datagram; 0 = always awake."""
    slow_s: float = 0.0
    """Requests of the server are acknowledged at once and answered so much later."""
    rebind_s: float = 0.0
    """Each device changes its address about this often, as behind a NAT; 0 = never."""
    psk: str = ""
    """File of lines endpoint,identity,key; see identities.py. Of this, `psk_key`, `psk_secret` and
    `x509` a coaps server needs exactly one."""
    psk_identity: str = STAND_IN
    """What devices call themselves; {endpoint} in it is the device's endpoint name."""
    psk_key: str = ""
    """In hex: the same key for all devices."""
    psk_secret: str = ""
    """What each device's key is derived from."""
    x509: str = ""
    """Directory of certificates; see certificates.py."""
    cid: int | None = None
    """Bytes of the devices' own connection ids; None: they offer none and take none."""
    suites: tuple[str, ...] = ()
    """IANA names of the cipher suites that devices offer; none: all that fit their credentials."""
    resumes: bool = True
    """Whether a device resumes the session it had."""
    live_sessions: int = 16_384
    """Sessions that keep their buffers; of the others only the bytes are kept."""
    misbehave: tuple[str, ...] = ()
    """KIND or KIND:SHARE, see misbehaviour.py."""

    def __post_init__(self) -> None:
        for field, allowed, holds in _RULES:
            value = getattr(self, field)
            if not holds(value):
                raise ConfigError(f"{field.replace('_', '-')} {value!r}: must be {allowed}")
        parse_misbehaviour(self.misbehave)
        self._check_credentials()
        if self.version == "1.0" and (self.send_every_s or self.mode == "send"):
            raise ConfigError("version 1.0: Send came with LwM2M 1.1")
        last = self.first + self.devices - 1
        if last > MOST_NUMBER:
            raise ConfigError(
                f"first {self.first}: the last device would have number {last}; "
                f"the largest is {MOST_NUMBER}"
            )

    def _check_credentials(self) -> None:
        given = [name for name in _CREDENTIALS if getattr(self, name.replace("-", "_"))]
        asked = f"bootstrap {self.bootstrap!r}" if self.bootstrap else f"server {self.server!r}"
        if self.is_secure and len(given) != 1:
            raise ConfigError(
                f"{asked}: needs exactly one of {', '.join(_CREDENTIALS)}, and not "
                + (" and ".join(given) or "none")
            )
        if given and not self.is_secure:
            raise ConfigError(f"{given[0]}: the server must be coaps://host, not in {asked}")

    @property
    def is_secure(self) -> bool:
        """Whether the devices speak DTLS with the server that they speak to first."""
        return (self.bootstrap or self.server).startswith("coaps:")

    @property
    def digits(self) -> int:
        """Digits of every number in an endpoint name: they are all equally long."""
        return max(6, len(str(self.first + self.devices - 1)))


def _between(least: float, most: float) -> Callable[[Any], bool]:
    return lambda value: least <= value <= most


_CREDENTIALS: Final = ("psk", "psk-key", "psk-secret", "x509")

_RULES: Final[list[tuple[str, str, Callable[[Any], bool]]]] = [
    ("devices", f"1 to {MOST_DEVICES}", _between(1, MOST_DEVICES)),
    ("prefix", "at most 200 bytes of UTF-8", lambda text: len(text.encode()) <= 200),
    ("first", "0 or more", lambda number: number >= 0),
    ("version", "one of " + ", ".join(LWM2M_VERSIONS), LWM2M_VERSIONS.__contains__),
    ("lifetime_s", "1 to 4294967295 seconds", _between(1, 0xFFFFFFFF)),
    ("update_at", "0.01 to 1", _between(0.01, 1.0)),
    ("mode", "one of " + ", ".join(MODES), MODES.__contains__),
    ("outstanding", "1 to 1000000", _between(1, 1_000_000)),
    ("rate", "0 to 10000000 per second", _between(0, 1e7)),
    ("duration_s", "more than 0 seconds", lambda value: value is None or 0 < value <= 1e9),
    ("seed", "0 to 2^64 - 1", _between(0, (1 << 64) - 1)),
    ("sockets", "one of " + ", ".join(SOCKETS), SOCKETS.__contains__),
    ("ack_timeout_s", "0.1 to 60 seconds", _between(0.1, 60)),
    ("sensors", f"0 to {MOST_SENSORS}", _between(0, MOST_SENSORS)),
    ("block_bytes", "one of " + ", ".join(map(str, BLOCKS)), BLOCKS.__contains__),
    ("notify_every_s", "0 to 86400 seconds", _between(0, 86400)),
    ("confirm_every", "0 to 65535", _between(0, 65535)),
    ("send_every_s", "0 to 86400 seconds", _between(0, 86400)),
    ("send_samples", f"1 to {MOST_SAMPLES}", _between(1, MOST_SAMPLES)),
    ("loss", "0 to 1", _between(0, 1)),
    ("reorder", "0 to 1", _between(0, 1)),
    ("delay_s", "0 to 60 seconds", _between(0, 60)),
    ("sleep_s", "0 to 86400 seconds", _between(0, 86400)),
    ("rebind_s", "0 to 86400 seconds", _between(0, 86400)),
    ("cid", "0 to 16 bytes", lambda size: size is None or 0 <= size <= 16),
    ("live_sessions", f"1 to {MOST_DEVICES}", _between(1, MOST_DEVICES)),
    ("slow_s", "0 to 3600 seconds", _between(0, 3600)),
]
