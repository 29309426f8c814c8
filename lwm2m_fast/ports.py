"""The plain ports of a server: the first, and further ones for devices that were set up for those.

Knows the configuration and sockets; nothing of what arrives. The DTLS ports are in secure_start.py.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from lwm2m_fast.config import Config
from lwm2m_fast.config.ports import port_numbers
from lwm2m_fast.net.udp import UdpEndpoint

_log = logging.getLogger("lwm2m_fast.server")

FIRST_PLAIN = 2
"""`local` of the first further plain port; 0 and 1 are the plain one and the secure one. It stands
in registrations, so that the order of the ports is part of what is configured."""

FIRST_DOOR = 16
"""`local` of the first further DTLS port."""


def plain_ports(config: Config) -> list[UdpEndpoint]:
    """The sockets of section `coap`. ConfigError: one cannot be had, and none is open."""
    coap = config.coap
    return opened(
        UdpEndpoint(
            coap.host,
            port,
            local=0 if place == 0 else FIRST_PLAIN + place - 1,
            receive_buffer_bytes=coap.receive_buffer_bytes,
            send_buffer_bytes=coap.send_buffer_bytes,
        )
        for place, port in enumerate((coap.port, *port_numbers(coap.more_ports)))
    )


def opened(ports: Iterable[UdpEndpoint]) -> list[UdpEndpoint]:
    """All of what `ports` opens one after the other; none is open where one cannot be had."""
    found: list[UdpEndpoint] = []
    try:
        for port in ports:
            found.append(port)
    except BaseException:
        for port in found:
            port.close()
        raise
    return found


def report_further(side: str, plain: list[UdpEndpoint], secure: list[UdpEndpoint]) -> None:
    """Say which ports there are beside the two that are announced."""
    ports = {"coap": [one.port for one in plain], "coaps": [one.port for one in secure]}
    if plain or secure:
        _log.info("listening at further ports", extra={"side": side, **ports})


def warn_small_buffers(plain: Sequence[UdpEndpoint], config: Config) -> None:
    """Log it where the system has granted less than `coap.receive_buffer_bytes`."""
    wanted = config.coap.receive_buffer_bytes
    granted = min((udp.receive_buffer_bytes for udp in plain), default=wanted)
    if granted < wanted:
        _log.warning(
            "the receive buffer is smaller than asked for: bursts may be lost; "
            "raise net.core.rmem_max",
            extra={"bytes": granted, "asked": wanted},
        )
