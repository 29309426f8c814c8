"""The python-mbedtls peer of a comparison: what a straightforward DTLS server in Python reaches.

    python mbedtls_server.py

Pre-shared keys, AES-128-CCM-8, on uvloop; any CoAP request is answered 2.05 with sixteen bytes. It
has no registration, no store and no timer.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import uvloop
from mbedtls import tls

KEY = b"0123456789abcdef"
DEVICES = 3000
CIPHERS = ("TLS-PSK-WITH-AES-128-CCM-8",)
HANDSHAKE, CLIENT_HELLO, RECORD_HEADER = 22, 1, 13
OVER = tls.HandshakeStep.HANDSHAKE_OVER


class Endpoint(asyncio.DatagramProtocol):
    """A session for each address."""

    def __init__(self) -> None:
        keys = {f"dev{number:07d}": KEY for number in range(DEVICES)}
        self._context = tls.ServerContext(
            tls.DTLSConfiguration(
                pre_shared_key_store=keys, ciphers=CIPHERS, validate_certificates=False
            )
        )
        self._sessions: dict[Any, Any] = {}

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        session = self._sessions.get(address)
        is_hello = len(data) > RECORD_HEADER and data[0] == HANDSHAKE
        is_hello = is_hello and data[RECORD_HEADER] == CLIENT_HELLO
        if session is None or (is_hello and session._handshake_state is OVER):
            session = self._sessions[address] = self._context.wrap_buffers()
            session.setcookieparam(repr(address).encode())
        session.receive_from_network(data)
        if session._handshake_state is OVER:
            self._answer(session)
        else:
            self._shake(session, address)
        self._send(session, address)

    def _shake(self, session: Any, address: Any) -> None:
        while session._handshake_state is not OVER:
            try:
                session.do_handshake()
            except tls.WantReadError:
                return
            except tls.WantWriteError:
                pass
            except tls.HelloVerifyRequest:
                session.setcookieparam(repr(address).encode())
                return

    def _answer(self, session: Any) -> None:
        with contextlib.suppress(tls.WantReadError):
            request = session.read(2048)
            if len(request) >= 4:
                token = request[0] & 15
                session.write(bytes((0x60 | token, 69)) + request[2 : 4 + token] + b"\xff" + KEY)

    def _send(self, session: Any, address: Any) -> None:
        """One datagram for each record that waits."""
        waiting = session.peek_outgoing(16384)
        session.consume_outgoing(len(waiting))
        while waiting:
            size = RECORD_HEADER + int.from_bytes(waiting[11:13], "big")
            self._transport.sendto(waiting[:size], address)
            waiting = waiting[size:]


async def serve() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Endpoint, local_addr=("127.0.0.1", 0))
    print(f"ready coap=udp://127.0.0.1:{transport.get_extra_info('sockname')[1]}", flush=True)
    await loop.create_future()


if __name__ == "__main__":
    uvloop.run(serve())
