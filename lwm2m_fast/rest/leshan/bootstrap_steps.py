"""What Leshan's JSON of a bootstrap has beside accounts, as steps of ours: `toDelete` and `acls`.

Object 2 is Access Control: what a device lets each server do with an object instance. Paths in
objects 0 and 1 say nothing here, as a bootstrap finds the accounts that are on the device.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from lwm2m_fast.errors import RequestError

_ACCOUNT: Final = re.compile(r"/[01](/(0|[1-9][0-9]{0,4}))?", re.ASCII)
_ACCESS: Final = "/2/"
_MEMBERS: Final = {
    "objectId": "0",
    "objectInstanceId": "1",
    "acls": "2",
    "AccessControlOwner": "3",
}
"""Of an instance of object 2 (OMA Core, E.3), to its resources."""


def steps_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `bootstrapSteps` that `body` means; RequestError names what is none.

    Whether paths and values can be is found out by who reads them.
    """
    return {"deletes": _deletes(body.get("toDelete")), "writes": _writes(body.get("acls"))}


def _deletes(paths: Any) -> list[str]:
    if paths is None:
        return []
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise RequestError("toDelete is no list of paths")
    return [path for path in paths if not _ACCOUNT.fullmatch(path)]


def _writes(given: Any) -> dict[str, Any]:
    if not isinstance(given or {}, dict):
        raise RequestError("acls is no JSON object of instances")
    return {
        _ACCESS + number: _access(f"acls.{number:.20}", one)
        for number, one in (given or {}).items()
    }


def _access(where: str, one: Any) -> dict[str, Any]:
    if not isinstance(one, dict):
        raise RequestError(f"{where} is no JSON object")
    for name in one:
        if name not in _MEMBERS:
            raise RequestError(f"{where}.{name:.40} is not known")
    if not isinstance(one.get("acls") or {}, dict):
        raise RequestError(f"{where}.acls is no JSON object of rights by short server id")
    return {
        _MEMBERS[name]: value for name, value in one.items() if value is not None and value != {}
    }


def shown(steps: Mapping[str, Any]) -> dict[str, Any]:
    """The members of Leshan's JSON that `bootstrapSteps` has; what that has no member for is
    not shown."""
    names = {number: name for name, number in _MEMBERS.items()}
    acls = {
        path.removeprefix(_ACCESS): {
            names[number]: value for number, value in values.items() if number in names
        }
        for path, values in steps.get("writes", {}).items()
        if path.startswith(_ACCESS)
    }
    return {"toDelete": list(steps.get("deletes", ())), "acls": acls}
