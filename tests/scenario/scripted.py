"""Scripted devices that talk to the core over a link in memory, with a clock that is a number.

A test reads like the exchange it describes: a device sends, the world decides, the device hears.
This is the door; messages, devices and the world have a file each.
"""

from __future__ import annotations

from tests.scenario.scripted_device import Device
from tests.scenario.scripted_messages import (
    ACCEPT,
    ACK,
    BLOCK1,
    BLOCK2,
    CON,
    CONTENT_FORMAT,
    DELETE,
    ETAG,
    FETCH,
    GET,
    IPATCH,
    LINK_FORMAT,
    LINKS,
    LOCATION_PATH,
    MAX_AGE,
    NON,
    OBSERVE,
    PATCH,
    POST,
    PUT,
    RST,
    SIZE1,
    SIZE2,
    URI_PATH,
    URI_QUERY,
    Heard,
    block,
    code_byte,
    number_bytes,
    path_options,
    read,
    register,
    register_parts,
    request,
    write,
)
from tests.scenario.scripted_world import (
    CONTACTS,
    OBSERVATIONS,
    PSK,
    REGISTRATIONS,
    START,
    UNIX,
    X509,
    Chance,
    World,
    changes_in,
    principal_of,
    reachable,
)

__all__ = [
    "ACCEPT", "ACK", "BLOCK1", "BLOCK2", "CON", "CONTACTS", "CONTENT_FORMAT", "Chance",
    "DELETE", "Device", "ETAG", "FETCH", "GET", "Heard", "IPATCH", "LINKS", "LINK_FORMAT",
    "LOCATION_PATH", "MAX_AGE", "NON", "OBSERVATIONS", "OBSERVE", "PATCH", "POST", "PSK", "PUT",
    "REGISTRATIONS", "RST", "SIZE1", "SIZE2", "START", "UNIX", "URI_PATH", "URI_QUERY", "World",
    "X509", "block", "changes_in", "code_byte", "number_bytes", "path_options", "principal_of",
    "reachable", "read", "register", "register_parts", "request", "write",
]  # fmt: skip
