"""A device's configuration as a whole: read, checked across its fields, shown, and taken apart
into what may be read by anybody with access and what is sealed.

The fields themselves are device_fields.py's business. Every refusal lists all that is wrong, each
with its field and rule, and never with a value that may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import orjson
from pydantic import SecretStr, ValidationError

from lwm2m_fast.errors import RequestError, StoreError
from lwm2m_fast.fleet.device_fields import (
    MAX_IDENTITY_BYTES,
    USUAL_SHORT_ID,
    BootstrapSecurity,
    DeviceConfiguration,
    Fields,
    ServerSecurity,
    names_of,
)
from lwm2m_fast.fleet.key_pairs import check_certificate, check_pair
from lwm2m_fast.fleet.masks import FINGERPRINT, MASK, fingerprint_of, unmasked
from lwm2m_fast.fleet.refusals import refusal

F = TypeVar("F", bound=Fields)
GENERATED_KEY_BYTES: Final = 16
MAX_PROBLEMS: Final = 20
"""Named in one refusal; the rest are counted."""
MAX_DEPTH: Final = 8
"""No field of a configuration lies deeper, but for what is below `writes`."""
WRITES: Final = "writes"
"""Of bootstrapSteps: what is below is no field, but a device's values."""

_SECRET_NAMES: Final = frozenset({"pskKey", "bootstrapKey", "x509PrivateKey"})


class Problem(NamedTuple):
    field: str
    """"serverSecurity.pskKey"."""
    why: str

    def __str__(self) -> str:
        return f"{self.field} {self.why}"


class ConfigurationError(RequestError):
    """A configuration that cannot be used; nothing of it is."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        told = "; ".join(str(problem) for problem in problems[:MAX_PROBLEMS])
        more = len(problems) - MAX_PROBLEMS
        super().__init__(told + (f"; and {more} more" if more > 0 else ""))


def _read(data: Any, strict: bool) -> DeviceConfiguration:
    try:
        return DeviceConfiguration.model_validate(data, strict=strict)
    except ValidationError as error:
        raise ConfigurationError(
            [
                Problem(
                    ".".join(str(part) for part in each["loc"]) or "the body",
                    refusal(dict(each)),
                )
                for each in error.errors(include_url=False)
            ]
        ) from None


def read(data: Any, *, is_text: bool = False, needs_bootstrap: bool = False) -> DeviceConfiguration:
    """The configuration that `data` (names and values of the JSON form) says.

    `is_text`: values are text, as in CSV, so that "12" is a number; JSON must have real ones, and
    null there is as if nothing were said.
    `needs_bootstrap`: how the device bootstraps must be said. ConfigurationError names all that is
    wrong.
    """
    configuration = _read(data if is_text else _without_null(data), strict=not is_text)
    problems = [problem for rule in _RULES for problem in rule(configuration)]
    if needs_bootstrap and configuration.bootstrap_security is None:
        problems.append(Problem("bootstrapSecurity.bootstrapSecurityMode", "is missing"))
    if problems:
        raise ConfigurationError(problems)
    return configuration


def _without_null(given: Any, depth: int = MAX_DEPTH) -> Any:
    """As if null had not been said: but for `writes`, whose values are a device's."""
    if not depth:  # deeper than any field: refused where it is
        return given
    if isinstance(given, dict):
        return {
            name: each if name == WRITES else _without_null(each, depth - 1)
            for name, each in given.items()
            if each is not None
        }
    return [_without_null(each, depth - 1) for each in given] if isinstance(given, list) else given


# What the fields must be together


def _accounts(given: DeviceConfiguration) -> Iterator[tuple[str, str | None, ServerSecurity]]:
    """Where each server account's security is, the field and value of its URI."""
    yield "serverSecurity", given.lwm2m_server_uri, given.server_security
    for number, server in enumerate(given.further_servers):
        yield f"furtherServers.{number}.security", server.uri, server.security


def _psk_is_whole(given: DeviceConfiguration) -> Iterator[Problem]:
    """Row P4: mandatory by mode, for each connection by itself."""
    wanted = [
        (where, security.security_mode, ("pskId", security.psk_id), ("pskKey", security.psk_key))
        for where, _, security in _accounts(given)
    ]
    if (own := given.bootstrap_security) is not None:
        pair = ("bootstrapId", own.psk_id), ("bootstrapKey", own.psk_key)
        wanted.append(("bootstrapSecurity", own.security_mode, *pair))
    for where, mode, *fields in wanted:
        if not mode.startswith("PSK"):
            continue
        for name, value in fields:
            if mode == "PSK" and value is None:
                yield Problem(f"{where}.{name}", "is missing, which security mode PSK needs")
            if mode == "PSK_GENERATED" and value is not None:
                yield Problem(f"{where}.{name}", "is given, but PSK_GENERATED makes its own")


def _generated_has_a_name(given: DeviceConfiguration) -> Iterator[Problem]:
    generated = given.server_security.security_mode == "PSK_GENERATED" or (
        given.bootstrap_security is not None
        and given.bootstrap_security.security_mode == "PSK_GENERATED"
    )
    if generated and len(given.endpoint_id.encode()) > MAX_IDENTITY_BYTES:
        yield Problem(
            "endpointId",
            f"is longer than the {MAX_IDENTITY_BYTES} bytes of a PSK identity, which "
            "PSK_GENERATED makes of it",
        )


def _bootstrap_has_a_server(given: DeviceConfiguration) -> Iterator[Problem]:
    if given.device_profile is not None:  # it may have one
        return
    if given.bootstrap_security is not None and given.lwm2m_server_uri is None:
        yield Problem("lwm2mServerUri", "is missing, which a bootstrap writes to the device")


def _scheme_is_the_modes(given: DeviceConfiguration) -> Iterator[Problem]:
    for where, uri, security in _accounts(given):
        if uri is None:
            continue
        plain = security.security_mode == "NO_SEC"
        if plain != uri.lower().startswith("coap:"):
            field = "lwm2mServerUri" if where == "serverSecurity" else where[:-8] + "uri"
            scheme = "coap" if plain else "coaps"
            mode = security.security_mode
            yield Problem(field, f"is {uri!r:.80}: must be {scheme}:// with security mode {mode}")


def _certificates_are_whole(given: DeviceConfiguration) -> Iterator[Problem]:
    """Row P7."""
    for where, _, security in _accounts(given):
        certificate, key = security.x509_certificate, security.x509_private_key
        try:
            if certificate:
                check_certificate(certificate)
            if certificate and key:
                check_pair(certificate, key.get_secret_value())
            elif key:
                raise RequestError("is given without the certificate that belongs to it")
        except RequestError as error:
            name = "x509PrivateKey" if key else "x509Certificate"
            yield Problem(f"{where}.{name}", str(error))


def _nothing_secret_is_shown(given: DeviceConfiguration) -> Iterator[Problem]:
    """A file of a certificate often has its key beside it."""
    for where, _, security in _accounts(given):
        shown = {
            "x509Certificate": security.x509_certificate,
            "x509ServerCertificateName": security.x509_server_certificate_name,
        }
        for name, text in shown.items():
            if text and "PRIVATE KEY-----" in text:
                why = "has a private key in it, and is shown; give the certificate only"
                yield Problem(f"{where}.{name}", why)


def _servers_differ(given: DeviceConfiguration) -> Iterator[Problem]:
    # Unset means what the server is set to, which is seldom another; a bootstrap looks again.
    seen = {given.lwm2m_short_server_id or USUAL_SHORT_ID}
    for number, server in enumerate(given.further_servers):
        if server.server_id in seen:
            yield Problem(
                f"furtherServers.{number}.serverId", f"is {server.server_id}, as another server's"
            )
        seen.add(server.server_id)


def _periods_are_in_order(given: DeviceConfiguration) -> Iterator[Problem]:
    least, most = given.default_minimum_period, given.default_maximum_period
    if least and most and least > most:
        yield Problem("defaultMaximumPeriod", f"is {most}, less than defaultMinimumPeriod, {least}")


_RULES: Final[tuple[Callable[[DeviceConfiguration], Iterator[Problem]], ...]] = (
    _psk_is_whole,
    _generated_has_a_name,
    _bootstrap_has_a_server,
    _scheme_is_the_modes,
    _certificates_are_whole,
    _nothing_secret_is_shown,
    _servers_differ,
    _periods_are_in_order,
)


# Generated keys


def with_generated(
    given: DeviceConfiguration, random: Callable[[int], bytes]
) -> tuple[DeviceConfiguration, dict[str, str]]:
    """PSK_GENERATED become PSK, with the endpoint name as identity and fresh keys.

    Also the keys made, by field and in hexadecimal digits: the one moment at which they can be
    shown. Row P6.
    """
    made: dict[str, str] = {}

    def fresh(field: str) -> SecretStr:
        made[field] = random(GENERATED_KEY_BYTES).hex()
        return SecretStr(made[field])

    changes: dict[str, Any] = {}
    for name, field in (
        ("server_security", "serverSecurity.pskKey"),
        ("bootstrap_security", "bootstrapSecurity.bootstrapKey"),
    ):
        part = getattr(given, name)
        if part is not None and part.security_mode == "PSK_GENERATED":
            key = fresh(field)
            changes[name] = _with(
                part, {"security_mode": "PSK", "psk_id": given.endpoint_id, "psk_key": key}
            )
    return (_with(given, changes) if changes else given), made


def _with(part: F, changes: dict[str, Any]) -> F:
    """A copy with some values changed: model_copy() for models without extra fields and private
    attributes, at a tenth of its price, for files of a hundred thousand rows."""
    made = part.__class__.__new__(part.__class__)
    object.__setattr__(made, "__dict__", part.__dict__ | changes)
    object.__setattr__(made, "__pydantic_fields_set__", part.model_fields_set | changes.keys())
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


# To and from what is kept and shown


def _plain(given: DeviceConfiguration) -> dict[str, Any]:
    """Every field, unset ones left out, secrets as SecretStr. A binding mode that nobody has set is
    the profile's, where there is one."""
    plain = given.model_dump(mode="python", by_alias=True, exclude_none=True)
    if given.device_profile is not None and "binding_mode" not in given.model_fields_set:
        del plain["bindingMode"]
    return plain


def _reveal(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {name: _reveal(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_reveal(each) for each in value]
    return value


def _said(given: DeviceConfiguration) -> dict[str, Any]:
    """The same without one in any case: a profile may come later."""
    plain = _plain(given)
    if "binding_mode" not in given.model_fields_set:
        plain.pop("bindingMode", None)
    return plain


def as_bytes(given: DeviceConfiguration) -> bytes:
    """The stored form, secrets and all: seal it (fleet/vault.py)."""
    return orjson.dumps(_said(given), default=_reveal)


def from_bytes(endpoint: str, row: bytes) -> DeviceConfiguration:
    """What as_bytes() made; StoreError when it is anything else."""
    try:
        return _read(orjson.loads(row), strict=False)
    except (ValueError, ConfigurationError) as error:
        raise StoreError(
            f"the stored configuration of {endpoint!r:.80} cannot be read: {error}"
        ) from None


def _mask(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield name, masked(value)
    elif isinstance(value, list | tuple):
        yield name, [masked(each) if isinstance(each, dict) else each for each in value]
    elif name not in _SECRET_NAMES:
        yield name, value
    elif name == "x509PrivateKey":  # row P7: its fingerprint only
        digest = fingerprint_of(str(_reveal(value)))
        yield FINGERPRINT, digest
    else:
        yield name, MASK


def masked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` with every secret masked, and a private key's fingerprint in its place."""
    return {key: value for pair in fields.items() for key, value in _mask(*pair)}


def as_json(given: DeviceConfiguration) -> dict[str, Any]:
    """What may be shown: every field that is set or has a default, no secret."""
    return masked(_plain(given))


def merged(before: DeviceConfiguration, given: Mapping[str, Any]) -> DeviceConfiguration:
    """`before` with what is `given` by its names; null unsets, objects are gone into, but for
    `writes`, which is a whole: an instance half of which is another's is no instance.

    A masked secret, as as_json() shows it, stays what it is; with PSK_GENERATED a fresh one takes
    its place. ConfigurationError, and no change, when the whole is not valid. The endpoint name
    cannot be changed.
    """
    plain = _reveal(_said(before))
    made = read(_merge(*unmasked(plain, canonical(given))))
    if made.endpoint_id != before.endpoint_id:
        raise ConfigurationError([Problem("endpointId", "cannot be changed")])
    return made


_PARTS: Final[dict[str, type[Fields]]] = {
    "serverSecurity": ServerSecurity,
    "bootstrapSecurity": BootstrapSecurity,
}


def canonical(
    given: Mapping[str, Any], model: type[Fields] = DeviceConfiguration
) -> dict[str, Any]:
    """`given` by the names that answers use; unknown ones stay, to be refused by name."""
    names = names_of(model)
    made: dict[str, Any] = {}
    for name, value in given.items():
        name = names.get(name, name)
        part = _PARTS.get(name) if model is DeviceConfiguration else None
        made[name] = canonical(value, part) if part and isinstance(value, Mapping) else value
    return made


def _merge(
    before: dict[str, Any], given: Mapping[str, Any], depth: int = MAX_DEPTH
) -> dict[str, Any]:
    after = dict(before)
    for name, value in given.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, Mapping) and name != WRITES and depth:  # deeper: to be refused
            part = after.get(name)
            made = _merge(part if isinstance(part, dict) else {}, value, depth - 1)
            if made or not value or name in after:  # nothing but null: as it is shown when unset
                after[name] = made
        elif value != MASK and name != FINGERPRINT:
            after[name] = value
    return after
