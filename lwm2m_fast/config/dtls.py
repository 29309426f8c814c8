"""Settings of the DTLS endpoint: ports, cipher suites, the server's certificate, times and bounds.

The suites are only names here; what they are is the library's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from lwm2m_fast.config.ports import WORDS, MorePorts
from lwm2m_fast.config.section import Section, field, words

SUITES = (
    "TLS_PSK_WITH_AES_128_CCM_8",
    "TLS_PSK_WITH_AES_128_GCM_SHA256",
    "TLS_PSK_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
)


def _suites(value: str) -> str:
    if not set(suite_names(value)) <= set(SUITES):
        raise ValueError("not a list of cipher suites")
    return value


def suite_names(value: str) -> tuple[str, ...]:
    """`dtls.suites` taken apart; `all` is every one there is."""
    names = tuple(name.strip() for name in value.split(","))
    return SUITES if names == ("all",) else names


class DtlsConfig(Section):
    """The DTLS 1.2 endpoint (RFC 6347), for devices with a pre-shared key or a certificate. Which
    keys and certificates is said by `lwm2m-fast credentials` and the HTTP interface."""

    enabled: bool = field(True, "Off: no DTLS port is opened, and secure devices are not served.")
    host: str = field("0.0.0.0", "Address to listen on; `::` listens on IPv6.", min_length=1)  # noqa: S104 - devices come from outside
    port: int = field(
        5784,
        "DTLS port of the LwM2M server; 5684 is left to the bootstrap server. 0 takes any free "
        "port and prints it.",
        ge=0,
        le=65535,
    )
    more_ports: MorePorts = field(
        "",
        "Further DTLS ports, for devices that were set up for those: the same keys, certificates "
        "and sessions at each.",
        json_schema_extra=words(WORDS),
    )
    suites: Annotated[str, AfterValidator(_suites)] = field(
        "all",
        "Cipher suites that devices may use, IANA names separated by commas. Sessions with a CBC "
        "suite do not outlive a restart, nor are their buffers freed.",
        json_schema_extra=words("all, or some of " + ", ".join(SUITES)),
    )
    cid_length: int = field(
        6,
        "Bytes of the connection ids that devices are given (RFC 9146), so that a new address "
        "behind a NAT does not end the session. 0: they are given none, and theirs are used. "
        "-1: the extension is not used at all.",
        ge=-1,
        le=16,
    )
    certificate: Path | None = field(
        None,
        "File with the server's certificate chain, for devices with certificates: PEM, leaf "
        "first, or PKCS #12 with the key. Looked at every 2 seconds, and read again when it has "
        "changed; sessions go on. Unset: only pre-shared keys are served.",
        json_schema_extra=words("a file"),
    )
    key: Path | None = field(
        None,
        "File with the private key of the certificate, PEM. Unset where the same file has it.",
        json_schema_extra=words("a file"),
    )
    key_password: SecretStr | None = field(
        None,
        "Password of the private key, or of the PKCS #12 file. Unset: there is none.",
        min_length=1,
        max_length=256,
    )
    anchors: Path | None = field(
        None,
        "File with certificates of authorities (PEM) that devices are trusted by, read at the "
        "start, beside those given over the HTTP interface. Without any, only pinned certificates "
        "are trusted.",
        json_schema_extra=words("a file"),
    )
    check_validity: bool = field(
        True,
        "Refuse certificates of devices that have expired, or are not yet valid. Off suits "
        "fleets whose certificates outlived their time in the field.",
    )
    max_sessions: int = field(
        1_000_000,
        "DTLS sessions held at once, idle ones included; more are refused at the handshake.",
        ge=1,
        le=16777216,
    )
    max_handshakes: int = field(
        4096, "Handshakes under way at once (about 16 KiB of memory each).", ge=1, le=1 << 20
    )
    handshakes_per_prefix_s: int = field(
        0,
        "Handshakes per second from one /24 (IPv4) or /56 (IPv6). 0: no such bound, as a whole "
        "fleet may stand behind one NAT.",
        ge=0,
        le=1_000_000,
    )
    handshake_ms_per_wakeup: int = field(
        4,
        "Time that handshakes may take before records of authenticated devices are looked at: "
        "keeps a storm of handshakes from slowing them.",
        ge=1,
        le=1000,
    )
    handshake_timeout_s: float = field(
        60.0,
        "A handshake that has not ended in this time is given up.",
        ge=1.0,
        le=600.0,
    )
    idle_save_s: float = field(
        10.0,
        "A session that was silent for so long is packed (some 300 bytes), and its buffers freed.",
        ge=0.1,
        le=86400.0,
    )
    session_timeout_s: float = field(
        604_800.0,
        "A session that was silent for so long is forgotten; the device has to handshake again.",
        ge=1.0,
        le=31_536_000.0,
    )
    resumptions: int = field(
        4096,
        "Sessions kept for an abbreviated handshake (RFC 5246, section 7.3). 0: none.",
        ge=0,
        le=65535,
    )
    resumption_s: int = field(86_400, "How long one is kept for that.", ge=1, le=604_800)
    retransmit_first_s: float = field(
        2.0, "First timeout of a handshake's flight (RFC 6347, section 4.2.4).", ge=0.1, le=60.0
    )
    retransmit_most_s: float = field(60.0, "Largest one, after doubling.", ge=0.1, le=300.0)
    mtu: int = field(
        1280,
        "Largest datagram of a handshake; longer messages are fragmented. 1,280 passes everywhere.",
        ge=256,
        le=1400,
    )
