"""The fields of a device's configuration: name, type, bounds, default, and what each is for.

Names in JSON are those of existing fleets' tools; a second name is accepted where files in use have
one. What the fields must be together is in configuration.py; how CSV columns are called, in
csv_columns.py. Knows neither where a configuration is kept nor what it changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic import SecretStr as Secret
from pydantic.alias_generators import to_camel

from lwm2m_fast.fleet.bootstrap_steps import (
    MAX_DELETES,
    MAX_READS,
    deleted,
    to_read,
    written,
)
from lwm2m_fast.fleet.settings import MAX_INTERVAL_MIN

MAX_ENDPOINT_BYTES: Final = 255
MAX_IDENTITY_BYTES: Final = 128
"""PSK identities: RFC 4279, section 5.3."""
MAX_KEY_BYTES: Final = 64
MAX_PEM: Final = 16_384
MAX_SERVERS: Final = 8
USUAL_SHORT_ID: Final = 1
MAX_TEXT: Final = 1_024
MAX_PROFILE_NAME: Final = 64
"""Bytes."""
MAX_MS: Final = 2_147_483_647
UINT32: Final = 4_294_967_295

MODES: Final = ("NO_SEC", "PSK", "X509", "PSK_GENERATED")
ENCODINGS: Final = ("OPAQUE", "TLV", "JSON", "TEXT")
_URI_TEXT: Final = re.compile(r"[!-~]+", re.ASCII)
"""urlsplit() passes over line ends and blanks, which no device would."""

FORMATS: Final = ("TLV", "JSON", "CBOR", "TEXT", "OPAQUE", "SENML_JSON", "SENML_CBOR")


def _bounded(most: int, what: str) -> AfterValidator:
    def check(text: str) -> str:
        size = len(text.encode("utf-8", "surrogatepass"))
        if not 1 <= size <= most:
            raise ValueError(f"{what} has 1 to {most} bytes of UTF-8, this has {size}")
        return text

    return AfterValidator(check)


def checked_profile_name(name: str) -> str:
    """`name` if a device profile can be called so; ValueError."""
    size = len(name.encode("utf-8", "surrogatepass"))
    if not 1 <= size <= MAX_PROFILE_NAME or not name.isprintable() or name != name.strip():
        raise ValueError(
            f"a profile's name has 1 to {MAX_PROFILE_NAME} bytes of printable UTF-8, with no blank "
            "at its ends"
        )
    return name


def _hex_key(key: Secret) -> Secret:
    text = key.get_secret_value()
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", text):
        raise ValueError("a key is an even number of hexadecimal digits")
    if len(text) > 2 * MAX_KEY_BYTES:
        raise ValueError(f"a key has at most {2 * MAX_KEY_BYTES} hexadecimal digits")
    return key


def _uri(text: str) -> str:
    """RFC 7252, section 6.1: a host, a port, and neither a user nor a fragment."""
    if "@" in text:  # what stands there may be a password
        raise ValueError("has an @, and a server's URI has no user in it")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is {text!r:.80}: no URI: {error}") from None
    is_good = _URI_TEXT.fullmatch(text) and parts.scheme in ("coap", "coaps") and parts.hostname
    if not is_good or port == 0 or parts.fragment:
        raise ValueError(f"is {text!r:.80}: must be coap://HOST:PORT or coaps://HOST:PORT")
    return parts.scheme + text[len(parts.scheme) :]


def _mode(given: Any) -> Any:
    if isinstance(given, str):
        word = given.strip().upper().replace("X.509", "X509")
        return word if word in MODES else given
    return given


def _one_of(words: tuple[str, ...], otherwise: str | None) -> BeforeValidator:
    """A word in any case; every other one counts as `otherwise`, as existing fleets rely on."""

    def choose(given: Any) -> Any:
        word = given.strip().upper() if isinstance(given, str) else given
        return word if word in words else otherwise if isinstance(given, str) else given

    return BeforeValidator(choose)


def _listed(given: Any) -> Any:
    """JSON has no tuples."""
    return tuple(given) if isinstance(given, list) else given


def _legacy_flag(given: Any) -> Any:
    """Older files have true or false here, which says nothing."""
    is_flag = isinstance(given, bool) or (
        isinstance(given, str) and given.strip().lower() in ("true", "false")
    )
    return None if is_flag else given


EndpointName = Annotated[
    str,
    _bounded(MAX_ENDPOINT_BYTES, "an endpoint name"),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_ENDPOINT_BYTES}),
]
Identity = Annotated[str, _bounded(MAX_IDENTITY_BYTES, "a PSK identity")]
Key = Annotated[
    Secret,
    AfterValidator(_hex_key),
    WithJsonSchema(
        {
            "type": "string", "format": "password", "writeOnly": True,
            "pattern": "^([a-fA-F0-9]{2})+$", "maxLength": 2 * MAX_KEY_BYTES,
        }
    ),
]  # fmt: skip
Uri = Annotated[str, Field(max_length=255), AfterValidator(_uri)]
ProfileName = Annotated[str, AfterValidator(checked_profile_name)]
Mode = Annotated[
    Literal["NO_SEC", "PSK", "X509", "PSK_GENERATED"],
    BeforeValidator(_mode),
    WithJsonSchema({"type": "string", "enum": [*MODES, "X.509"]}),  # tools in use write the last
]
Pem = Annotated[str, Field(max_length=MAX_PEM)]
PrivatePem = Annotated[Secret, Field(max_length=MAX_PEM)]
Usage = Literal[
    "CA_CONSTRAINT",
    "SERVICE_CERTIFICATE_CONSTRAINT",
    "TRUST_ANCHOR_ASSERTION",
    "DOMAIN_ISSUER_CERTIFICATE",
]
Seconds = Annotated[int, Field(ge=0, le=UINT32)]
ShortId = Annotated[int, Field(ge=0, le=65_535)]
ServerId = Annotated[int, Field(ge=1, le=65_534)]
Text = Annotated[str, Field(max_length=MAX_TEXT)]


class Fields(BaseModel):
    """What all parts of a configuration have in common."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True,
        hide_input_in_errors=True,
    )  # fmt: skip


def _field(default: Any, why: str, *names: str, **bounds: Any) -> Any:
    """`names`: the one used in answers, then others that are accepted."""
    if names:
        bounds |= {
            "validation_alias": AliasChoices(*names),
            "serialization_alias": names[0],
        }
    return Field(default=default, description=why, **bounds)


class ServerSecurity(Fields):
    """How the device connects to the LwM2M server."""

    security_mode: Mode = Field(description="Mode of the connection to the LwM2M server.")
    psk_id: Identity | None = _field(None, "PSK identity, written to /0/x/3.")
    psk_key: Key | None = _field(None, "PSK in hexadecimal digits, written to /0/x/5.")
    x509_certificate: Pem | None = _field(
        None, "Device certificate (PEM), written to /0/x/3; unset: not written.",
        "x509Certificate", "x509ClientCertificate",
    )  # fmt: skip
    x509_private_key: PrivatePem | None = _field(
        None, "Device private key (PEM, PKCS#8), written to /0/x/5; never shown.",
        "x509PrivateKey", "x509ClientPrivateKey",
    )  # fmt: skip
    certificate_usage: Usage | None = _field(
        None, "Written to /0/x/15 as 0, 1, 2 or 3.", "certificateUsage", "x509CertificateUsage"
    )
    x509_server_certificate_name: Pem | None = _field(
        None, "Name of a server certificate, or one itself (PEM, base64), written to /0/x/4.",
        "x509ServerCertificateName", "serverPublicKey",
    )  # fmt: skip


class BootstrapSecurity(Fields):
    """How the device connects to the bootstrap server."""

    security_mode: Mode = _field(
        ..., "Mode of the connection to the bootstrap server.",
        "bootstrapSecurityMode", "securityMode",
    )  # fmt: skip
    psk_id: Identity | None = _field(
        None, "PSK identity that the bootstrap server accepts.", "bootstrapId", "pskId"
    )
    psk_key: Key | None = _field(None, "Its key in hexadecimal digits.", "bootstrapKey", "pskKey")
    client_hold_off_time: Seconds | None = _field(
        None,
        "/0/x/11 of this account: seconds that the device waits before it bootstraps by itself.",
    )
    bootstrap_server_account_timeout: Seconds | None = _field(
        None,
        "/0/x/12 of this account: seconds after a bootstrap until the device forgets it; 0: never.",
    )


class FurtherServer(Fields):
    """Another LwM2M server that bootstrap writes to the device."""

    uri: Uri = Field(description="URI of the server.")
    server_id: ServerId = Field(description="Its short server id.")
    security: ServerSecurity = Field(description="How the device connects to it.")
    registration_lifetime: Seconds | None = _field(None, "/1/x/1, seconds.")
    default_min_period: Seconds | None = _field(None, "/1/x/2, seconds.")
    default_max_period: Seconds | None = _field(None, "/1/x/3, seconds.")
    disable_timeout: Seconds | None = _field(None, "/1/x/5, seconds.")
    store_notifications: bool | None = _field(None, "/1/x/6.")
    binding_mode: Literal["U", "UQ"] = _field("U", "/1/x/7.")
    client_hold_off_time: Seconds | None = _field(None, "/0/x/11, seconds.")


class BootstrapSteps(Fields):
    """What a bootstrap does beside the accounts."""

    deletes: Annotated[
        tuple[Annotated[str, AfterValidator(deleted)], ...],
        Field(max_length=MAX_DELETES), BeforeValidator(_listed),
    ] = _field(
        (), "Deleted first: /, an object, an object instance; a device keeps its bootstrap account."
    )  # fmt: skip
    writes: Annotated[dict[str, dict[str, Any]], AfterValidator(written)] = _field(
        {},
        'Instances of other objects, {"/2/0": {"0": 3, "2": {"1": 15}}}, written behind the '
        "accounts. No place for secrets: they are shown.",
    )
    reads: Annotated[
        tuple[Annotated[str, AfterValidator(to_read)], ...],
        Field(max_length=MAX_READS), BeforeValidator(_listed),
    ] = _field((), "Read last: /1, /2 or an instance of these; shown with the steps.")  # fmt: skip
    content_format: Literal["TLV", "JSON", "SENML_JSON", "SENML_CBOR", "LWM2M_CBOR"] | None = (
        _field(None, "Of what is written; unset: as the device asks, or by its version.")
    )
    ends_at: Annotated[
        tuple[Literal["DISCOVER", "DELETE", "WRITE", "READ"], ...], BeforeValidator(_listed)
    ] = _field((), "Steps whose refusal ends the bootstrap, beside Finish.")


class DeviceConfiguration(Fields):
    """Everything that is configured for one device; validated as a whole in configuration.py."""

    endpoint_id: EndpointName = Field(description="LwM2M endpoint name, unique over all tenants.")
    server_security: ServerSecurity = Field(description="The connection to the LwM2M server.")
    bootstrap_security: BootstrapSecurity | None = _field(
        None, "The connection to the bootstrap server; unset: it may not bootstrap."
    )
    lwm2m_server_uri: Uri | None = _field(
        None,
        "/0/x/0 of the server account; needed for a bootstrap, if there is no profile.",
        "lwm2mServerUri",
    )
    bootstrap_short_server_id: ShortId = _field(0, "Short id of the bootstrap account.")
    lwm2m_short_server_id: ServerId | None = _field(
        None, "/0/x/10 and /1/x/0; unset: the server's default.", "lwm2mShortServerId"
    )
    security_instance_offset: Annotated[int, Field(ge=0, le=65_534)] = _field(
        0, "The lowest instance id that bootstrap gives to a new account."
    )
    registration_lifetime: Seconds | None = _field(
        None, "/1/x/1 in seconds; unset: the server's default."
    )
    default_minimum_period: Seconds | None = _field(None, "/1/x/2 in seconds.")
    default_maximum_period: Seconds | None = _field(None, "/1/x/3 in seconds.")
    client_hold_off_time: Seconds | None = _field(
        None, "/0/x/11 of the server account: seconds before the device goes back to a bootstrap."
    )
    generate_bootstrap_server_config: bool = _field(
        False, "Bootstrap also writes the bootstrap server's own account."
    )
    type: Text = _field("c8y_lwm2m", "Type of the device for the tools that read it.")
    binding_mode: Literal["U", "UQ"] = _field(
        "U", "/1/x/7; has no effect on how the server queues."
    )
    awake_time_registration_parameter: Annotated[int, Field(ge=0, le=MAX_MS)] | None = _field(
        None, "How long it listens after an uplink, in milliseconds; 0: always."
    )
    notification_if_disabled: bool | None = _field(None, "/1/x/6.")
    disable_timeout: Annotated[Seconds | None, BeforeValidator(_legacy_flag)] = _field(
        None, "/1/x/5 in seconds; true and false, of older files, say nothing."
    )
    lwm2m_request_timeout: Annotated[int, Field(ge=10_000, le=600_000)] | None = _field(
        None, "How long an answer of the device is waited for, in milliseconds.",
        "lwm2mRequestTimeout",
    )  # fmt: skip
    auto_manage_availability_required_interval: bool = _field(
        True, "The device is overdue when its lifetime and two minutes have passed."
    )
    availability_required_interval: Annotated[int, Field(ge=0, le=MAX_INTERVAL_MIN)] | None = (
        _field(None, "Else after so many minutes; 0: never.")
    )
    binary_delivery_encoding: Annotated[
        Literal["OPAQUE", "TLV", "JSON", "TEXT"], _one_of(ENCODINGS, "OPAQUE")
    ] = _field("OPAQUE", "How opaque values are written; unknown words mean OPAQUE.")
    enable_resource_level_timestamp: bool = _field(False, "The device's own times are used.")
    retain_old_values: bool = _field(
        True, "Last values stay when the device refuses a Read or Write.",
        "genericUIRetainOldValuesIfError", "c8y_GenericUI_retainOldValuesIfError",
    )  # fmt: skip
    serialization_format: Annotated[
        Literal["TLV", "JSON", "CBOR", "TEXT", "OPAQUE", "SENML_JSON", "SENML_CBOR"] | None,
        _one_of(FORMATS, None),
    ] = _field(None, "Content format of requests; unset or unknown: as it registers.")
    disable_object_instance_actions: bool = _field(
        False, "No built-in handling of objects 3, 4 and 6.",
        "disableObjectInstanceActions", "disableInternalObjectInstanceActions",
    )  # fmt: skip
    log_level: Literal["NONE", "LIFECYCLE", "TRAFFIC", "FIRMWARE", "VERBOSE"] = _field(
        "LIFECYCLE", "Which of its events are told."
    )
    fw_update_delivery_method: Literal["PUSH", "PULL", "BOTH"] | None = _field(
        None, "Before what the device reports in /5/0/9."
    )
    fw_update_supported_device_protocol: Literal["COAP", "COAPS", "HTTP", "HTTPS"] | None = _field(
        None, "Scheme of a firmware URI, before /5/0/8."
    )
    fw_update_reset_mechanism: Literal["PACKAGE", "PACKAGE_URI"] | None = _field(
        None, "How the firmware state machine is reset; unset: by delivery method."
    )
    fw_reset_state_machine_on_start: bool = _field(
        True, "Reset before a firmware update.",
        "stateMachineResetBeforeFirmwareUpdate", "fwResetStateMachineOnStart",
    )  # fmt: skip
    fw_update_url: Text | None = _field(
        None, "Package URL for the device.", "fwUpdateURL", "fwUpdateUrl"
    )
    disable_firmware_state_machine: bool = _field(False, "Object 5 is left alone.")
    device_profile: ProfileName | None = _field(
        None, "Name of a device profile of the tenant: what is unset here is as it says."
    )
    further_servers: Annotated[
        tuple[FurtherServer, ...], Field(max_length=MAX_SERVERS), BeforeValidator(_listed)
    ] = _field((), "Other LwM2M servers whose accounts bootstrap writes.")
    bootstrap_steps: BootstrapSteps | None = _field(
        None, "What a bootstrap deletes, writes and reads beside the accounts."
    )


def names_of(model: type[BaseModel]) -> Mapping[str, str]:
    """Every accepted name of a field to the one that answers use."""
    found: dict[str, str] = {}
    for field in model.model_fields.values():
        shown = field.serialization_alias or field.alias or ""
        found[shown] = shown
        if isinstance(field.validation_alias, AliasChoices):
            found |= {str(name): shown for name in field.validation_alias.choices}
    return found
