"""Which instances a bootstrap writes: what a device has, and the accounts it shall have.

Pure choices; knows no messages. An account that the device has already, by its short server id, is
replaced in place, so that no number of bootstraps leaves two of one server. What belongs to other
servers, and the device's account for this bootstrap server, stays unless the configuration says
otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from lwm2m_fast.codec import Node, Path
from lwm2m_fast.codec.link import Link
from lwm2m_fast.core.accounts import (
    NO_SERVER,
    SECURITY,
    SERVER,
    Account,
    Configuration,
    security_nodes,
    server_nodes,
)
from lwm2m_fast.errors import FormatError, RequestError

MAX_INSTANCE: Final = 65_534
"""65535 is reserved (OMA Core, section 7.2)."""


@dataclass(slots=True)
class Known:
    """The accounts that a device has, by its answer to Bootstrap-Discover (section 6.1.7.3)."""

    security: dict[int, int | None] = field(default_factory=dict)
    """Instances of object 0 to their short server id; None: the bootstrap server's own account."""
    servers: dict[int, int | None] = field(default_factory=dict)
    """Instances of object 1 to their short server id."""


class Write(NamedTuple):
    """One Bootstrap-Write."""

    path: str
    nodes: tuple[Node, ...]


class Plan(NamedTuple):
    deletes: tuple[str, ...]
    writes: tuple[Write, ...]


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _instances(links: Iterable[Link]) -> Iterator[tuple[int, int, int | None]]:
    for link in links:
        try:
            ids = Path.parse(link.target).ids
        except FormatError:  # "</>;lwm2m=1.1" and what is not LwM2M
            continue
        if len(ids) == 2:
            yield ids[0], ids[1], _number(link.attributes.get("ssid"))


def known_of(links: Iterable[Link]) -> Known:
    """The accounts in a Discover answer; whatever else the device has is of no interest here."""
    known = Known()
    for object_id, instance, short_id in _instances(links):
        if object_id == SECURITY:
            known.security[instance] = None if short_id in NO_SERVER else short_id
        elif object_id == SERVER:
            known.servers[instance] = short_id
    return known


def _left_after(known: Known, deletes: Iterable[str]) -> Known:
    """What remains on the device when `deletes` are done: never its bootstrap account."""
    left = Known(dict(known.security), dict(known.servers))
    for text in deletes:
        path = Path.parse(text) if text != "/" else Path()
        for instance, short_id in known.security.items():
            if short_id is not None and path.contains(Path(SECURITY, instance)):
                left.security.pop(instance, None)
        for instance in known.servers:
            if path.contains(Path(SERVER, instance)):
                left.servers.pop(instance, None)
    return left


class _Places:
    """Hands out instance ids: the account's own where it has one, else the next that is free."""

    def __init__(self, known: Known, offset: int) -> None:
        self._known, self._offset = known, offset
        self._taken = [set(known.security), set(known.servers)]
        self.replaced: list[str] = []

    def _free(self, *objects: int) -> int:
        taken = set().union(*(self._taken[number] for number in objects))
        place = self._offset
        while place in taken:
            place += 1
        if place > MAX_INSTANCE:
            raise RequestError(
                f"securityInstanceOffset is {self._offset}: no instance id from there to "
                f"{MAX_INSTANCE} is free"
            )
        for number in objects:
            self._taken[number].add(place)
        return place

    def _own(self, have: dict[int, int | None], short_id: int | None) -> int | None:
        return min((i for i, other in have.items() if other == short_id), default=None)

    def of_bootstrap(self) -> int:
        """The account of this bootstrap server; overwritten, as no device lets it be deleted."""
        own = self._own(self._known.security, None)
        return own if own is not None else self._free(SECURITY)

    def of_server(self, short_id: int | None) -> tuple[int, int]:
        """Instances of objects 0 and 1."""
        security = self._own(self._known.security, short_id)
        server = self._own(self._known.servers, short_id)
        if security is None and server is None:
            place = self._free(SECURITY, SERVER)
            return place, place
        if security is None:
            security = self._free(SECURITY)
        else:
            self.replaced += self._all(SECURITY, self._known.security, short_id)
        if server is None:
            server = self._free(SERVER)
        else:
            self.replaced += self._all(SERVER, self._known.servers, short_id)
        return security, server

    def _all(self, object_id: int, have: dict[int, int | None], short_id: int | None) -> list[str]:
        """Every instance with this short id: older servers may have left more than one."""
        return [f"/{object_id}/{i}" for i, other in sorted(have.items()) if other == short_id]


def _writes(account: Account, places: _Places) -> Iterator[Write]:
    if account.is_bootstrap:
        place = places.of_bootstrap()
        yield Write(f"/{SECURITY}/{place}", security_nodes(account, place))
        return
    security, server = places.of_server(account.short_id)
    yield Write(f"/{SECURITY}/{security}", security_nodes(account, security))
    yield Write(f"/{SERVER}/{server}", server_nodes(account, server))


def plan(configuration: Configuration, known: Known | None) -> Plan:
    """What to delete and to write. `known` is None when the device did not let itself be asked.

    Then whatever accounts it has are deleted, all but its bootstrap account, which a device keeps
    by itself (section 6.1.7.6): else every bootstrap would add to them.
    """
    deletes = list(configuration.deletes)
    if known is None:
        deletes = [*dict.fromkeys([*deletes, f"/{SECURITY}", f"/{SERVER}"])]
        known = Known()
    places = _Places(_left_after(known, deletes), configuration.offset)
    writes = [write for account in configuration.accounts for write in _writes(account, places)]
    writes += [Write(path, nodes) for path, nodes in configuration.objects]
    return Plan((*deletes, *places.replaced), tuple(writes))
