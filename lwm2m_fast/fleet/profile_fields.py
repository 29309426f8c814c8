"""The fields of a device profile: name, type, bounds, default; and what it all means at the end.

Names are those of ThingsBoard's `transportConfiguration` of today. How older ones become these is
profile_shapes.py's business; what the fields must be together, profiles.py's. Knows neither where a
profile is kept nor who uses it.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from lwm2m_fast.fleet.device_fields import MAX_MS, MAX_SERVERS, UINT32
from lwm2m_fast.fleet.secured import MAX_CERTIFICATE_BYTES

MAX_PATHS: Final = 1_000
"""In each set and map of a profile."""
MAX_KEY_CHARACTERS: Final = 255
MAX_HOST: Final = 253
MAX_BASE64: Final = 2 * MAX_CERTIFICATE_BYTES
MAX_ATTRIBUTE: Final = 1e15
RESERVED: Final = 65_535
"""No object instance has it (OMA Core, section 7.2); profiles that do are taken, with a warning."""

MODES: Final = ("NO_SEC", "PSK", "RPK", "X509")

_PATH: Final = re.compile(r"/([0-9]{1,5})(?:_[0-9]{1,3}\.[0-9]{1,3})?((?:/[0-9]{1,5}){0,3})", re.A)
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]*|0x[0-9a-f]*", re.ASCII)
RESOURCE: Final = 3
"""Ids of a path down to a resource."""


def ids_of(path: str) -> tuple[int, ...]:
    """The numbers of a path of a profile."""
    return tuple(int(part) for part in path.split("/")[1:])


def _path(given: Any) -> Any:
    """`/3_1.1/0/9` and `/3/0/9` are the same: a path means what the device registers."""
    if not isinstance(given, str):
        return given
    match = _PATH.fullmatch(given)
    if match is None:
        raise ValueError("a path is /3/0/9 or, with its object's version, /3_1.1/0/9")
    path = f"/{int(match[1])}" + "".join(f"/{int(part)}" for part in match[2].split("/")[1:])
    ids = ids_of(path)
    if not 0 < ids[0] < RESERVED or any(id > RESERVED for id in ids[1:]):
        raise ValueError("ids go from 0 to 65535, and object 0 is the bootstrap server's only")
    if any(id == RESERVED for id in ids[2:]):
        raise ValueError("65535 is no resource's id")
    return path


def _resource(path: str) -> str:
    if len(ids_of(path)) < RESOURCE:
        raise ValueError("a resource is needed, such as /3/0/9")
    return path


def _paths(given: Any) -> Any:
    """A set in JSON is a list; the order in it says nothing."""
    if not isinstance(given, list | tuple):
        return given
    if not all(isinstance(each, str) for each in given):
        raise ValueError("a list of paths is needed")
    if len(given) > MAX_PATHS:
        raise ValueError(f"has {len(given)} paths, allowed are {MAX_PATHS}")
    return tuple(sorted({_path(each) for each in given}, key=ids_of))


def _resources(paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_resource(path) for path in paths)


def _by_path(given: Any) -> Any:
    """A map with paths for names, each of them once whatever version it is written with."""
    if not isinstance(given, dict):
        return given
    if len(given) > MAX_PATHS:
        raise ValueError(f"has {len(given)} paths, allowed are {MAX_PATHS}")
    made: dict[str, Any] = {}
    for name, value in given.items():
        path = _path(name)
        if path in made and made[path] != value:
            raise ValueError(f"{path} is there with two values; versions make no other path of it")
        made[path] = value
    return made


def _word(*words: str) -> Callable[[Any], Any]:
    """A word in any case, or its number, from 0."""

    def choose(given: Any) -> Any:
        if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < len(words):
            return words[given]
        word = given.strip().upper() if isinstance(given, str) else None
        return word if word in words else given

    return choose


def _mode(given: Any) -> Any:
    word = given.strip().upper().replace("X.509", "X509") if isinstance(given, str) else None
    return word if word in MODES else given


def _host(given: str) -> str:
    host = given.strip().removeprefix("[").removesuffix("]").lower()
    try:
        address = ip_address("" if "%" in host else host)  # a zone is of one machine only
        return str(getattr(address, "ipv4_mapped", None) or address)
    except ValueError:
        pass
    # A last label of digits would be an address in a spelling of its own: "0" is 0.0.0.0.
    if len(host) > MAX_HOST or not _HOST.fullmatch(host) or _NUMBER.fullmatch(host.split(".")[-1]):
        raise ValueError("a host is a name or an address, without scheme and port")
    return host


def decoded(text: str) -> bytes:
    """The octets that base64 stands for; ValueError."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None


def _base64(text: str) -> str:
    """The one spelling of it."""
    return b64encode(decoded("".join(text.split()))).decode()


def _known_milliseconds(given: Any) -> Any:
    """0 is what the server is set to."""
    return None if given == 0 and not isinstance(given, bool) else given


Path = Annotated[str, BeforeValidator(_path)]
ResourcePath = Annotated[str, BeforeValidator(_path), AfterValidator(_resource)]
Paths = Annotated[tuple[str, ...], BeforeValidator(_paths)]
ResourcePaths = Annotated[tuple[str, ...], BeforeValidator(_paths), AfterValidator(_resources)]
KeyName = Annotated[str, Field(min_length=1, max_length=MAX_KEY_CHARACTERS)]
Host = Annotated[str, Field(max_length=MAX_HOST + 2), AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Seconds = Annotated[int, Field(ge=0, le=UINT32)]
Base64 = Annotated[str, Field(max_length=MAX_BASE64), AfterValidator(_base64)]
Milliseconds = Annotated[
    Annotated[int, Field(ge=1, le=MAX_MS)] | None, BeforeValidator(_known_milliseconds)
]
Url = Annotated[str, Field(max_length=255)]
Number = Annotated[float, Field(ge=-MAX_ATTRIBUTE, le=MAX_ATTRIBUTE)]


class Part(BaseModel):
    """What all parts of a profile have in common: what nobody here knows is passed over."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, strict=True
    )


class Attributes(Part):
    """Of the notification class (OMA Core, section 5.1.2): what Write-Attributes may bring."""

    pmin: Seconds | None = None
    pmax: Seconds | None = None
    gt: Number | None = None
    lt: Number | None = None
    st: Annotated[float, Field(ge=0, le=MAX_ATTRIBUTE)] | None = None
    epmin: Seconds | None = None
    epmax: Seconds | None = None


class ObserveAttr(Part):
    """Which resources matter, and what they are called."""

    key_name: Annotated[dict[ResourcePath, KeyName], BeforeValidator(_by_path)] = {}
    observe: Paths = ()
    attribute: ResourcePaths = ()
    telemetry: ResourcePaths = ()
    attribute_lwm2m: Annotated[
        dict[Path, Attributes], BeforeValidator(_by_path), Field(alias="attributeLwm2m")
    ] = {}
    observe_strategy: Annotated[
        Literal["SINGLE", "COMPOSITE_ALL", "COMPOSITE_BY_OBJECT"],
        BeforeValidator(_word("SINGLE", "COMPOSITE_ALL", "COMPOSITE_BY_OBJECT")),
    ] = "SINGLE"
    init_attr_tel_as_obs_strategy: bool = False


class ProfileServer(Part):
    """A server whose account bootstrap writes."""

    security_mode: Annotated[Literal["NO_SEC", "PSK", "RPK", "X509"], BeforeValidator(_mode)]
    short_server_id: Annotated[int, Field(ge=1, le=65_534)] | None = 123
    """None: of the bootstrap server, which has none (LwM2M 1.1)."""
    bootstrap_server_is: bool = False
    host: Host
    port: Port
    server_public_key: Base64 = ""
    server_certificate: Base64 = ""
    client_hold_off_time: Seconds = 1
    bootstrap_server_account_timeout: Seconds = 0
    lifetime: Seconds = 300
    default_min_period: Seconds = 1
    notif_if_disabled: bool = True
    binding: Literal["U", "UQ"] = "U"

    @property
    def key(self) -> bytes:
        """What resource 4 of object 0 is: a certificate, or an SPKI; empty: nothing."""
        return decoded(self.server_certificate or self.server_public_key)

    def uri(self, host: str) -> str:
        """Its URI, with this host in the place of its own."""
        scheme = "coap" if self.security_mode == "NO_SEC" else "coaps"
        return f"{scheme}://{bracketed(host)}:{self.port}"


def bracketed(host: str) -> str:
    """A host as it stands in a URI (RFC 3986, section 3.2.2)."""
    try:
        return f"[{host}]" if isinstance(ip_address(host), IPv6Address) else host
    except ValueError:
        return host


class ClientSettings(Part):
    """How devices are treated once they are there."""

    client_only_observe_after_connect: Literal[1, 2, 3] = 1
    """1: only observe; 2: also read everything; 3: also read attributes and telemetry."""
    fw_update_strategy: Literal[1, 2, 3] = 1
    sw_update_strategy: Literal[1, 2] = 1
    fw_update_resource: Url | None = None
    sw_update_resource: Url | None = None
    use_object19_for_ota_info: Annotated[bool, Field(alias="useObject19ForOtaInfo")] = False
    power_mode: Annotated[
        Literal["PSM", "DRX", "E_DRX"], BeforeValidator(_word("PSM", "DRX", "E_DRX"))
    ] = "DRX"
    psm_activity_timer: Milliseconds = None
    edrx_cycle: Milliseconds = None
    paging_transmission_window: Milliseconds = None
    default_object_id_ver: Annotated[
        Literal["1.0", "1.1", "1.2"], Field(alias="defaultObjectIDVer")
    ] = "1.0"


class Profile(Part):
    """What many devices have in common. Equal profiles are equal values, whatever their JSON."""

    observe_attr: ObserveAttr = ObserveAttr()
    bootstrap_server_update_enable: bool = False
    """The bootstrap server's own account is written, if it is in `bootstrap`."""
    bootstrap: Annotated[
        tuple[ProfileServer, ...], Field(max_length=MAX_SERVERS + 1, strict=False)
    ] = ()
    """The bootstrap server, where there is one, before all others."""
    client_settings: Annotated[ClientSettings, Field(alias="clientLwM2mSettings")] = (
        ClientSettings()
    )

    @property
    def servers(self) -> tuple[ProfileServer, ...]:
        """The LwM2M servers; the first is that of this house, unless a device says otherwise."""
        return tuple(each for each in self.bootstrap if not each.bootstrap_server_is)

    @property
    def bootstrap_server(self) -> ProfileServer | None:
        """The bootstrap server, if its account is to be written."""
        if not self.bootstrap_server_update_enable:
            return None
        return next((each for each in self.bootstrap if each.bootstrap_server_is), None)
