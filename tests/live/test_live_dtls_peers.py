"""DTLS stacks of others against a real server: OpenSSL's own client, libcoap's clients over OpenSSL
and over GnuTLS, python-mbedtls. Each registers, and each that must not get in hears the right alert
and leaves nothing behind.

A tool that is not there skips its tests and says so.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, str(Path(__file__).parent))

from bad_proxy import bad_proxy
from dtls_settings import coaps, give, with_certificates, write_certificates
from scripted import POST, read, register_parts, request
from serving import Server, served, until

from tests.certificate_kit import Made, made_certificate

TEXT_KEY = b"0123456789abcdef"
"""libcoap's clients take a key as text."""

LIBCOAP = ("coap-client-openssl", "coap-client-gnutls")
LEVEL_0 = ":@SECLEVEL=0"
"""CCM_8 has a short tag, and is off by default in OpenSSL."""


def needs(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"there is no {tool}")


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("peers")


@pytest.fixture(scope="module")
def authority(there: Path) -> Made:
    return write_certificates(there)


@pytest.fixture(scope="module")
def server(there: Path, authority: Made) -> Iterator[Server]:
    """One server for all: what a test leaves behind would be seen by the next one."""
    with served(there / "data", env=with_certificates(there)) as running:
        give(running, "dev-1", "an identity", TEXT_KEY)
        yield running


STATE = (
    "dtls_sessions_current",
    "dtls_handshakes_current",
    "principals_current",
    "registrations_current",
    "peers_current",
)


def state(server: Server) -> dict[str, int]:
    """What there is of devices."""
    return {name: server.count(name) for name in STATE}


class NothingLeft:
    """A block in which somebody is refused: so many handshakes fail, and all else is as before."""

    def __init__(self, server: Server, failures: int = 1) -> None:
        self.server, self.failures = server, failures

    def __enter__(self) -> NothingLeft:
        self.before = state(self.server)
        self.failed = self.server.count("dtls_handshakes_failed")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            until(
                lambda: self.server.count("dtls_handshakes_failed") == self.failed + self.failures
            )
            assert state(self.server) == self.before


# OpenSSL


class Openssl:
    """`openssl s_client`, which sends what is written to it as records. Ends with its block."""

    def __init__(self, server: Server, *arguments: str) -> None:
        needs("openssl")
        command = ["openssl", "s_client", "-dtls1_2", "-quiet", "-connect"]
        command += ["{}:{}".format(*coaps(server)), *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)

    def __enter__(self) -> Openssl:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, message: bytes, seconds: float = 20.0) -> bytes:
        """The record that comes back."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(message)
        self.process.stdin.flush()
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            assert waiting.select(seconds), "no answer"
        return os.read(self.process.stdout.fileno(), 4096)

    def words(self) -> str:
        """What it says of its own end."""
        _, said = self.process.communicate(timeout=30)
        return said.decode(errors="replace")


def psk(identity: str = "an identity", key: bytes = TEXT_KEY, cipher: str = "") -> list[str]:
    cipher = cipher or "PSK-AES128-CCM8"
    given = ["-psk_identity", identity, "-psk", key.hex()]
    return [*given, "-cipher", cipher + LEVEL_0]


def certified(there: Path, own: Made, cipher: str = "ECDHE-ECDSA-AES128-CCM8") -> list[str]:
    file = there / f"{own.sha256}.pem"
    file.write_bytes(own.pem + own.key_pem)
    trust = ["-CAfile", str(there / "authority.pem"), "-verify_return_error"]
    return ["-cert", str(file), "-key", str(file), *trust, "-cipher", cipher + LEVEL_0]


def registers(server: Server, endpoint: str, arguments: list[str]) -> None:
    """Register, Update and De-register, as raw CoAP."""
    with Openssl(server, *arguments) as device:
        located = read(device.ask(request(POST, "rd", mid=1, **register_parts(endpoint))))
        assert located.code == "2.01"
        shown = server.get(f"/api/v1/devices/{endpoint}")
        assert shown["transport"] == "coaps"
        assert read(device.ask(request(POST, located.location, mid=2))).code == "2.04"
        assert read(device.ask(request(4, located.location, mid=3))).code == "2.02"


@pytest.mark.parametrize(
    "cipher", ["PSK-AES128-CCM8", "PSK-AES128-CBC-SHA256", "PSK-AES128-GCM-SHA256"]
)
def test_openssl_registers_with_a_key(server: Server, cipher: str) -> None:
    registers(server, "dev-1", psk(cipher=cipher))


@pytest.mark.parametrize(
    "cipher",
    ["ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"],
)
def test_openssl_registers_with_a_certificate(
    server: Server, there: Path, authority: Made, cipher: str
) -> None:
    own = made_certificate("dev-2", authority)
    registers(server, "dev-2", certified(there, own, cipher))


@pytest.mark.parametrize(
    ("arguments", "alert"),
    [
        (psk(key=b"another key"), "alert decrypt error"),
        (psk(identity="nobody"), "alert unknown psk identity"),
        (psk(cipher="PSK-AES256-GCM-SHA384"), "alert handshake failure"),
    ],
    ids=["wrong key", "unknown identity", "no suite in common"],
)
def test_openssl_hears_why_a_key_is_refused(
    server: Server, arguments: list[str], alert: str
) -> None:
    with NothingLeft(server), Openssl(server, *arguments) as device:
        assert alert in device.words()


def _stranger(_: Made) -> Made:
    return made_certificate("dev-2", made_certificate("a stranger", None, is_authority=True))


def _posing(_: Made) -> Made:
    posing = made_certificate("an authority", None, is_authority=True)
    return made_certificate("dev-2", posing)


def _self_signed(_: Made) -> Made:
    return made_certificate("dev-2", None)


def _expired(authority: Made) -> Made:
    return made_certificate("dev-2", authority, days=1)


def _future(authority: Made) -> Made:
    return made_certificate("dev-2", authority, begins=datetime.now(UTC) + timedelta(days=2))


def _no_name(authority: Made) -> Made:
    return made_certificate(None, authority)


def _wrong_curve(authority: Made) -> Made:
    return made_certificate("dev-2", authority, curve=ec.SECP384R1())


def _name_of_another(authority: Made) -> Made:
    return made_certificate("dev-1", authority)  # that endpoint has a key


REFUSED: list[tuple[Callable[[Made], Made], str]] = [
    (_stranger, "unknown ca"),
    (_posing, "unknown ca"),
    (_self_signed, "unknown ca"),
    (_expired, "certificate expired"),
    (_future, "certificate expired"),
    (_no_name, "bad certificate"),
    (_wrong_curve, "unsupported certificate"),
    (_name_of_another, "bad certificate"),
]


@pytest.mark.parametrize(("make", "alert"), REFUSED, ids=[row[0].__name__ for row in REFUSED])
def test_openssl_hears_why_a_certificate_is_refused(
    server: Server, there: Path, authority: Made, make: Callable[[Made], Made], alert: str
) -> None:
    with NothingLeft(server), Openssl(server, *certified(there, make(authority))) as device:
        words = device.words()
        assert f"alert {alert}" in words, words


def test_openssl_without_a_certificate_is_refused(server: Server) -> None:
    with (
        NothingLeft(server),
        Openssl(server, "-cipher", "ECDHE-ECDSA-AES128-CCM8" + LEVEL_0) as device,
    ):
        words = device.words()
        assert "alert" in words, words


def test_a_certificates_name_is_the_only_one_it_may_register(
    server: Server, there: Path, authority: Made
) -> None:
    """The common name is another than the endpoint's: 4.03 to the Register, and nothing is kept."""
    before = state(server)
    with Openssl(server, *certified(there, made_certificate("dev-3", authority))) as device:
        message = request(POST, "rd", mid=1, **register_parts("dev-2"))
        assert read(device.ask(message)).code == "4.03"
        assert server.http.get("/api/v1/devices/dev-2").status_code == 404
        assert server.http.get("/api/v1/devices/dev-3").status_code == 404
    assert state(server)["registrations_current"] == before["registrations_current"]


# libcoap


class Libcoap:
    """One of its clients: a handshake and one request with each call."""

    def __init__(self, tool: str, where: tuple[str, int], *arguments: str) -> None:
        needs(tool)
        self.tool, self.arguments = tool, arguments
        self.root = "coaps://{}:{}".format(*where)

    def ask(self, method: str, path: str, *arguments: str, seconds: int = 15) -> str:
        """What it tells of the exchange, with messages and alerts."""
        command = [self.tool, "-v", "7", "-B", str(seconds), "-m", method, *self.arguments]
        found = subprocess.run(
            [*command, *arguments, self.root + path],
            capture_output=True,
            timeout=seconds + 15,
            check=False,
        )
        said = (found.stdout + found.stderr).decode(errors="replace")
        return "\n".join(line for line in said.splitlines() if "ciphersuite" not in line)

    def register(self, endpoint: str, **parts: int) -> str:
        links = ("-t", "40", "-e", "</>;rt=%22oma.lwm2m%22,</1/0>,</3/0>")
        return self.ask("post", f"/rd?ep={endpoint}&lwm2m=1.1&lt=600", *links, **parts)

    def registers(self, server: Server, endpoint: str) -> None:
        """Register, and Update and De-register by sessions of their own."""
        said = self.register(endpoint)
        location = re.search(r"c:2\.01 .*Location-Path:rd, Location-Path:([\w-]+)", said)
        assert location is not None, said
        assert server.get(f"/api/v1/devices/{endpoint}")["transport"] == "coaps"
        said = self.ask("post", f"/rd/{location[1]}?lt=700")
        assert "c:2.04" in said, said
        assert server.get(f"/api/v1/devices/{endpoint}")["lifetime_s"] == 700
        said = self.ask("delete", f"/rd/{location[1]}")
        assert "c:2.02" in said, said


def coap_key(identity: str = "an identity", key: bytes = TEXT_KEY) -> tuple[str, ...]:
    return ("-u", identity, "-k", key.decode())


def coap_certificate(there: Path, own: Made) -> tuple[str, ...]:
    file = there / f"{own.sha256}.pem"
    file.write_bytes(own.pem + own.key_pem)
    return ("-c", str(file), "-C", str(there / "authority.pem"))


@pytest.mark.parametrize("cipher", ["AES_128_CCM_8", "AES_128_CBC_SHA256", "AES_128_GCM_SHA256"])
def test_libcoap_registers_and_updates(
    tmp_path: Path, there: Path, authority: Made, cipher: str
) -> None:
    """With a key and with a certificate, over OpenSSL and over GnuTLS: whichever is there."""
    tools = [tool for tool in LIBCOAP if shutil.which(tool)]
    if not tools:
        pytest.skip("there is no client of libcoap")
    suites = f"TLS_PSK_WITH_{cipher},TLS_ECDHE_ECDSA_WITH_{cipher}"
    env = {**with_certificates(there), "LWM2M_FAST_DTLS__SUITES": suites}
    own = made_certificate("dev-2", authority)
    with served(tmp_path / "data", env=env) as only:
        give(only, "dev-1", "an identity", TEXT_KEY)
        for tool in tools:
            Libcoap(tool, coaps(only), *coap_key()).registers(only, "dev-1")
            Libcoap(tool, coaps(only), *coap_certificate(there, own)).registers(only, "dev-2")
        assert only.count("dtls_handshakes_done") == 6 * len(tools)
        assert only.count("dtls_sessions_current") == 0, "each has said goodbye"


ALERTS = {
    "decrypt error": "decrypt error",
    "unknown psk identity": "(unknown psk identity|psk username is missing or not known)",
    "unknown ca": "(unknown ca|ca is unknown)",
    "certificate expired": "certificate (has |is )?expired",
    "bad certificate": "(bad certificate|certificate is bad)",
    "unsupported certificate": "(unsupported certificate|certificate is not supported)",
}
"""As OpenSSL and GnuTLS say it."""


@pytest.mark.parametrize("tool", LIBCOAP)
@pytest.mark.parametrize(
    ("arguments", "alert"),
    [
        (coap_key(key=b"another key"), "decrypt error"),
        (coap_key(identity="nobody"), "unknown psk identity"),
    ],
    ids=["wrong key", "unknown identity"],
)
def test_libcoap_hears_why_a_key_is_refused(
    server: Server, tool: str, arguments: tuple[str, ...], alert: str
) -> None:
    with NothingLeft(server):
        said = Libcoap(tool, coaps(server), *arguments).register("dev-1")
        assert re.search(ALERTS[alert], said.lower()) and "c:2.01" not in said, said


@pytest.mark.parametrize("tool", LIBCOAP)
@pytest.mark.parametrize(("make", "alert"), REFUSED, ids=[row[0].__name__ for row in REFUSED])
def test_libcoap_hears_why_a_certificate_is_refused(
    server: Server,
    there: Path,
    authority: Made,
    tool: str,
    make: Callable[[Made], Made],
    alert: str,
) -> None:
    device = Libcoap(tool, coaps(server), *coap_certificate(there, make(authority)))
    with NothingLeft(server):
        said = device.register("dev-2")
        assert re.search(ALERTS[alert], said.lower()) and "c:2.01" not in said, said


@pytest.mark.parametrize("tool", LIBCOAP)
def test_libcoap_registers_over_a_bad_link(
    tmp_path: Path, there: Path, authority: Made, tool: str
) -> None:
    env = {**with_certificates(there), "LWM2M_FAST_DTLS__RETRANSMIT_FIRST_S": "0.3"}
    own = made_certificate("dev-2", authority)
    with served(tmp_path / "data", env=env) as far:
        with bad_proxy(coaps(far), seed=3, loss=0.1) as link:
            for _ in range(2):
                device = Libcoap(tool, link.where, *coap_certificate(there, own))
                assert "c:2.01" in device.register("dev-2", seconds=60)
        assert far.get("/api/v1/devices/dev-2")["transport"] == "coaps"
