"""A device's configuration in the groups and by the names that existing tools show it in.

Each group is read from, and written to, the one DeviceConfiguration; nothing is kept twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from lwm2m_fast.errors import NotFound, RequestError
from lwm2m_fast.fleet.configuration import MAX_DEPTH, ConfigurationError, Problem, as_json
from lwm2m_fast.fleet.device_fields import DeviceConfiguration

Path = tuple[str, ...]

_BASIC: Final[dict[str, Path]] = {
    "awakeTime": ("awakeTimeRegistrationParameter",),
    "requestTimeout": ("lwm2mRequestTimeout",),
    "keepOldValuesOnOperationFail": ("genericUIRetainOldValuesIfError",),
    "useTimestampResources": ("enableResourceLevelTimestamp",),
    "binaryEncoding": ("binaryDeliveryEncoding",),
    "serializationFormat": ("serializationFormat",),
    "disableDefaultHandlers": ("disableObjectInstanceActions",),
    "autoManageRequiredInterval": ("autoManageAvailabilityRequiredInterval",),
    "requiredInterval": ("availabilityRequiredInterval",),
}
_BOOTSTRAP: Final[dict[str, Path]] = {
    "bootstrapServerId": ("bootstrapShortServerId",),
    "securityInstanceOffset": ("securityInstanceOffset",),
    "generateBootstrapServer": ("generateBootstrapServerConfig",),
}
_CONNECTIVITY: Final[dict[str, Path]] = {
    "serverConnectivity.mode": ("serverSecurity", "securityMode"),
    "serverConnectivity.pskId": ("serverSecurity", "pskId"),
    "serverConnectivity.pskKey": ("serverSecurity", "pskKey"),
    "bootstrapConnectivity.mode": ("bootstrapSecurity", "bootstrapSecurityMode"),
    "bootstrapConnectivity.pskId": ("bootstrapSecurity", "bootstrapId"),
    "bootstrapConnectivity.pskKey": ("bootstrapSecurity", "bootstrapKey"),
}
_FIRMWARE: Final[dict[str, Path]] = {
    "url": ("fwUpdateURL",),
    "resetStateMachineOnStart": ("stateMachineResetBeforeFirmwareUpdate",),
    "resetMethod": ("fwUpdateResetMechanism",),
    "supportedDeviceProtocol": ("fwUpdateSupportedDeviceProtocol",),
    "firmwareDeliveryMethod": ("fwUpdateDeliveryMethod",),
}
_FIRST_SERVER: Final[dict[str, str]] = {
    "uri": "lwm2mServerUri",
    "serverId": "lwm2mShortServerId",
    "registrationLifetime": "registrationLifetime",
    "defaultMinPeriod": "defaultMinimumPeriod",
    "defaultMaxPeriod": "defaultMaximumPeriod",
    "disableTimeout": "disableTimeout",
    "storeNotifications": "notificationIfDisabled",
    "bindingMode": "bindingMode",
    "clientHoldOffTime": "clientHoldOffTime",
}
_SHOWN_ONLY: Final = frozenset({"id", "endpointId", "bootstrap"})


def _get(fields: Mapping[str, Any], path: Path) -> Any:
    found: Any = fields
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _put(fields: dict[str, Any], path: Path, value: Any) -> None:
    for name in path[:-1]:
        fields = fields.setdefault(name, {})
    fields[path[-1]] = value


def _flatten(given: Mapping[str, Any], before: str = "", depth: int = MAX_DEPTH) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, Mapping) and depth:  # deeper: to be refused
            flat |= _flatten(value, f"{before}{name}.", depth - 1)
        else:
            flat[before + name] = value
    return flat


def _shown_by(table: Mapping[str, Path]) -> Callable[[dict[str, Any]], Any]:
    def show(fields: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, path in table.items():
            _put(made, tuple(name.split(".")), _get(fields, path))
        return made

    return show


def _given_by(table: Mapping[str, Path]) -> Callable[[Any], dict[str, Any]]:
    def take(given: Any) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            raise RequestError("a group of settings is a JSON object")
        made: dict[str, Any] = {}
        unknown: list[Problem] = []
        for name, value in _flatten(given).items():
            if name in table:
                _put(made, table[name], value)
            elif name not in _SHOWN_ONLY:
                unknown.append(Problem(name, "is no setting of this group"))
        if unknown:
            raise ConfigurationError(unknown)
        return made

    return take


def _basic(fields: dict[str, Any]) -> dict[str, Any]:
    return {"endpointId": fields["endpointId"], **_shown_by(_BASIC)(fields)}


# The servers that bootstrap writes: the first is the fields of the device itself


def _security(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"mode" if name == "securityMode" else name: value for name, value in given.items()}


def _servers(fields: dict[str, Any]) -> list[dict[str, Any]]:
    first = {name: fields.get(own) for name, own in _FIRST_SERVER.items()}
    listed = [{**first, "security": _security(fields["serverSecurity"])}]
    listed += [
        {**server, "security": _security(server["security"])}
        for server in fields.get("furtherServers", ())
    ]
    return [{"id": number, "bootstrap": False, **server} for number, server in enumerate(listed)]


def _server_security(given: Any, where: str) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise ConfigurationError([Problem(f"{where}.security", "is missing")])
    return {"securityMode" if name == "mode" else name: value for name, value in given.items()}


def _take_servers(given: Any) -> dict[str, Any]:
    if not isinstance(given, list) or not given:
        raise RequestError("servers is a list of one server or more")
    taken: list[dict[str, Any]] = []
    for number, server in enumerate(given):
        if not isinstance(server, Mapping):
            raise ConfigurationError([Problem(f"servers.{number}", "must be an object")])
        if server.get("bootstrap") not in (None, False):
            why = "cannot be set: the bootstrap server's account is generateBootstrapServer's"
            raise ConfigurationError([Problem(f"servers.{number}.bootstrap", why)])
        own = {name: value for name, value in server.items() if name not in _SHOWN_ONLY}
        own["security"] = _server_security(own.get("security"), f"servers.{number}")
        taken.append(own)
    first, rest = taken[0], taken[1:]
    unknown = [name for name in first if name not in (*_FIRST_SERVER, "security")]
    if unknown:
        raise ConfigurationError(
            [Problem(f"servers.0.{name}", "is no setting of a server") for name in unknown]
        )
    made = {own: first[name] for name, own in _FIRST_SERVER.items() if name in first}
    return {**made, "serverSecurity": first["security"], "furtherServers": rest}


class _Group(NamedTuple):
    show: Callable[[dict[str, Any]], Any]
    take: Callable[[Any], dict[str, Any]]


GROUPS: Final[dict[str, _Group]] = {
    "basic": _Group(_basic, _given_by(_BASIC)),
    "bootstrap": _Group(_shown_by(_BOOTSTRAP), _given_by(_BOOTSTRAP)),
    "servers": _Group(_servers, _take_servers),
    "connectivity": _Group(_shown_by(_CONNECTIVITY), _given_by(_CONNECTIVITY)),
    "firmware": _Group(_shown_by(_FIRMWARE), _given_by(_FIRMWARE)),
}


def _group(name: str) -> _Group:
    if name not in GROUPS:
        raise NotFound(f"{name[:40]!r} is no group of settings; there are {', '.join(GROUPS)}")
    return GROUPS[name]


def show_group(given: DeviceConfiguration, name: str) -> Any:
    """A group as JSON, secrets masked; NotFound: there is no such group."""
    return _group(name).show(as_json(given))


def changes_of_group(name: str, given: Any) -> dict[str, Any]:
    """What writing `given` to a group changes, by the configuration's own names, for merged().

    NotFound, RequestError as there. Masked keys stay what they are.
    """
    return _group(name).take(given)
