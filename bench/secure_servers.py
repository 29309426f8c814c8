"""The servers of servers.py on DTLS: what is started, who is let in, and on which port.

A recipe's port is the secure one here. Every device has the key KEY, or a certificate of the run's
own authority (bench/certificates.py).
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bench import certificates, programs, servers
from bench.over_http import Operator
from bench.servers import Recipe, Server, Unavailable

KEY = b"0123456789abcdef"  # SECURE_KEY of c/secure.h
PREFIX = "dev"
PSK_SUITE, X509_SUITE = "TLS-PSK-WITH-AES-128-CCM-8", "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8"
AT_ONCE = 5000
CREATED, CONFLICT = 201, 409


def ceiling(*, is_plain: bool = False, certified: Path | None = None) -> Recipe:
    """mbedTLS and nothing more; `is_plain`: without the processor's SHA instructions."""
    name = "dtls_ceiling_plain" if is_plain else "dtls_ceiling"
    files = (certificates.SERVER, certificates.SERVER_KEY, certificates.AUTHORITY)
    words = [str(certified / file) for file in files] if certified else []
    return Recipe(name, lambda: [str(programs.build(name)), "0", *words])


def libcoap() -> Recipe:
    """libcoap's example server on OpenSSL; /time has an answer of some fifteen bytes."""

    def command() -> list[str]:
        binary = shutil.which("coap-server-openssl")
        if binary is None:
            raise Unavailable("coap-server-openssl is missing: install libcoap3-bin")
        where = ["-A", "127.0.0.1", "-p", str(servers.free_port())]
        return [binary, *where, "-k", KEY.decode(), "-h", "bench"]

    def secure(server: Server) -> None:
        server.port += 1

    return Recipe("libcoap", command, prints_ready=False, after_start=secure)


def python_mbedtls() -> Recipe:
    def command() -> list[str]:
        if importlib.util.find_spec("mbedtls") is None:
            raise Unavailable("python-mbedtls is not installed")
        return [sys.executable, str(Path(__file__).parent / "mbedtls_server.py")]

    return Recipe("python-mbedtls", command)


def ours(
    home: Path,
    devices: int,
    settings: Mapping[str, object] | None = None,
    certified: Path | None = None,
) -> Recipe:
    """lwm2m_fast with a key for each of so many devices, or with certificates; below `home`."""
    values = {"host": '"127.0.0.1"', "port": 0, **(settings or {})}
    if certified is not None:
        files = {
            "certificate": certificates.SERVER,
            "key": certificates.SERVER_KEY,
            "anchors": certificates.AUTHORITY,
        }
        values |= {name: f'"{certified / file}"' for name, file in files.items()}
    file = home / "server.toml"
    served = servers.ours(home / "data", "--config", str(file))

    def command() -> list[str]:
        home.mkdir(parents=True, exist_ok=True)
        lines = [f"{name} = {value}" for name, value in values.items()]
        file.write_text("\n".join(["[dtls]", *lines, ""]))
        return served.command()

    def let_in(server: Server) -> None:
        if server.secure_port is None:
            raise Unavailable("lwm2m_fast has no DTLS port here")
        server.port = server.secure_port
        if certified is None:
            add_keys(server, devices)

    return replace(served, command=command, after_start=let_in)


def add_keys(server: Server, devices: int, prefix: str = PREFIX) -> None:
    """A key for each device, unless they are there from an earlier start."""
    names = [f"{prefix}{number:07d}" for number in range(devices)]
    security = {"mode": "PSK", "key": KEY.hex()}
    with Operator(server) as operator:
        for start in range(0, devices, AT_ONCE):
            given = [
                {"endpoint": name, "server": security} for name in names[start : start + AT_ONCE]
            ]
            made = operator.post("/api/v1/credentials", json=given)
            if made.status_code == CONFLICT:
                return
            if made.status_code != CREATED:
                raise Unavailable(f"keys were answered {made.status_code}: {made.text[:200]}")
