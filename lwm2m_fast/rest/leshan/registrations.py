"""A registration as Leshan shows it, made from our own description of a device.

Times are milliseconds since 1970. What only Leshan has is made from what we keep; what only we have
is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lwm2m_fast.codec.link import decode_links
from lwm2m_fast.errors import FormatError
from lwm2m_fast.rest.leshan.answers import link_object


class Presences(Protocol):
    """Who knows which device is awake (rest/base.py, Operations)."""

    def presence(self, endpoint: str) -> dict[str, Any] | None: ...


def registration(device: Mapping[str, Any], presences: Presences) -> dict[str, Any]:
    """The registration object; `sleeping` only for a device in queue mode."""
    shown: dict[str, Any] = {
        "endpoint": device["endpoint"],
        "registrationId": device["registration_id"],
        "registrationDate": milliseconds(device["registered_at"]),
        "lastUpdate": milliseconds(device["updated_at"]),
        "address": device["address"] or "",
        "lwM2mVersion": device["lwm2m_version"],
        "lifetime": device["lifetime_s"],
        "bindingMode": device["binding"],
        "rootPath": device["root"],
        "objectLinks": object_links(device),
        "secure": is_secure(device),
        "additionalRegistrationAttributes": device["attributes"],
        "queuemode": device["queue_mode"],
        "availableInstances": {
            number: known["instances"] for number, known in _objects(device) if known["instances"]
        },
    }
    if device["sms"] is not None:
        shown["smsNumber"] = device["sms"]
    if device["queue_mode"]:
        presence = presences.presence(device["endpoint"])
        shown["sleeping"] = presence is not None and not presence["awake"]
    return shown


def update(device: Mapping[str, Any]) -> dict[str, Any]:
    """The `update` of an UPDATED event: the registration's state after the Update.

    Which of it the Update carried is not kept, so that all of it is told.
    """
    shown = {
        "registrationId": device["registration_id"],
        "address": device["address"],
        "smsNumber": device["sms"],
        "lifetime": device["lifetime_s"],
        "alternatePath": device["root"],
        "objectLinks": object_links(device),
        "secure": is_secure(device),
        "additionalAttributes": device["attributes"],
    }
    return {name: value for name, value in shown.items() if value is not None}


def object_links(device: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The object list as links, by path; made anew from the objects where the text is beyond
    strict reading (a registration's parser forgives more)."""
    try:
        links = decode_links(device["links"].encode())
    except FormatError:
        paths = [
            f"/{number}/{instance}" if instance is not None else f"/{number}"
            for number, known in _objects(device)
            for instance in known["instances"] or (None,)
        ]
        return [{"url": path, "attributes": {}} for path in paths]
    links.sort(key=lambda link: _order(link.target))
    return [link_object({"url": link.target, "attributes": link.attributes}) for link in links]


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def is_secure(device: Mapping[str, Any]) -> bool:
    return str(device["transport"]).startswith("coaps")


def _objects(device: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return sorted(device["objects"].items(), key=lambda item: int(item[0]))


def _order(target: str) -> list[tuple[int, str]]:
    return [(int(part) if part.isdigit() else -1, part) for part in target.split("/")]
