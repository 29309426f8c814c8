"""A server's address, and the sockets to reach it: which form, and how many may be open.

Opens sockets and sends nothing.
"""

from __future__ import annotations

import ipaddress
import os
import resource
import socket
from contextlib import suppress
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.sim.device_sockets import DeviceSockets
from lwm2m_fast.sim.shared_socket import MOST_DEVICES, SharedSocket
from lwm2m_fast.sim.transport import Transport

PORTS: Final = {"coap": 5683, "coaps": 5684}
"""RFC 7252, section 12.8."""
SPARE_DESCRIPTORS: Final = 64
"""Kept free for everything that is not a device's socket."""

BUFFER_BYTES: Final = 4 << 20


class Target(NamedTuple):
    """Where a server is reached."""

    family: socket.AddressFamily
    address: tuple[str, int] | tuple[str, int, int, int]

    @property
    def is_loopback4(self) -> bool:
        """Whether every device can have a loopback address of its own."""
        return self.family == socket.AF_INET and ipaddress.ip_address(self.address[0]).is_loopback


def resolve(url: str) -> Target:
    """The first address of `coap://host[:port]` or `coaps://host[:port]`."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port or PORTS.get(parts.scheme)
    except ValueError as error:
        raise ConfigError(f"server {url!r}: {error}") from None
    is_known = parts.scheme in PORTS and not parts.query and parts.path in ("", "/")
    if not is_known or not host or port is None:
        raise ConfigError(f"server {url!r}: must be coap://host:port or coaps://host:port")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise ConfigError(f"server {url!r}: {error.strerror}") from None
    family, _, _, _, address = found[0]
    return Target(family, cast(tuple[str, int], address))


def open_transport(target: Target, devices: int, form: str, *, rebinds: bool = False) -> Transport:
    """Sockets for so many devices; `form` is auto, device or shared. `rebinds`: they can change
    their addresses.

    ConfigError names the limit that stands against it.
    """
    if form == "auto":
        form = "shared" if target.is_loopback4 else "device"
    return _FORMS[form](target, devices, rebinds)


def _shared(target: Target, devices: int, rebinds: bool) -> Transport:
    if not target.is_loopback4:
        raise ConfigError("sockets 'shared': the server must have a 127.x.y.z address")
    if rebinds and devices > MOST_DEVICES // 2:
        raise ConfigError(
            f"devices {devices}: at most {MOST_DEVICES // 2} can change their 127.x.y.z address"
        )
    server = int(ipaddress.IPv4Address(str(target.address[0])))
    shared = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    shared.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        shared.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    # Bound to every address, and yet only for this machine: nobody else's datagrams get in.
    with suppress(OSError):
        shared.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, b"lo")
    shared.bind(("0.0.0.0", 0))  # noqa: S104 - see above
    return SharedSocket(shared, server, int(target.address[1]), devices if rebinds else 0)


_IP_PKTINFO: Final = 8  # ip(7); not in Python's socket module
_SO_BINDTODEVICE: Final = 25


def _per_device(target: Target, devices: int, rebinds: bool) -> Transport:
    _raise_descriptor_limit(devices + SPARE_DESCRIPTORS)
    descriptors: list[int] = []
    try:
        for _ in range(devices):
            descriptors.append(_connected(target))
    except OSError as error:
        for descriptor in descriptors:
            os.close(descriptor)
        why = "no local port is free (net.ipv4.ip_local_port_range)"
        reason = why if isinstance(error, BlockingIOError) else error.strerror
        raise ConfigError(f"devices {devices}: socket {len(descriptors) + 1}: {reason}") from None
    return DeviceSockets(descriptors, (lambda: _connected(target)) if rebinds else None)


def _connected(target: Target) -> int:
    with socket.socket(target.family, socket.SOCK_DGRAM) as one:
        one.setblocking(False)
        one.connect(target.address)
        return one.detach()


def _raise_descriptor_limit(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limits in ((needed, hard), (needed, max(needed, hard))):
        if soft < needed:
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                soft = needed
    if soft < needed:
        raise ConfigError(
            f"devices {needed - SPARE_DESCRIPTORS}: a socket per device needs {needed} file "
            f"descriptors, and the limit is {hard} (ulimit -Hn); start fewer devices, or "
            "several simulations with --first"
        )


_FORMS: Final = {"shared": _shared, "device": _per_device}
