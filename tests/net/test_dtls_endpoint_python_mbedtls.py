"""An independent client, python-mbedtls (mbedTLS 2.28), against the DTLS endpoint."""

from __future__ import annotations

import socket

import pytest
from mbedtls import tls

from tests.net.endpoint_kit import KEY, World, as_text, psk_principal


def client_of(suite: str) -> tls.ClientContext:
    return tls.ClientContext(
        tls.DTLSConfiguration(
            pre_shared_key=("device-1", KEY),
            ciphers=[suite],
            validate_certificates=False,
        )
    )


@pytest.mark.parametrize(
    "suite",
    [
        "TLS-PSK-WITH-AES-128-CCM-8",
        "TLS-PSK-WITH-AES-128-CBC-SHA256",
        "TLS-PSK-WITH-AES-128-GCM-SHA256",
    ],
)
def test_a_handshake_and_a_record_each_way(suite: str) -> None:
    with World() as world, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.bind(("127.0.0.1", 0))
        plain.connect(("127.0.0.1", world.endpoint.port))
        plain.setblocking(False)
        buffer = client_of(suite).wrap_buffers(None)

        def exchange() -> None:
            while data := buffer.peek_outgoing(1280):
                plain.send(data)
                buffer.consume_outgoing(len(data))
            world.turn()
            while True:
                try:
                    buffer.receive_from_network(plain.recv(2048))
                except BlockingIOError:
                    return

        for _ in range(60):
            if buffer._handshake_state is tls.HandshakeStep.HANDSHAKE_OVER:
                break
            try:
                buffer.do_handshake()
            except (tls.WantReadError, tls.WantWriteError):
                exchange()
        exchange()
        assert buffer._handshake_state is tls.HandshakeStep.HANDSHAKE_OVER
        buffer.write(b"up")
        exchange()
        assert world.texts == [(as_text(psk_principal(b"device-1")), b"up")]
        world.send(b"device-1", b"down")
        exchange()
        assert buffer.read(100) == b"down"
        where = world.endpoint.where(psk_principal(b"device-1"))
        assert where is not None
        assert not where["cid"]
        assert where["suite"].replace("_", "-") == suite
