"""The address that HTTP is served on, had before anything is made that serves it."""

from __future__ import annotations

import socket

from lwm2m_fast.errors import ConfigError


def bind(host: str, port: int) -> socket.socket:
    """A socket with the address; whoever connects is refused until somebody listens.

    Port 0 takes any free one. ConfigError when it cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"http.host: {host!r} is no address: {error.strerror}") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise ConfigError(f"http.port: cannot listen on {host}:{port}: {error.strerror}") from None
    return bound
