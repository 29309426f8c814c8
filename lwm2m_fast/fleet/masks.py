"""What is shown in the place of a secret, and what it means when somebody sends it back.

Clients change a configuration by sending all of what they were shown, so that a mask stands for the
secret that is there, and never for itself. Pure; knows names of fields and no rule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

MASK: Final = "********"
FINGERPRINT: Final = "x509PrivateKeyFingerPrint"

_GENERATED: Final = "PSK_GENERATED"
_PARTS: Final = {
    "serverSecurity": ("securityMode", "pskId", "pskKey"),
    "bootstrapSecurity": ("bootstrapSecurityMode", "bootstrapId", "bootstrapKey"),
}
"""Mode, identity and key of each connection."""


def fingerprint_of(private_key: str) -> str:
    """SHA-256 of the text of a private key, in hex digits."""
    return hashlib.sha256(private_key.encode()).hexdigest()


def unmasked(
    before: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both in a form that can be merged: `before` without what PSK_GENERATED replaces, `given` with
    the secrets of `before` in lists, which are replaced as a whole.

    `before` has its secrets in clear. A mask where there is no secret stays, to be refused.
    """
    kept, new = dict(before), dict(given)
    for name, fields in _PARTS.items():
        part, old = given.get(name), before.get(name)
        if isinstance(part, Mapping) and isinstance(old, Mapping) and _generates(part, fields[0]):
            kept[name] = {field: value for field, value in old.items() if field not in fields[1:]}
            new[name] = {field: value for field, value in part.items() if value != old.get(field)}
    servers = given.get("furtherServers")
    if isinstance(servers, list | tuple):
        known = {each["serverId"]: each for each in before.get("furtherServers", ())}
        new["furtherServers"] = [_server(each, known) for each in servers]
    return kept, new


def _generates(part: Mapping[str, Any], mode: str) -> bool:
    return str(part.get(mode)).strip().upper() == _GENERATED


def _server(given: Any, known: Mapping[Any, Any]) -> Any:
    security = given.get("security") if isinstance(given, Mapping) else None
    number = given.get("serverId") if isinstance(given, Mapping) else None
    old = known.get(number, {}).get("security", {}) if isinstance(number, int) else {}
    if not isinstance(security, Mapping) or not old:
        return given
    new = {
        name: old.get(name, MASK) if value == MASK else value for name, value in security.items()
    }
    key = old.get("x509PrivateKey")
    if key is not None and new.get(FINGERPRINT) == fingerprint_of(key):
        del new[FINGERPRINT]
        new.setdefault("x509PrivateKey", key)
    return {**given, "security": new}
