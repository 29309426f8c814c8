"""How the secure side comes to life: vault, certificate, anchors, the DTLS port, and the report.

Knows the configuration; what happens afterwards is in secure.py.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lwm2m_fast.config import Config, suite_names
from lwm2m_fast.config.ports import port_numbers
from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.errors import ConfigError, RequestError
from lwm2m_fast.faults import Faults
from lwm2m_fast.fleet.admission import Admission
from lwm2m_fast.fleet.certificates import certificate_facts
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.net.dtls import DtlsDoor, DtlsEndpoint
from lwm2m_fast.net.dtls_base import DtlsOptions
from lwm2m_fast.net.dtls_session import DtlsContext, library, longest_key
from lwm2m_fast.net.udp import UdpEndpoint
from lwm2m_fast.ports import FIRST_DOOR, opened
from lwm2m_fast.secure import SecureSide, chain_and_key
from lwm2m_fast.server_identity import Identity, IdentityFiles, ServerIdentity
from lwm2m_fast.store.base import FleetStore, Store
from lwm2m_fast.vault_file import FILE_NAME, open_vault, passing_vault

_log = logging.getLogger("lwm2m_fast.secure")


def vault_of(config: Config, fleet: FleetStore) -> Vault:
    """The vault of this data directory. ConfigError: its key file cannot be used."""
    if config.store.kind == "memory":
        return passing_vault()
    return open_vault(config.store.key_file or config.store.data_dir / FILE_NAME, fleet)


def security_of(
    config: Config, store: Store, vault: Vault, faults: Faults | None = None
) -> DeviceCredentials:
    """Credentials and trust, with the anchors of the configuration among them."""
    security = DeviceCredentials(
        store.fleet, vault, longest_key=longest_key(), unfit=unfit, faults=faults
    )
    file = config.dtls.anchors
    if file is not None:
        try:
            security.trust.lend(file.read_bytes())
        except OSError as error:
            raise ConfigError(f"dtls.anchors: {file} cannot be read: {error.strerror}") from None
        except RequestError as error:
            raise ConfigError(f"dtls.anchors: {file}: {error}") from None
    return security


def unfit(der: bytes) -> str | None:
    """Why the DTLS library cannot use the certificate of an authority; None: it can.

    It reads all anchors or none: one of them would be in the way of every change, and of the next
    start. An authority whose own certificate is signed with RSA is one, say.
    """
    try:
        DtlsContext(psk=lambda identity: None, anchors=der)
    except ConfigError as error:
        return str(error)
    return None


@dataclass(frozen=True, slots=True)
class DtlsPort:
    """The DTLS port of a running server, and what it asks."""

    endpoint: DtlsEndpoint
    doors: list[UdpEndpoint]
    """Further ports to it."""
    admission: Admission
    identity: ServerIdentity | None

    def counted(self) -> tuple[Admission, *tuple[ServerIdentity, ...]]:
        """Those that count what they do, beside the endpoint."""
        return (self.admission, *(() if self.identity is None else (self.identity,)))

    def start(self) -> None:
        """Look at the certificate's files from now on."""
        if self.identity is not None:
            self.identity.start()

    async def stop(self) -> None:
        if self.identity is not None:
            await self.identity.stop()


def open_port(
    config: Config, security: DeviceCredentials, side: SecureSide, of: str = "server"
) -> DtlsPort | None:
    """Bind the port `of` the "server" or the "bootstrap" side, and let `side` know.

    None: it is switched off. ConfigError as UdpEndpoint.
    """
    dtls = config.dtls
    if not dtls.enabled:
        return None
    admission = security.admission(of, check_validity=dtls.check_validity)
    identity = _identity(config, side)
    if of == "server":
        security.server_identity = identity
    chain, key = chain_and_key(identity)
    endpoint = DtlsEndpoint(
        dtls.host,
        dtls.port,
        receive_buffer_bytes=config.coap.receive_buffer_bytes,
        send_buffer_bytes=config.coap.send_buffer_bytes,
        options=options_of(config),
        credentials=admission,
        listener=side,
        chain=chain,
        key=key,
        anchors=security.trust.pem() or None,
    )
    _, *doors = opened(_ports(config, endpoint))
    side.attach(endpoint, identity)
    return DtlsPort(endpoint, doors, admission, identity)


def _ports(config: Config, endpoint: DtlsEndpoint) -> Iterator[UdpEndpoint]:
    yield endpoint
    for place, port in enumerate(port_numbers(config.dtls.more_ports)):
        yield DtlsDoor(
            endpoint,
            config.dtls.host,
            port,
            local=FIRST_DOOR + place,
            receive_buffer_bytes=config.coap.receive_buffer_bytes,
            send_buffer_bytes=config.coap.send_buffer_bytes,
        )


def options_of(config: Config) -> DtlsOptions:
    """The section `dtls` as net/dtls wants it."""
    dtls = config.dtls
    return DtlsOptions(
        suites=suite_names(dtls.suites),
        cid_length=None if dtls.cid_length < 0 else dtls.cid_length,
        shard=config.shard,
        max_sessions=dtls.max_sessions,
        max_handshakes=dtls.max_handshakes,
        handshakes_per_prefix_s=dtls.handshakes_per_prefix_s,
        handshake_ms_per_wakeup=dtls.handshake_ms_per_wakeup,
        handshake_timeout_s=dtls.handshake_timeout_s,
        idle_save_s=dtls.idle_save_s,
        session_timeout_s=dtls.session_timeout_s,
        resumptions=dtls.resumptions,
        resumption_s=dtls.resumption_s,
        retransmit_first_s=dtls.retransmit_first_s,
        retransmit_most_s=dtls.retransmit_most_s,
        mtu=dtls.mtu,
    )


def _identity(config: Config, side: SecureSide) -> ServerIdentity | None:
    dtls = config.dtls
    if dtls.certificate is None:
        return None
    password = dtls.key_password
    files = IdentityFiles(
        dtls.certificate, dtls.key, password.get_secret_value() if password else None
    )
    identity = ServerIdentity(files, side.use_certificate)
    identity.load()
    return identity


def report(config: Config, port: DtlsPort | None, security: DeviceCredentials) -> None:
    """One line on what secure devices find here; nothing secret is in it."""
    if port is None:
        _log.info("DTLS is switched off")
        return
    identity = None if port.identity is None else port.identity.current
    _log.info(
        "serving DTLS",
        extra={
            "host": config.dtls.host,
            "port": port.endpoint.port,
            "library": library(),
            "suites": list(suite_names(config.dtls.suites)),
            "modes": ["PSK"] if identity is None else ["PSK", "X509"],
            "credentials": len(security.credentials),
            "anchors": len(security.trust),
            "certificate": None if identity is None else _shown(identity),
        },
    )


def _shown(identity: Identity) -> dict[str, Any]:
    """What may be known of the server's certificate, to write it to devices."""
    key = x509.load_der_x509_certificate(identity.leaf).public_key()
    public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        **certificate_facts(identity.leaf),
        "der": identity.leaf.hex(),
        "public_key": public.hex(),
    }
