"""A device profile as a whole: read from either shape, checked across its fields, shown.

A profile has no secret in it: what a server is known by is public, what devices prove themselves
with is in their own configurations. Every refusal lists all that is wrong with field, value, rule.
Knows neither where a profile is kept nor who uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import ValidationError

from lwm2m_fast.errors import RequestError, StoreError
from lwm2m_fast.fleet.certificates import read_certificate
from lwm2m_fast.fleet.configuration import ConfigurationError, Problem
from lwm2m_fast.fleet.profile_fields import RESERVED, Profile, ProfileServer, decoded, ids_of
from lwm2m_fast.fleet.profile_shapes import LWM2M, Found, found_in
from lwm2m_fast.model import built_in

MAX_PROFILE_BYTES: Final = 128 * 1024
"""Of a profile as it is kept."""

_WORDS: Final = {
    "missing": "is missing",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
}
"""Where the value itself says nothing."""


def read(given: Any) -> Profile:
    """The profile in a JSON value of either shape, bare or in an export.

    ConfigurationError names everything that is wrong.
    """
    found = found_in(given)
    try:
        profile = Profile.model_validate(found.fields)
    except ValidationError as error:
        raise ConfigurationError([_problem(found, each) for each in error.errors()]) from None
    problems = [Problem(found.place(place), why) for rule in _RULES for place, why in rule(profile)]
    if problems:
        raise ConfigurationError(problems)
    size = len(as_bytes(profile))
    if size > MAX_PROFILE_BYTES:
        why = f"has {size} bytes, allowed are {MAX_PROFILE_BYTES}"
        raise ConfigurationError([Problem("the profile", why)])
    return profile


def _problem(found: Found, each: Any) -> Problem:
    place = found.place(each["loc"]) or "the body"
    told = _WORDS.get(each["type"])
    if told is not None:
        return Problem(place, told)
    rule = each["msg"].removeprefix("Value error, ")
    return Problem(place, f"is {_brief(each['input'])}: {rule[:1].lower()}{rule[1:]}")


def _brief(given: Any) -> str:
    if isinstance(given, list | tuple | dict):
        return "a list" if not isinstance(given, dict) else "an object"
    return f"{given!r:.60}"


# What the fields must be together

Wrong = tuple[tuple[Any, ...], str]
"""Where, and why."""


def _ids_differ(given: Profile) -> Iterator[Wrong]:
    seen: set[int | None] = set()
    for number, server in enumerate(given.bootstrap):
        if server.bootstrap_server_is:
            if number:
                place = "bootstrap", number, "bootstrapServerIs"
                yield place, "is true: only one of the servers can be the bootstrap server"
        elif server.short_server_id in seen:
            why = f"is {server.short_server_id}, as another server's"
            yield ("bootstrap", number, "shortServerId"), why
        else:
            seen.add(server.short_server_id)


def _addresses_differ(given: Profile) -> Iterator[Wrong]:
    seen: set[tuple[str, int]] = set()
    for number, server in enumerate(given.bootstrap):
        if (server.host, server.port) in seen:
            why = f"is {server.port}: {server.host}:{server.port} is another server's already"
            yield ("bootstrap", number, "port"), why
        seen.add((server.host, server.port))


def _servers_can_be_known(given: Profile) -> Iterator[Wrong]:
    """RPK and X509 need what the server proves itself with."""
    for number, server in enumerate(given.bootstrap):
        check = _KEYS.get(server.security_mode)
        name = "serverCertificate" if server.server_certificate else "serverPublicKey"
        if check is None:
            continue
        if not server.key:
            why = f"is missing, which security mode {server.security_mode} needs"
            yield ("bootstrap", number, name), why
            continue
        try:
            check(server)
        except RequestError as error:
            yield ("bootstrap", number, name), str(error)


def _check_spki(server: ProfileServer) -> None:
    try:
        key = load_der_public_key(decoded(server.server_public_key))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise RequestError("is not the public key (SPKI, DER) of an elliptic curve")


def _check_certificate(server: ProfileServer) -> None:
    try:
        read_certificate("it", server.key)
    except RequestError as error:
        raise RequestError(f"is no certificate for X509: {error}") from None


_KEYS: Final[dict[str, Callable[[ProfileServer], None]]] = {
    "RPK": _check_spki,
    "X509": _check_certificate,
}


def _instances_can_be(given: Profile) -> Iterator[Wrong]:
    """Row P18: more than instance 0 only of objects that may have several."""
    own = given.observe_attr
    for name, paths in (
        ("keyName", own.key_name),
        ("observe", own.observe),
        ("attribute", own.attribute),
        ("telemetry", own.telemetry),
        ("attributeLwm2m", own.attribute_lwm2m),
    ):
        for path in paths:
            ids = ids_of(path)
            if len(ids) > 1 and ids[1] > 0 and _is_single(ids[0]):
                yield ("observeAttr", name), f"has {path}: object {ids[0]} has instance 0 only"


def _is_single(object_id: int) -> bool:
    """In every version that is known; of what nobody knows, devices decide."""
    objects = built_in()
    known = [objects.get(object_id, version) for version in objects.versions(object_id)]
    return bool(known) and not any(each is None or each.multiple for each in known)


def _periods_are_in_order(given: Profile) -> Iterator[Wrong]:
    for path, each in given.observe_attr.attribute_lwm2m.items():
        for low, high in (("pmin", "pmax"), ("epmin", "epmax")):
            least, most = getattr(each, low), getattr(each, high)
            if least is not None and most and least > most:
                place = "observeAttr", "attributeLwm2m", path, high
                yield place, f"is {most}, less than {low}, {least}"


_RULES: Final[tuple[Callable[[Profile], Iterator[Wrong]], ...]] = (
    _ids_differ,
    _addresses_differ,
    _servers_can_be_known,
    _instances_can_be,
    _periods_are_in_order,
)


def warnings_of(profile: Profile) -> list[str]:
    """What is taken as it is, and will not do what it seems to."""
    told = []
    own = profile.observe_attr
    for path in sorted({*own.key_name, *own.observe, *own.attribute, *own.telemetry}, key=ids_of):
        if ids_of(path)[1:2] == (RESERVED,):
            told.append(f"{path}: {RESERVED} is reserved, no device has such an instance")
            break
    for server in profile.bootstrap:
        if server.bootstrap_server_is and not profile.bootstrap_server_update_enable:
            told.append("bootstrapServerUpdateEnable is not set: the bootstrap server's account "
                        "is not written")  # fmt: skip
        if server.security_mode == "RPK":
            told.append(f"{server.host}:{server.port} has RPK: this server has no raw public keys, "
                        "so that no device's mode is that one")  # fmt: skip
    return told


# To and from what is kept and shown


def as_json(profile: Profile) -> dict[str, Any]:
    """The newer shape, with every field that is set or has a default."""
    return {
        "type": LWM2M,
        **profile.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def as_bytes(profile: Profile) -> bytes:
    return orjson.dumps(as_json(profile))


def from_bytes(name: str, row: bytes) -> Profile:
    """What as_bytes() made; StoreError when it is anything else."""
    try:
        return read(orjson.loads(row))
    except (ValueError, ConfigurationError) as error:
        raise StoreError(f"the stored profile {name!r:.80} cannot be read: {error}") from None


def path_of_key(profile: Profile, key: str) -> list[str]:
    """The paths that this key names: mostly one, and more where somebody gave it twice."""
    return [path for path, own in profile.observe_attr.key_name.items() if own == key]
