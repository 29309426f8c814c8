"""The settings of one device: names, bounds, and what each is when nobody has set it.

Pure rules: from JSON to Settings and back. Where they are kept, and what they change, is not
known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import orjson

from lwm2m_fast.errors import RequestError, StoreError
from lwm2m_fast.fleet.log_levels import LEVELS
from lwm2m_fast.model import binary_format, forced_format, parse_version

MIN_REQUEST_TIMEOUT_MS = 10_000
MAX_REQUEST_TIMEOUT_MS = 600_000
MAX_AWAKE_MS = 2_147_483_647
"""Some 25 days; longer windows are 0, always online."""

MAX_INTERVAL_MIN = 5_256_000
"""Ten years."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is set for one device. None: not set, so that the next rule in line decides."""

    awake_ms: int | None = None
    """How long it listens after an uplink; 0 is always. Before `at` and the global value."""
    request_timeout_ms: int | None = None
    """How long the answer to an operation is waited for; before the global value."""
    serialization_format: str | None = None
    """TLV, JSON, CBOR, TEXT, OPAQUE, SENML_JSON, SENML_CBOR; None: what it registered decides."""
    binary_encoding: str | None = None
    """OPAQUE, TLV, JSON, TEXT: how an opaque value is written to it; None is OPAQUE."""
    retains_values: bool = True
    """Last values stay when the device refuses a Read or Write, or no longer lists a resource."""
    default_object_version: str | None = None
    """Version of the objects that it registers without one."""
    manages_interval: bool = True
    """It must be heard within its lifetime and two minutes; else within `interval_min`."""
    interval_min: int | None = None
    """Minutes within which it must be heard, when that is not managed; None: it need not be."""
    log_level: str | None = None
    """Which of its events are told (log_levels.py); None is LIFECYCLE."""


UNSET = Settings()


def _whole(unit: str, least: int, most: int) -> Callable[[str, Any], int]:
    def check(name: str, given: Any) -> int:
        if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
            raise RequestError(
                f"{name} is {given!r:.80}, allowed is a whole number of {unit} "
                f"from {least} to {most}"
            )
        return given

    return check


def _word(is_known: Callable[[str], object]) -> Callable[[str, Any], str | None]:
    def check(name: str, given: Any) -> str | None:
        if not isinstance(given, str):
            raise RequestError(f"{name} is {given!r:.80}, allowed is text")
        word = given.strip().upper()
        return word if is_known(word) is not None else None

    return check


def _flag(name: str, given: Any) -> bool:
    if not isinstance(given, bool):
        raise RequestError(f"{name} is {given!r:.80}, allowed are true and false")
    return given


def _level(name: str, given: Any) -> str:
    if given not in LEVELS:
        raise RequestError(f"{name} is {given!r:.80}, allowed are {', '.join(LEVELS)}")
    return str(given)


def _version(name: str, given: Any) -> str:
    if not isinstance(given, str) or parse_version(given) is None:
        raise RequestError(f"{name} is {given!r:.80}, allowed is a version such as '1.1'")
    return given


class _Rule(NamedTuple):
    field: str
    check: Callable[[str, Any], Any]


RULES: dict[str, _Rule] = {
    "awakeTimeRegistrationParameter": _Rule("awake_ms", _whole("milliseconds", 0, MAX_AWAKE_MS)),
    "lwm2mRequestTimeout": _Rule(
        "request_timeout_ms",
        _whole("milliseconds", MIN_REQUEST_TIMEOUT_MS, MAX_REQUEST_TIMEOUT_MS),
    ),
    # A word that is none of the known ones is as if nothing were set: rows R9 and D13.
    "serializationFormat": _Rule("serialization_format", _word(forced_format)),
    "binaryDeliveryEncoding": _Rule("binary_encoding", _word(binary_format)),
    "genericUIRetainOldValuesIfError": _Rule("retains_values", _flag),
    "defaultObjectIDVer": _Rule("default_object_version", _version),
    "autoManageAvailabilityRequiredInterval": _Rule("manages_interval", _flag),
    "availabilityRequiredInterval": _Rule("interval_min", _whole("minutes", 1, MAX_INTERVAL_MIN)),
    "logLevel": _Rule("log_level", _level),
}
"""Name in JSON to the field and its check; the names are those of existing fleets' files."""

ALIASES = {"c8y_GenericUI_retainOldValuesIfError": "genericUIRetainOldValuesIfError"}
"""The column name in existing files."""


def changed(before: Settings, given: Mapping[str, Any]) -> Settings:
    """`before` with what is `given` by name; null unsets, what is not named stays.

    RequestError names the setting, its value and what is allowed; then nothing is changed.
    """
    new: dict[str, Any] = {}
    for name, value in given.items():
        rule = RULES.get(ALIASES.get(name, name))
        if rule is None:
            raise RequestError(f"{name!r:.80} is no device setting; there are {', '.join(RULES)}")
        new[rule.field] = getattr(UNSET, rule.field) if value is None else rule.check(name, value)
    return replace(before, **new)


def as_json(settings: Settings) -> dict[str, Any]:
    """Every setting by name; null: not set."""
    return {name: getattr(settings, rule.field) for name, rule in RULES.items()}


def as_bytes(settings: Settings) -> bytes:
    """The stored form: what is set, and nothing else."""
    kept = {
        name: getattr(settings, rule.field)
        for name, rule in RULES.items()
        if getattr(settings, rule.field) != getattr(UNSET, rule.field)
    }
    return orjson.dumps(kept)


def from_bytes(endpoint: bytes, value: bytes) -> Settings:
    """What as_bytes() made; StoreError when it is anything else."""
    try:
        given = orjson.loads(value)
        return changed(UNSET, given)
    except (ValueError, AttributeError, RequestError) as error:
        raise StoreError(f"the stored settings of {endpoint!r} cannot be read: {error}") from None


assert {rule.field for rule in RULES.values()} == {field.name for field in fields(Settings)}  # noqa: S101
