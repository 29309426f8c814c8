"""A device behind python-mbedtls, which has its own DTLS and none of ours.

It has no connection ids, so its session is known by its address.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

from mbedtls import pk, tls, x509
from scripted import CON, POST, Heard, read, register_parts, request

from tests.certificate_kit import Made

T = TypeVar("T")
CCM_8 = "TLS-PSK-WITH-AES-128-CCM-8"
CBC = "TLS-PSK-WITH-AES-128-CBC-SHA256"
CERTIFIED_CCM_8 = "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8"


def by_psk(identity: str, key: bytes, cipher: str = CCM_8) -> tls.DTLSConfiguration:
    return tls.DTLSConfiguration(
        pre_shared_key=(identity, key), ciphers=(cipher,), validate_certificates=False
    )


def by_certificate(own: Made, cipher: str = CERTIFIED_CCM_8) -> tls.DTLSConfiguration:
    chain = (x509.CRT.from_buffer(own.der),), pk.ECC.from_buffer(own.key_der)
    return tls.DTLSConfiguration(
        certificate_chain=chain, ciphers=(cipher,), validate_certificates=False
    )


class SecureSocket:
    """One session. OSError or tls.TLSError: the server refuses it."""

    def __init__(self, where: tuple[str, int], configuration: tls.DTLSConfiguration) -> None:
        self.mid = 0
        raw = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        raw.bind(("127.0.0.1", 0))
        raw.settimeout(0.5)
        self.socket = tls.ClientContext(configuration).wrap_socket(raw, server_hostname=None)
        self.socket.connect(where)
        try:
            self._until(self.socket.do_handshake)
        except BaseException:
            self.close()
            raise

    def _until(self, step: Callable[..., T], *arguments: Any, seconds: float = 10.0) -> T:
        deadline = time.monotonic() + seconds
        while True:
            try:
                return step(*arguments)
            except (tls.WantReadError, tls.WantWriteError, TimeoutError):
                assert time.monotonic() < deadline, f"not within {seconds} s"

    def __enter__(self) -> SecureSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Go without a word, as a device that loses its power."""
        self.socket._socket.close()

    def send(self, message: bytes) -> None:
        self._until(self.socket.send, message)

    def hear(self, seconds: float = 5.0) -> Heard:
        return read(self._until(self.socket.recv, 2048, seconds=seconds))

    def ask(self, code: int, path: str, **parts: Any) -> Heard:
        self.mid += 1
        self.send(request(code, path, mid=self.mid, **parts))
        while (answer := self.hear()).mid != self.mid or answer.type == CON:
            continue
        return answer

    def register(self, endpoint: str, **parts: Any) -> Heard:
        return self.ask(POST, "rd", **register_parts(endpoint, **parts))
