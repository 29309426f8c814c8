"""The two shapes of a profile's JSON, told in the words of the newer one.

    older    bootstrap.servers, .lwm2mServer and .bootstrapServer; start settings are true and false
    newer    bootstrap is a list, ids are `shortServerId`; start settings are 1, 2 and 3

Each may stand alone, in `transportConfiguration`, or in a whole exported device profile. Everything
is remembered by where it was found, for whoever refuses it. Knows no field's bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lwm2m_fast.fleet.configuration import ConfigurationError, Problem

LWM2M: Final = "LWM2M"
LWM2M_SERVER: Final = "bootstrap.lwm2mServer"
_OF_SERVERS: Final = ("lifetime", "binding", "notifIfDisabled", "defaultMinPeriod")
"""Fields of the older `bootstrap.servers`, which all LwM2M servers have in common."""
_NOT_OF_BOOTSTRAP: Final = frozenset({*_OF_SERVERS, "shortServerId"})
"""Said of a bootstrap server, they mean nothing: it has no object 1."""
MAX_DEPTH: Final = 16


@dataclass(slots=True)
class Found:
    """A profile in the newer words, and what each part of it was called."""

    fields: dict[str, Any]
    prefix: str = ""
    entries: list[str] = field(default_factory=list)
    """Of each entry of `bootstrap`, where it was."""
    names: dict[tuple[Any, ...], str] = field(default_factory=dict)
    """Fields that were somewhere else altogether."""

    def place(self, parts: tuple[Any, ...]) -> str:
        """What somebody who reads the JSON calls this field."""
        if parts in self.names:
            return self.prefix + self.names[parts]
        if parts[:1] == ("bootstrap",) and len(parts) > 1:
            number = parts[1]
            if isinstance(number, int) and number < len(self.entries):
                parts = (self.entries[number], *parts[2:])
        return self.prefix + ".".join(str(part) for part in parts if part != "[key]")


def _said(given: Any, depth: int = 0) -> Any:
    """Without what is null: it says nothing."""
    if depth > MAX_DEPTH:
        return given
    if isinstance(given, Mapping):
        return {name: _said(each, depth + 1) for name, each in given.items() if each is not None}
    if isinstance(given, list):
        return [_said(each, depth + 1) for each in given]
    return given


def _object(where: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise ConfigurationError([Problem(where or "the body", "must be an object")])
    return given


def found_in(given: Any) -> Found:
    """The profile in a JSON value. ConfigurationError: there is none."""
    inside, prefix = _object("", _said(given)), ""
    for name in ("profileData", "transportConfiguration"):
        if name in inside:
            inside = _object(prefix + name, inside[name])
            prefix += name + "."
    kind = inside.get("type", LWM2M)
    if kind != LWM2M:
        why = f"is {kind!r:.60}: profiles of {LWM2M} are known here, no other transport's"
        raise ConfigurationError([Problem(prefix + "type", why)])
    found = Found(dict(inside), prefix)
    if "bootstrap" in inside:
        _take_bootstrap(found, inside["bootstrap"])
    if "clientLwM2mSettings" in inside:
        settings = _object(prefix + "clientLwM2mSettings", inside["clientLwM2mSettings"])
        _take_start(found, dict(settings))
    return found


def _take_bootstrap(found: Found, given: Any) -> None:
    listed = isinstance(given, list)
    entries = list(_listed(found, given) if listed else _older(found, given))
    # The bootstrap server first, the others as they stand: the order of shapes differs.
    entries.sort(key=lambda each: each[1].get("bootstrapServerIs") is not True)
    found.entries = [where for where, _ in entries]
    found.fields["bootstrap"] = [fields for _, fields in entries]
    if not listed:
        _name_terms(found, given)


def _name_terms(found: Found, given: Any) -> None:
    """What of the older form's LwM2M server was said in `bootstrap.servers`."""
    if LWM2M_SERVER not in found.entries:
        return
    number = found.entries.index(LWM2M_SERVER)
    own, terms = given["lwm2mServer"], given.get("servers", {})
    for name in (name for name in _OF_SERVERS if name in terms and name not in own):
        found.names["bootstrap", number, name] = f"bootstrap.servers.{name}"
    where = "servers.shortId" if "shortId" in terms else "lwm2mServer.serverId"
    found.names["bootstrap", number, "shortServerId"] = f"bootstrap.{where}"


def _listed(found: Found, given: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, each in enumerate(given):
        where = f"bootstrap.{number}"
        yield where, _entry(found, where, "shortServerId", _object(found.prefix + where, each))


def _older(found: Found, given: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    whole = _object(found.place(("bootstrap",)), given)
    terms = _object(found.prefix + "bootstrap.servers", whole.get("servers", {}))
    common: dict[str, Any] = {name: terms[name] for name in _OF_SERVERS if name in terms}
    if "bootstrapServer" in whole:
        where = "bootstrap.bootstrapServer"
        fields = _object(found.prefix + where, whole["bootstrapServer"])
        yield where, _entry(found, where, "serverId", {**fields, "bootstrapServerIs": True})
    if "lwm2mServer" in whole:
        where = LWM2M_SERVER
        fields = _object(found.prefix + where, whole["lwm2mServer"])
        places = ((terms, "shortId"), (fields, "serverId"))
        ids = [at[name] for at, name in places if name in at]
        if len(ids) == 2 and ids[0] != ids[1]:
            why = f"is {ids[1]!r:.60}, but bootstrap.servers.shortId is {ids[0]!r:.60}"
            raise ConfigurationError([Problem(f"{found.prefix}{where}.serverId", why)])
        own = {"shortServerId": ids[0]} if ids else {}
        yield where, {**common, **fields, **own, "bootstrapServerIs": False}


def _entry(found: Found, where: str, id_name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """An entry of the list; of a bootstrap server's only what it can have."""
    if fields.get("bootstrapServerIs") is not True:
        return fields
    number = fields.get(id_name, 0)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 65_535:
        why = f"is {number!r:.60}: allowed are 0 to 65535, of a bootstrap server without effect"
        raise ConfigurationError([Problem(f"{found.prefix}{where}.{id_name}", why)])
    made = {name: each for name, each in fields.items() if name not in _NOT_OF_BOOTSTRAP}
    return {**made, "shortServerId": None}


def _take_start(found: Found, settings: dict[str, Any]) -> None:
    """Two flags for three ways to begin: only observe; else read what matters, or everything."""
    found.fields["clientLwM2mSettings"] = settings
    only = settings.get("clientOnlyObserveAfterConnect")
    if not isinstance(only, bool):
        return
    update = settings.get("clientUpdateValueAfterConnect", False)
    if not isinstance(update, bool):
        where = found.place(("clientLwM2mSettings", "clientUpdateValueAfterConnect"))
        why = f"is {update!r:.60}: must be true or false"
        raise ConfigurationError([Problem(where, why)])
    settings["clientOnlyObserveAfterConnect"] = 1 if only else 3 if update else 2
