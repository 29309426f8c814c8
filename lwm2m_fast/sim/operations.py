"""What a device does with a request that the catalogue alone cannot answer (OMA TS Core, 6.3).

A request in, a Reply out; changes go to the device's Replica, which is made when it is first
needed. Knows no message, no observation and no clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from lwm2m_fast.codec import Node, Pack, Path, decode, encode
from lwm2m_fast.errors import FormatError
from lwm2m_fast.sim.answers import (
    LINKS,
    OCTETS,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    Naming,
    single_format,
)
from lwm2m_fast.sim.attributes import Attributes, Ids, effective
from lwm2m_fast.sim.blueprint import Blueprint, Rows, kind_of
from lwm2m_fast.sim.bodies import Body
from lwm2m_fast.sim.catalogue import Catalogue
from lwm2m_fast.sim.objects import DEFAULT_PMAX_S, DEFAULT_PMIN_S
from lwm2m_fast.sim.refused import (
    BAD_REQUEST,
    INTERNAL_ERROR,
    NOT_ACCEPTABLE,
    NOT_ALLOWED,
    NOT_FOUND,
    UNSUPPORTED_FORMAT,
    Refused,
)
from lwm2m_fast.sim.replica import Replica

GET, POST, PUT, DELETE, FETCH, PATCH, IPATCH = range(1, 8)
CREATED, DELETED, CHANGED, CONTENT = 65, 66, 68, 69

ETCH: Final = {320: SENML_JSON, 322: SENML_CBOR, SENML_JSON: SENML_JSON, SENML_CBOR: SENML_CBOR}
"""Formats of a composite request, and the one its answer has without an Accept."""

_SERVER: Final[Rows] = {2: DEFAULT_PMIN_S, 3: DEFAULT_PMAX_S}

_ARGUMENT: Final = r"[0-9](?:='[!#-&(-\[\]-~ ]*')?"
_ARGUMENTS: Final = re.compile(rf"(?:{_ARGUMENT}(?:,{_ARGUMENT})*)?", re.ASCII)
_IDLE, _DOWNLOADED = 0, 2


class After(Enum):
    """What the device does once it has answered."""

    NOTHING = 0
    UPDATE = 1
    TELL_LINKS = 2
    """An Update with the new object list (6.2.2)."""
    TELL_LIFETIME = 3
    REBOOT = 4
    FORGET = 5
    """A factory reset: everything as delivered, then a reboot."""


@dataclass(frozen=True)
class Request:
    """One request, its payload whole."""

    device: int
    code: int
    path: Ids
    query: tuple[bytes, ...]
    content_format: int | None
    accept: int | None
    body: Body
    second: int
    """What varying values are a function of."""

    @property
    def payload(self) -> bytes:
        return bytes(self.body.data)


@dataclass(frozen=True)
class Reply:
    """The answer, whole; blocks are cut elsewhere."""

    code: int
    content_format: int | None = None
    payload: bytes = b""
    location: tuple[str, ...] = ()
    after: After = After.NOTHING
    is_from_catalogue: bool = False
    """Its further blocks can be asked of the catalogue."""


class Operations:
    """The devices of a fleet as LwM2M sees them; `number(device)` is in the endpoint name."""

    def __init__(
        self,
        blueprint: Blueprint,
        catalogue: Catalogue,
        naming: Naming,
        number: Callable[[int], int],
    ) -> None:
        self._blueprint, self._catalogue = blueprint, catalogue
        self._naming, self._number = naming, number
        self._replicas: dict[int, Replica] = {}

    # Whose values.

    def touched(self, device: int) -> Replica:
        """The device's own objects, from now on."""
        replica = self._replicas.get(device)
        if replica is None:
            replica = self._replicas[device] = self._as_delivered(device)
        return replica

    def replica(self, device: int) -> Replica | None:
        """None for a device that is like all others."""
        return self._replicas.get(device)

    def forget(self, device: int) -> None:
        """The device is as delivered again."""
        self._replicas.pop(device, None)

    def _as_delivered(self, device: int) -> Replica:
        number = self._number(device)
        return Replica(self._blueprint, self._catalogue, number, self._naming.name(number))

    def _seen(self, device: int) -> Replica:
        return self._replicas.get(device) or self._as_delivered(device)

    def attributes(self, device: int, path: Ids) -> Attributes:
        """What holds at this path."""
        replica = self._replicas.get(device)
        return effective(replica.attributes, path) if replica else {}

    def periods(self, device: int) -> tuple[int, int]:
        """The device's default pmin and pmax in seconds (resources /1/0/2 and /1/0/3)."""
        rows = self._replicas[device].server if device in self._replicas else _SERVER
        pmin, pmax = rows.get(2), rows.get(3)
        return (
            pmin if isinstance(pmin, int) else 0,
            pmax if isinstance(pmax, int) else 0,
        )

    def stores_notifications(self, device: int) -> bool:
        """Whether what cannot be told now is kept (resource /1/0/6)."""
        return device not in self._replicas or self._replicas[device].server.get(6) is not False

    def measure_at(self, device: int, path: Ids, second: int) -> float | bool | None:
        """The value that gt, lt, st and edge compare; None where there is none."""
        return self._seen(device).measure_at(path, second)

    # The methods.

    def answer(self, request: Request) -> Reply:
        """Never raises for what a server may send."""
        try:
            return self._METHODS.get(request.code, Operations._not_allowed)(self, request)
        except Refused as refused:
            return Reply(refused.code, None, refused.why.encode()[:64])

    def _not_allowed(self, request: Request) -> Reply:
        if request.path and request.path[0] not in self._blueprint.versions:
            raise Refused(NOT_FOUND)
        raise Refused(NOT_ALLOWED)

    def _get(self, request: Request) -> Reply:
        if not request.path:
            raise Refused(NOT_FOUND)
        return self.read(request.device, request.path, request.accept, request.second)

    def read(self, device: int, path: Ids, accept: int | None, second: int) -> Reply:
        """Read or Discover; Refused."""
        replica = self._replicas.get(device)
        if accept == LINKS and replica is not None:
            return Reply(CONTENT, LINKS, replica.discover(path).encode())
        if replica is None or replica.is_as_delivered(path):
            asked = -1 if accept is None else accept
            found = self._catalogue.read(path, self._number(device), second, asked)
            if found is not None and (found[0] != LINKS or accept == LINKS):
                return Reply(CONTENT, *found, is_from_catalogue=True)
        nodes = self._seen(device).read(path, second)
        chosen = self._chosen(path, accept)
        return Reply(CONTENT, chosen, _encoded(chosen, nodes, path))

    def _chosen(self, path: Ids, accept: int | None) -> int:
        formats = self._blueprint.structured
        definition = self._blueprint.resource(path[0], path[2]) if len(path) > 2 else None
        if definition is not None and (len(path) == 4 or not definition.multiple):
            one = single_format(kind_of(definition))
            formats = (one, *self._blueprint.single, *formats)
        if accept is None:
            return formats[0]
        if accept not in formats:
            raise Refused(NOT_ACCEPTABLE)
        return accept

    def _put(self, request: Request) -> Reply:
        if not request.path:
            raise Refused(NOT_ALLOWED)
        if request.query and request.content_format is None and not request.body.size:
            self.touched(request.device).write_attributes(request.path, request.query)
            return Reply(CHANGED)
        return self._write(request, replaces=True)

    def _post(self, request: Request) -> Reply:
        if not request.path:
            raise Refused(NOT_ALLOWED)
        if len(request.path) == 1:
            return self._create(request)
        if len(request.path) == 3:
            definition = self._seen(request.device).define(request.path)
            if definition.is_executable:
                return self._execute(request)
        return self._write(request, replaces=False)

    def _write(self, request: Request, *, replaces: bool) -> Reply:
        path = request.path
        if path[0] not in self._blueprint.versions:
            raise Refused(NOT_FOUND)
        if len(path) == 1:
            raise Refused(NOT_ALLOWED)
        if len(path) > 2:
            definition = self._seen(request.device).define(path)
            if not definition.is_writable:
                raise Refused(NOT_ALLOWED)
        if request.body.is_image:
            return self._take_image(request)
        nodes = self._decoded(request)
        self.touched(request.device).write(path, nodes, replaces=replaces)
        return self._changed(request.device, {path, *(node.path.ids for node in nodes)})

    def _changed(self, device: int, paths: set[Ids]) -> Reply:
        is_lifetime = any(each[:3] == (1, 0, 1) for each in paths)
        return Reply(CHANGED, after=After.TELL_LIFETIME if is_lifetime else After.NOTHING)

    def _decoded(self, request: Request) -> Pack:
        path, given = request.path, request.content_format
        formats = self._blueprint.structured
        if len(path) > 2:
            formats = (TEXT, OCTETS, *self._blueprint.single, *formats)
            given = TEXT if given is None else given
        if given is None or given not in formats:
            raise Refused(UNSUPPORTED_FORMAT)
        return self._pack(given, request.payload, path)

    def _pack(self, content_format: int, payload: bytes, path: Ids) -> Pack:
        try:
            return decode(content_format, payload, Path(*path), self._blueprint.types)
        except FormatError as error:
            raise Refused(BAD_REQUEST, str(error)) from None

    def _create(self, request: Request) -> Reply:
        object_id = request.path[0]
        if object_id not in self._blueprint.versions:
            raise Refused(NOT_FOUND)
        nodes = self._decoded(request)
        is_open = any(node.path.depth > 1 and node.path.ids[1] == 65535 for node in nodes)
        ids = self.touched(request.device).create(object_id, nodes)
        location = (str(object_id), str(ids[-1])) if is_open or not len(nodes) else ()
        return Reply(CREATED, location=location, after=After.TELL_LINKS)

    def _delete(self, request: Request) -> Reply:
        path = request.path
        if not path:
            raise Refused(NOT_ALLOWED)
        if path[0] not in self._blueprint.versions:
            raise Refused(NOT_FOUND)
        self.touched(request.device).delete(path)
        return Reply(DELETED, after=After.TELL_LINKS if len(path) == 2 else After.NOTHING)

    # Execute.

    def _execute(self, request: Request) -> Reply:
        if request.content_format not in (None, TEXT):
            raise Refused(UNSUPPORTED_FORMAT)
        text = request.payload.decode("utf-8", "replace")
        digits = re.findall(r"(?:^|,)([0-9])(?==|,|$)", re.sub(r"'[^']*'", "''", text))
        if not _ARGUMENTS.fullmatch(text) or len(digits) != len(set(digits)):
            raise Refused(BAD_REQUEST, "arguments")
        path = request.path
        if path == (5, 0, 2):
            return self._install(request)
        after = _AFTER_EXECUTE.get((path[0], path[2]), After.NOTHING)
        return Reply(CHANGED, after=after)

    def _take_image(self, request: Request) -> Reply:
        """A package is not kept: its hash becomes the firmware's version once it is installed."""
        if request.content_format not in (None, TEXT, OCTETS, *self._blueprint.offered):
            raise Refused(UNSUPPORTED_FORMAT)
        replica, size = self.touched(request.device), request.body.size
        replica.set((5, 0, 3), _DOWNLOADED if size > 1 else _IDLE)
        replica.set((5, 0, 5), 0)
        replica.set((5, 0, 7), request.body.digest.hexdigest()[:16] if size > 1 else "")
        return Reply(CHANGED)

    def _install(self, request: Request) -> Reply:
        replica = self.touched(request.device)
        (state,) = replica.read((5, 0, 3), request.second)
        if state.value != _DOWNLOADED:
            raise Refused(NOT_ALLOWED, "no firmware has been downloaded")
        (version,) = replica.read((5, 0, 7), request.second)
        replica.set((5, 0, 3), _IDLE)
        replica.set((5, 0, 5), 1)
        replica.set((3, 0, 3), version.value)
        return Reply(CHANGED, after=After.REBOOT)

    # Composite operations.

    def _fetch(self, request: Request) -> Reply:
        self._check_composite(request)
        wanted = [node.path.ids for node in self._paths(request)]
        return self.read_composite(
            request.device, wanted, self.composite_format(request), request.second
        )

    def _check_composite(self, request: Request) -> None:
        if request.path or self._blueprint.version < "1.1":
            self._not_allowed(request)
        if request.content_format not in ETCH:
            raise Refused(UNSUPPORTED_FORMAT)

    def _paths(self, request: Request) -> Pack:
        return self._pack(request.content_format or 0, request.payload, ())

    def composite_paths(self, request: Request) -> tuple[Ids, ...]:
        """What a composite read or observe names; Refused."""
        self._check_composite(request)
        return tuple(node.path.ids for node in self._paths(request))

    def composite_format(self, request: Request) -> int:
        """What its answer is written in; Refused."""
        chosen = request.accept
        if chosen is None:
            chosen = ETCH[request.content_format or 0]
        if chosen not in (SENML_JSON, SENML_CBOR):
            raise Refused(NOT_ACCEPTABLE)
        return chosen

    def read_composite(
        self, device: int, paths: list[Ids] | tuple[Ids, ...], content_format: int, second: int
    ) -> Reply:
        """What can be read of `paths`; Refused when that is nothing."""
        replica, nodes = self._seen(device), list[Node]()
        for path in paths:
            wanted = [path] if path else [(id,) for id in self._blueprint.versions]
            for each in wanted:
                try:
                    nodes += replica.read(each, second)
                except Refused:
                    continue
        if paths and not nodes:
            raise Refused(NOT_FOUND)
        unique = list({node.path: node for node in nodes}.values())
        return Reply(CONTENT, content_format, _encoded(content_format, unique, ()))

    def _ipatch(self, request: Request) -> Reply:
        self._check_composite(request)
        nodes = self._paths(request)
        self.touched(request.device).write_composite(nodes)
        return self._changed(request.device, {node.path.ids for node in nodes})

    _METHODS: Final[dict[int, Callable[[Operations, Request], Reply]]] = {
        GET: _get,
        POST: _post,
        PUT: _put,
        DELETE: _delete,
        FETCH: _fetch,
        IPATCH: _ipatch,
    }


_AFTER_EXECUTE: Final = {
    (3, 4): After.REBOOT,
    (3, 5): After.FORGET,
    (1, 8): After.UPDATE,
}


def _encoded(content_format: int, nodes: list[Node], path: Ids) -> bytes:
    try:
        return encode(content_format, nodes, Path(*path))
    except FormatError as error:
        raise Refused(INTERNAL_ERROR, str(error)) from None


def ids_of(segments: list[bytes]) -> Ids | None:
    """Uri-Path segments as ids; None for a path that no object could have."""
    ids = []
    for each in segments:
        if not re.fullmatch(rb"0|[1-9][0-9]{0,4}", each) or int(each) > 65534:
            return None
        ids.append(int(each))
    return tuple(ids) if len(ids) <= 4 else None
