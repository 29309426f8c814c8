"""Settings of the bootstrap server: its ports, what devices are told of it, times and bounds."""

from __future__ import annotations

from pathlib import Path

from lwm2m_fast.config.ports import WORDS, MorePorts
from lwm2m_fast.config.section import Section, field, words


class BootstrapConfig(Section):
    """The bootstrap server (LwM2M, section 6.1): gives configured devices their accounts."""

    enabled: bool = field(
        False,
        "On: its ports are opened. Devices bootstrap only where that is configured. What was "
        "switched by `lwm2m-fast bootstrap on` or `off` counts before this.",
    )
    host: str = field("0.0.0.0", "Address to listen on; `::` listens on IPv6.", min_length=1)  # noqa: S104 - devices come from outside
    port: int = field(
        5683,
        "Plain CoAP port of the bootstrap server. 0 takes any free port and prints it.",
        ge=0,
        le=65535,
    )
    dtls_port: int = field(
        5684,
        "Its DTLS port, for devices that bootstrap with a key or a certificate; opened where "
        "`dtls.enabled`. 0 takes any free port and prints it.",
        ge=0,
        le=65535,
    )
    more_ports: MorePorts = field(
        "",
        "Further plain ports of the bootstrap server.",
        json_schema_extra=words(WORDS),
    )
    more_dtls_ports: MorePorts = field(
        "",
        "Further DTLS ports of the bootstrap server.",
        json_schema_extra=words(WORDS),
    )
    uri: str | None = field(
        None,
        "Where devices find the plain port (`coap://HOST:PORT`): written to those whose own "
        "bootstrap account is rewritten. Its host stands for addresses in device profiles that no "
        "device can reach. Unset: both are refused.",
        max_length=255,
        json_schema_extra=words("a URI"),
    )
    secure_uri: str | None = field(
        None,
        "The same for the DTLS port (`coaps://HOST:PORT`).",
        max_length=255,
        json_schema_extra=words("a URI"),
    )
    certificates: Path | None = field(
        None,
        "Directory with certificates of servers, NAME.pem, that configurations name in "
        "`x509ServerCertificateName`. The server's own is called `default`.",
        json_schema_extra=words("a directory"),
    )
    default_lifetime_s: int = field(
        432_000,
        "Registration lifetime that is written to devices without one of their own: five days.",
        ge=0,
        le=4294967295,
    )
    default_short_server_id: int = field(
        1,
        "Short id of the LwM2M server that is written to devices whose configuration has none.",
        ge=1,
        le=65534,
    )
    max_sessions: int = field(10_000, "Bootstraps under way at once.", ge=1, le=1_000_000)
    session_timeout_s: float = field(
        180.0, "What one bootstrap may take in all.", ge=1.0, le=3600.0
    )
    request_timeout_s: float = field(
        60.0, "What a device may take for one answer of it.", ge=1.0, le=600.0
    )
