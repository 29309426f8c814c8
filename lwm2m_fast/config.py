"""Every setting of the server: name, unit, bounds, default and the reason for it.

Knows neither what a setting does nor where its value comes from: sources.py reads flags,
environment and file, docs/config.md is printed from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from lwm2m_fast.presets import PRESETS

ENV_PREFIX = "LWM2M_FAST_"
BLOCK_SIZES = (16, 32, 64, 128, 256, 512, 1024)


def _block_size(value: int) -> int:
    if value not in BLOCK_SIZES:
        raise ValueError("not a block size")
    return value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _field(default: Any, reason: str, **bounds: Any) -> Any:
    return Field(default=default, description=reason, **bounds)


def _words(allowed: str) -> dict[str, Any]:
    """For a value that no bound describes: what may stand there."""
    return {"allowed": allowed}


_BLOCK_SIZES: dict[str, Any] = {"enum": list(BLOCK_SIZES)}
BlockSize = Annotated[int, AfterValidator(_block_size), Field(json_schema_extra=_BLOCK_SIZES)]


class CoapConfig(_Section):
    """The CoAP endpoint that devices talk to (RFC 7252, RFC 7959)."""

    host: str = _field("0.0.0.0", "Address to listen on; `::` listens on IPv6.", min_length=1)  # noqa: S104 - devices come from outside
    port: int = _field(
        5783,
        "Plain CoAP port of the LwM2M server; 5683 is left to the bootstrap server. 0 takes any "
        "free port and prints it.",
        ge=0,
        le=65535,
    )
    receive_buffer_bytes: int = _field(
        4 << 20,
        "SO_RCVBUF asked for: some 5,000 datagrams wait in it while a turn commits. The kernel "
        "may grant less (net.core.rmem_max); what it grants is logged at start-up.",
        ge=4096,
        le=1 << 30,
    )
    send_buffer_bytes: int = _field(
        4 << 20, "SO_SNDBUF asked for, for bursts of answers.", ge=4096, le=1 << 30
    )
    batches_per_wakeup: int = _field(
        8,
        "Receive batches of 64 datagrams worked off before the loop turns to HTTP and timers: "
        "keeps a turn within a few milliseconds.",
        ge=1,
        le=64,
    )
    ack_timeout_s: float = _field(2.0, "ACK_TIMEOUT (RFC 7252, section 4.8).", ge=0.1, le=120.0)
    ack_random_factor: float = _field(
        1.5, "ACK_RANDOM_FACTOR (RFC 7252, section 4.8).", ge=1.0, le=3.0
    )
    max_retransmit: int = _field(4, "MAX_RETRANSMIT (RFC 7252, section 4.8).", ge=0, le=20)
    nstart: int = _field(
        1, "NSTART (RFC 7252, section 4.7): requests in flight per device.", ge=1, le=16
    )
    exchange_lifetime_s: float = _field(
        247.0,
        "EXCHANGE_LIFETIME (RFC 7252, section 4.8.2): how long a confirmable message id of a "
        "device is remembered.",
        ge=1.0,
        le=86400.0,
    )
    non_lifetime_s: float = _field(
        145.0,
        "NON_LIFETIME (RFC 7252, section 4.8.2): the same for non-confirmable messages.",
        ge=1.0,
        le=86400.0,
    )
    response_timeout_s: float = _field(
        120.0,
        "How long a device that acknowledged a request may take for its separate response.",
        ge=1.0,
        le=86400.0,
    )
    max_exchanges: int = _field(
        65536, "Requests under way to devices, all devices together.", ge=1, le=16777216
    )
    max_waiting_per_device: int = _field(
        16, "Requests that may wait for one device; more are refused with 429.", ge=1, le=4096
    )
    block_size: BlockSize = _field(
        1024, "Largest block the server offers (RFC 7959): 1,024 fits an Ethernet MTU."
    )
    max_body_bytes: int = _field(
        65536,
        "Largest body assembled from blocks; a longer one is refused with 4.13.",
        ge=1024,
        le=16 << 20,
    )
    max_block_transfers: int = _field(
        1024,
        "Block-wise transfers kept at once; bounds their memory to max_body_bytes times this.",
        ge=1,
        le=1 << 20,
    )
    block_timeout_s: float = _field(
        247.0,
        "An unfinished block-wise transfer is forgotten after this silence (EXCHANGE_LIFETIME).",
        ge=1.0,
        le=86400.0,
    )
    amplification_limit: int = _field(
        3,
        "An unverified source gets at most this many times the bytes it sent (RFC 9175, "
        "section 2.4), so that the server is no weapon against a forged address.",
        ge=1,
        le=100,
    )


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


class DtlsConfig(_Section):
    """The DTLS 1.2 endpoint (RFC 6347), for devices with a pre-shared key or a certificate. Which
    keys and certificates is said by `lwm2m-fast credentials` and the HTTP interface."""

    enabled: bool = _field(True, "Off: no DTLS port is opened, and secure devices are not served.")
    host: str = _field("0.0.0.0", "Address to listen on; `::` listens on IPv6.", min_length=1)  # noqa: S104 - devices come from outside
    port: int = _field(
        5784,
        "DTLS port of the LwM2M server; 5684 is left to the bootstrap server. 0 takes any free "
        "port and prints it.",
        ge=0,
        le=65535,
    )
    suites: Annotated[str, AfterValidator(_suites)] = _field(
        "all",
        "Cipher suites that devices may use, IANA names separated by commas. Sessions with a CBC "
        "suite do not outlive a restart, nor are their buffers freed.",
        json_schema_extra=_words("all, or some of " + ", ".join(SUITES)),
    )
    cid_length: int = _field(
        6,
        "Bytes of the connection ids that devices are given (RFC 9146), so that a new address "
        "behind a NAT does not end the session. 0: they are given none, and theirs are used. "
        "-1: the extension is not used at all.",
        ge=-1,
        le=16,
    )
    certificate: Path | None = _field(
        None,
        "File with the server's certificate chain, for devices with certificates: PEM, leaf "
        "first, or PKCS #12 with the key. Looked at every 2 seconds, and read again when it has "
        "changed; sessions go on. Unset: only pre-shared keys are served.",
        json_schema_extra=_words("a file"),
    )
    key: Path | None = _field(
        None,
        "File with the private key of the certificate, PEM. Unset where the same file has it.",
        json_schema_extra=_words("a file"),
    )
    key_password: SecretStr | None = _field(
        None,
        "Password of the private key, or of the PKCS #12 file. Unset: there is none.",
        min_length=1,
        max_length=256,
    )
    anchors: Path | None = _field(
        None,
        "File with certificates of authorities (PEM) that devices are trusted by, read at the "
        "start, beside those given over the HTTP interface. Without any, only pinned certificates "
        "are trusted.",
        json_schema_extra=_words("a file"),
    )
    check_validity: bool = _field(
        True,
        "Refuse certificates of devices that have expired, or are not yet valid. Off suits "
        "fleets whose certificates outlived their time in the field.",
    )
    max_sessions: int = _field(
        1_000_000,
        "DTLS sessions held at once, idle ones included; more are refused at the handshake.",
        ge=1,
        le=16777216,
    )
    max_handshakes: int = _field(
        4096, "Handshakes under way at once (about 16 KiB of memory each).", ge=1, le=1 << 20
    )
    handshakes_per_prefix_s: int = _field(
        0,
        "Handshakes per second from one /24 (IPv4) or /56 (IPv6). 0: no such bound, as a whole "
        "fleet may stand behind one NAT.",
        ge=0,
        le=1_000_000,
    )
    handshake_ms_per_wakeup: int = _field(
        4,
        "Time that handshakes may take before records of authenticated devices are looked at: "
        "keeps a storm of handshakes from slowing them.",
        ge=1,
        le=1000,
    )
    handshake_timeout_s: float = _field(
        60.0,
        "A handshake that has not ended in this time is given up.",
        ge=1.0,
        le=600.0,
    )
    idle_save_s: float = _field(
        10.0,
        "A session that was silent for so long is packed (some 300 bytes), and its buffers freed.",
        ge=0.1,
        le=86400.0,
    )
    session_timeout_s: float = _field(
        604_800.0,
        "A session that was silent for so long is forgotten; the device has to handshake again.",
        ge=1.0,
        le=31_536_000.0,
    )
    resumptions: int = _field(
        4096,
        "Sessions kept for an abbreviated handshake (RFC 5246, section 7.3). 0: none.",
        ge=0,
        le=65535,
    )
    resumption_s: int = _field(86_400, "How long one is kept for that.", ge=1, le=604_800)
    retransmit_first_s: float = _field(
        2.0, "First timeout of a handshake's flight (RFC 6347, section 4.2.4).", ge=0.1, le=60.0
    )
    retransmit_most_s: float = _field(60.0, "Largest one, after doubling.", ge=0.1, le=300.0)
    mtu: int = _field(
        1280,
        "Largest datagram of a handshake; longer messages are fragmented. 1,280 passes everywhere.",
        ge=256,
        le=1400,
    )


class BootstrapConfig(_Section):
    """The bootstrap server (LwM2M, section 6.1): gives configured devices their accounts."""

    enabled: bool = _field(
        False, "On: both of its ports are opened. Devices bootstrap only where that is configured."
    )
    host: str = _field("0.0.0.0", "Address to listen on; `::` listens on IPv6.", min_length=1)  # noqa: S104 - devices come from outside
    port: int = _field(
        5683,
        "Plain CoAP port of the bootstrap server. 0 takes any free port and prints it.",
        ge=0,
        le=65535,
    )
    dtls_port: int = _field(
        5684,
        "Its DTLS port, for devices that bootstrap with a key or a certificate; opened where "
        "`dtls.enabled`. 0 takes any free port and prints it.",
        ge=0,
        le=65535,
    )
    uri: str | None = _field(
        None,
        "Where devices find the plain port (`coap://HOST:PORT`): written to those whose own "
        "bootstrap account is rewritten. Unset: that is refused.",
        max_length=255,
        json_schema_extra=_words("a URI"),
    )
    secure_uri: str | None = _field(
        None,
        "The same for the DTLS port (`coaps://HOST:PORT`).",
        max_length=255,
        json_schema_extra=_words("a URI"),
    )
    certificates: Path | None = _field(
        None,
        "Directory with certificates of servers, NAME.pem, that configurations name in "
        "`x509ServerCertificateName`. The server's own is called `default`.",
        json_schema_extra=_words("a directory"),
    )
    default_lifetime_s: int = _field(
        432_000,
        "Registration lifetime that is written to devices without one of their own: five days.",
        ge=0,
        le=4294967295,
    )
    default_short_server_id: int = _field(
        1,
        "Short id of the LwM2M server that is written to devices whose configuration has none.",
        ge=1,
        le=65534,
    )
    max_sessions: int = _field(10_000, "Bootstraps under way at once.", ge=1, le=1_000_000)
    session_timeout_s: float = _field(
        180.0, "What one bootstrap may take in all.", ge=1.0, le=3600.0
    )
    request_timeout_s: float = _field(
        60.0, "What a device may take for one answer of it.", ge=1.0, le=600.0
    )


class RegistrationConfig(_Section):
    """Who may register, and how long a registration lives."""

    policy: Literal["provisioned", "open"] = _field(
        "provisioned",
        "`provisioned` lets only listed endpoint names register (4.03 otherwise); `open` lets "
        "everybody, which suits a trial and nothing else.",
    )
    default_lifetime_s: int = _field(
        86400,
        "Lifetime of a registration that names none (LwM2M, section 6.2.1).",
        ge=1,
        le=4294967295,
    )
    grace_s: float = _field(
        93.0,
        "Kept this long past its lifetime: MAX_TRANSMIT_WAIT (RFC 7252, section 4.8.2), so "
        "that an Update that was sent in time still arrives in time.",
        ge=0.0,
        le=86400.0,
    )
    max_devices: int = _field(
        4_000_000,
        "Registrations held at most (about 1 KiB of memory each); more get 5.03.",
        ge=1,
        le=16777216,
    )
    max_link_bytes: int = _field(
        256 << 20,
        "Memory of all distinct object lists together; devices of one firmware share one.",
        ge=65536,
        le=1 << 34,
    )
    contact_flush_s: float = _field(
        60.0,
        "An Update that changes nothing is written to the store within this time; after a "
        "restart a registration may live that much longer.",
        ge=0.1,
        le=3600.0,
    )


class ReportingConfig(_Section):
    """What devices report by themselves, notifications (LwM2M, section 6.4) and Send, and the last
    values that are kept of it."""

    reestablish: bool = _field(
        True,
        "Keep what a device was asked to report when it registers anew without leaving, and ask "
        "for it again. Off: it ends with the registration, as in the standard.",
    )
    max_observations_per_device: int = _field(
        64, "Observations of one device; more are refused with 429.", ge=1, le=4096
    )
    max_observations: int = _field(
        1_000_000,
        "Observations of all devices together (about 200 bytes of memory each).",
        ge=1,
        le=16777216,
    )
    values_flush_s: float = _field(
        1.0,
        "Last values are written to the store within this time. A killed process loses those of "
        "the last interval, and nothing else; a stopped one loses none.",
        ge=0.05,
        le=60.0,
    )
    max_values_per_device: int = _field(
        1000,
        "Last values kept of one device; beyond, those that are oldest by their time go.",
        ge=1,
        le=65536,
    )
    max_value_bytes: int = _field(
        65536, "A longer text or opaque value is not kept, and counted.", ge=64, le=1 << 19
    )
    max_valued_devices: int = _field(
        4_000_000,
        "Devices whose last values are kept, registered or not; of further ones nothing is kept "
        "until some are forgotten.",
        ge=1,
        le=1 << 26,
    )
    max_unflushed_reports: int = _field(
        65536,
        "Reports waiting in memory to be written. At half of it they are written at once; at all "
        "of it, as the store does not follow, the oldest go, and are counted.",
        ge=64,
        le=1 << 24,
    )


class QueueConfig(_Section):
    """Operations kept for devices until they can be reached."""

    awake_time_ms: int = _field(
        0,
        "How long a device listens after it was heard, unless its settings or its `at` attribute "
        "say otherwise. 0: always.",
        ge=0,
        le=86_400_000,
    )
    max_operations_per_device: int = _field(
        1000,
        "Operations that may wait for one device; more are refused with 429.",
        ge=1,
        le=100_000,
    )
    max_operations: int = _field(
        10_000_000,
        "Operations that may wait in all (some 200 bytes of memory for a device that has any).",
        ge=1,
        le=1_000_000_000,
    )
    request_timeout_s: float = _field(
        120.0,
        "An operation that is not answered in this time waits for the device's next contact.",
        ge=1.0,
        le=3600.0,
    )
    min_request_timeout_s: float = _field(
        0.1, "Shortest timeout that an operation may ask for.", ge=0.1, le=3600.0
    )
    max_request_timeout_s: float = _field(
        600.0, "Longest timeout that an operation may ask for.", ge=1.0, le=3600.0
    )
    stale_after_s: float = _field(
        172_800.0,
        "An operation that has been executing for so long fails as stale.",
        ge=1.0,
        le=31_536_000.0,
    )
    history_per_device: int = _field(
        100, "Ended operations kept per device; the oldest go first.", ge=1, le=10_000
    )
    post_registration_pending: int = _field(
        10,
        "Operations already pending that a device gets before its post-registration list; the "
        "rest come after it.",
        ge=0,
        le=1000,
    )
    max_batches: int = _field(
        100, "Batches remembered; the oldest one that has ended makes room.", ge=1, le=10_000
    )
    max_waiters: int = _field(
        10_000, "Callers that wait for the end of an operation at once.", ge=1, le=1_000_000
    )


class StoreConfig(_Section):
    """Where registrations and fleet configuration are kept."""

    kind: Literal["lmdb", "memory"] = _field(
        "lmdb", "`lmdb` survives restarts; `memory` forgets everything, for tests."
    )
    data_dir: Path = _field(
        Path("data"), "Directory of the store, created with mode 0700. One server per directory."
    )
    key_file: Path | None = _field(
        None,
        "File with the key that secrets are encrypted with at rest, mode 0600. Made where it does "
        "not exist. Keep a copy apart from the data: without it credentials are lost. Unset: "
        "`vault.key` in the data directory.",
        json_schema_extra=_words("a file"),
    )
    durability: Literal["commit", "sync"] = _field(
        "commit",
        "`commit` survives a killed process; `sync` also a power failure, at the price of a "
        "disk wait before each batch of answers.",
    )
    sync_interval_s: float = _field(
        1.0, "With `commit`, what is written reaches the disk within this time.", ge=0.05, le=300.0
    )
    checkpoint_interval_s: float = _field(
        1.0, "How often the journal is folded into the tables.", ge=0.05, le=300.0
    )
    journal_max_bytes: int = _field(
        64 << 20,
        "Size at which the journal is folded before more is taken; bounds the replay at start-up.",
        ge=1 << 20,
        le=1 << 34,
    )


class FilesConfig(_Section):
    """Uploaded files, for operations that write one to a device; below the data directory."""

    max_file_bytes: int = _field(256 << 20, "Longest file taken.", ge=1, le=(1 << 32) - 1)
    max_files: int = _field(256, "Files kept at once.", ge=1, le=65536)
    max_total_bytes: int = _field(4 << 30, "All files together; more is refused.", ge=1, le=1 << 44)
    max_uploads: int = _field(8, "Files being uploaded at the same time.", ge=1, le=1024)


class HttpConfig(_Section):
    """The HTTP interface for operators and applications."""

    host: str = _field(
        "127.0.0.1",
        "Address to listen on. Loopback, because the traffic is not encrypted: put a TLS proxy "
        "in front before opening it.",
        min_length=1,
    )
    port: int = _field(8080, "HTTP port. 0 takes any free port and prints it.", ge=0, le=65535)
    admin_token: SecretStr | None = _field(
        None,
        "Bearer token with the role admin. Unset: one is made at the first start and printed "
        "once. Only a keyed hash of it is stored.",
        min_length=1,
        max_length=256,
    )
    metrics_open: bool = _field(
        False, "Serve /metrics without a token, for a scraper on a trusted network."
    )
    leshan_api: bool = _field(
        False,
        "Also serve the HTTP interface of Leshan's demo server (docs/leshan.md), for tools that "
        "were written for it. Off: it is for those who migrate.",
    )
    leshan_open: bool = _field(
        False,
        "Serve it without a token, as Leshan does, to programs of this machine: `http.host` has to "
        "be a loopback address. For trials.",
    )
    max_subscribers: int = _field(
        64, "Event streams open at once; more are refused with 429.", ge=1, le=10000
    )
    subscriber_queue: int = _field(
        1000,
        "Events waiting for one slow subscriber; more are dropped, counted and reported to it.",
        ge=1,
        le=1_000_000,
    )


class LogConfig(_Section):
    """Lines on standard error; never one per datagram."""

    level: Literal["debug", "info", "warning", "error"] = _field(
        "info", "Least severity that is written."
    )
    format: Literal["json", "console"] = _field(
        "json", "`json` is one object per line, for collectors; `console` is for people."
    )
    device_events: bool = _field(
        False,
        "Also one line per registration, deregistration and expiry. Off, because a fleet of a "
        "million devices would fill the disk.",
    )


class Config(BaseSettings):
    """The whole configuration. `Config()` is the defaults; sources.load() reads the rest."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
    )

    preset: Literal["cumulocity", "thingsboard", "thingsboard-psk", "thingsboard-x509"] | None = (
        _field(
            None,
            "Ports, times and lengths that fleets of another server expect; every other source of "
            "a setting wins over it.",
            json_schema_extra=_words("one of " + ", ".join(PRESETS)),
        )
    )
    enabled: bool = _field(
        True,
        "Off: no port for devices is opened, whatever else says so; the HTTP interface serves.",
    )
    coap: CoapConfig = CoapConfig()
    dtls: DtlsConfig = DtlsConfig()
    bootstrap: BootstrapConfig = BootstrapConfig()
    registration: RegistrationConfig = RegistrationConfig()
    reporting: ReportingConfig = ReportingConfig()
    queue: QueueConfig = QueueConfig()
    store: StoreConfig = StoreConfig()
    files: FilesConfig = FilesConfig()
    http: HttpConfig = HttpConfig()
    log: LogConfig = LogConfig()
    shard: int = _field(
        0,
        "Number of this worker. Registration ids, tokens and message ids carry it, so that any "
        "worker can forward a datagram to its owner.",
        ge=0,
        le=63,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `Config(...)` alone depends on its arguments only; sources.load() adds the rest.
        return (init_settings,)


def contradictions(config: Config) -> list[str]:
    """What cannot be at once, though each value by itself may; empty when all is well."""
    queue = config.queue
    least, own, most = (
        queue.min_request_timeout_s,
        queue.request_timeout_s,
        queue.max_request_timeout_s,
    )
    return [
        f"queue.{name} is {value:g}, {how} queue.{other}, {bound:g}"
        for name, value, how, other, bound, is_wrong in (
            ("request_timeout_s", own, "less than", "min_request_timeout_s", least, own < least),
            ("request_timeout_s", own, "more than", "max_request_timeout_s", most, own > most),
            ("max_request_timeout_s", most, "less than", "min_request_timeout_s", least,
             most < least),
        )
        if is_wrong
    ]  # fmt: skip


class Setting(NamedTuple):
    """One leaf of the tree, as the documentation and the messages show it."""

    section: str  # "" for the top level
    name: str
    info: FieldInfo

    @property
    def path(self) -> str:
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def env(self) -> str:
        return ENV_PREFIX + self.path.replace(".", "__").upper()

    @property
    def is_secret(self) -> bool:
        return SecretStr in (self.info.annotation, *get_args(self.info.annotation))

    @property
    def allowed(self) -> str:
        """What may stand here, in words."""
        return _allowed(self.info)


def sections() -> dict[str, type[BaseModel]]:
    """Section name to its class, in the order of the file."""
    found = {name: info.annotation for name, info in Config.model_fields.items()}
    return {k: v for k, v in found.items() if isinstance(v, type) and issubclass(v, BaseModel)}


def settings() -> Iterator[Setting]:
    """Every setting there is, in the order of the file; the top level comes first."""
    inner = sections()
    for name, info in Config.model_fields.items():
        if name not in inner:
            yield Setting("", name, info)
    for section, model in inner.items():
        for name, info in model.model_fields.items():
            yield Setting(section, name, info)


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", Path: "a directory"}


def _allowed(info: FieldInfo) -> str:
    if get_origin(info.annotation) is Literal:
        return "one of " + ", ".join(map(str, get_args(info.annotation)))
    if isinstance(info.json_schema_extra, dict) and "allowed" in info.json_schema_extra:
        return str(info.json_schema_extra["allowed"])
    if info.json_schema_extra == _BLOCK_SIZES:
        return "one of " + ", ".join(map(str, BLOCK_SIZES))
    bounds = {
        name: getattr(mark, name)
        for mark in info.metadata
        for name in ("ge", "le", "max_length")
        if hasattr(mark, name)
    }
    kind = next((word for t, word in _KINDS.items() if t is info.annotation), "text")
    if "ge" in bounds:
        kind += f" from {bounds['ge']} to {bounds['le']}"
    if "max_length" in bounds:
        kind += f" of 1 to {bounds['max_length']} characters"
    return kind if kind != "text" else "text, not empty"
