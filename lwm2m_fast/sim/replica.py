"""The object tree of one device that is not like all others: values, instances, attributes.

Every operation checks everything first and then changes all or nothing. Knows no message and no
content format: nodes in, nodes out, Refused with the code that OMA TS Core 6.3 names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from lwm2m_fast.codec import Kind, Node, ObjectLink, Path, Value
from lwm2m_fast.model import ResourceDefinition
from lwm2m_fast.sim.attributes import Attributes, Ids, as_link, changed, effective
from lwm2m_fast.sim.blueprint import Blueprint, Rows, kind_of
from lwm2m_fast.sim.catalogue import Catalogue
from lwm2m_fast.sim.objects import Simulated, Varying, temperature
from lwm2m_fast.sim.refused import BAD_REQUEST, NOT_ALLOWED, NOT_FOUND, Refused

MOST_INSTANCES: Final = 1024
MOST_RESOURCE_INSTANCES: Final = 256
UNDEFINED: Final = 65535

_DEFAULTS: Final[dict[Kind, Value]] = {
    Kind.STRING: "",
    Kind.INTEGER: 0,
    Kind.UNSIGNED_INTEGER: 0,
    Kind.FLOAT: 0.0,
    Kind.BOOLEAN: False,
    Kind.OPAQUE: b"",
    Kind.TIME: 0,
    Kind.CORELNK: "",
    Kind.OBJLNK: ObjectLink(65535, 65535),
}


class Replica:
    """One device. What it has not changed is the blueprint's, and shared."""

    def __init__(self, blueprint: Blueprint, catalogue: Catalogue, number: int, name: str) -> None:
        """`number` is the device's in its endpoint name, `name` the whole of that."""
        self._blueprint, self._catalogue = blueprint, catalogue
        self._number, self._name = number, name
        self._tree: dict[int, Mapping[int, Rows]] = dict(blueprint.tree)
        self._changed: set[tuple[int, int]] = set()
        self.attributes: dict[Ids, Attributes] = {}

    # What it has.

    def instances(self) -> Iterator[tuple[int, str, list[int]]]:
        """(object id, version, instance ids), as a Register lists them."""
        for id, instances in self._tree.items():
            yield id, self._blueprint.versions[id], sorted(instances)

    @property
    def lifetime_s(self) -> int:
        """Resource /1/0/1."""
        value = self.server.get(1)
        return value if isinstance(value, int) else self._blueprint.lifetime_s

    @property
    def server(self) -> Rows:
        """The resources of /1/0; none when it was deleted."""
        return self._tree[1].get(0, {})

    def is_as_delivered(self, path: Ids) -> bool:
        """Whether everything at and below `path` is still what all devices have."""
        if len(path) == 1:
            return all(each[0] != path[0] for each in self._changed)
        return path[:2] not in self._changed

    def _rows(self, object_id: int, instance: int) -> Rows:
        rows = self._tree.get(object_id, {}).get(instance)
        if rows is None:
            raise Refused(NOT_FOUND)
        return rows

    def _own(self, object_id: int) -> dict[int, Rows]:
        """The object's instances, to be changed."""
        own = dict(self._tree[object_id])
        self._tree[object_id] = own
        return own

    def _keep(self, object_id: int, instance: int, rows: Rows) -> None:
        self._own(object_id)[instance] = rows
        self._changed.add((object_id, instance))

    def define(self, path: Ids) -> ResourceDefinition:
        """The definition of the resource at `path`, whether or not it holds a value; Refused."""
        rows = self._rows(path[0], path[1])
        found = self._blueprint.resource(path[0], path[2])
        if found is None:
            raise Refused(NOT_FOUND)
        if len(path) > 3 and not found.multiple:
            raise Refused(BAD_REQUEST, "a single resource has no instances")
        if path[2] not in rows and not found.is_writable:
            raise Refused(NOT_FOUND)
        return found

    # Read.

    def read(self, path: Ids, second: int) -> list[Node]:
        """The values at and below `path`; a part that cannot be read is left out, except where
        it was asked for by itself."""
        if path[0] not in self._tree:
            raise Refused(NOT_FOUND)
        if len(path) < 3:
            wanted = self._tree[path[0]] if len(path) == 1 else {path[1]: self._rows(*path)}
            return [
                node
                for instance, rows in wanted.items()
                for resource in sorted(rows)
                for node in self._nodes((path[0], instance, resource), rows, second)
            ]
        definition, rows = self.define(path[:3]), self._rows(path[0], path[1])
        if not definition.is_readable:
            raise Refused(NOT_ALLOWED)
        if path[2] not in rows:
            raise Refused(NOT_FOUND)
        self.define(path)
        nodes = self._nodes(path[:3], rows, second)
        if len(path) == 4:
            nodes = [node for node in nodes if node.path.ids == path]
            if not nodes:
                raise Refused(NOT_FOUND)
        return nodes

    def _nodes(self, path: Ids, rows: Rows, second: int) -> list[Node]:
        definition = self._blueprint.resource(path[0], path[2])
        if definition is None or not definition.is_readable:
            return []
        kind, value = kind_of(definition), rows[path[2]]
        if isinstance(value, dict):
            return [
                Node(Path(*path, id), self._value(each, second), kind)
                for id, each in sorted(value.items())
            ]
        return [Node(Path(*path), self._value(value, second), kind)]

    def _value(self, value: Simulated, second: int) -> Value:
        if not isinstance(value, Varying):
            return value
        made = self._catalogue.value(value.source, value.channel, self._number, second)
        return self._name if value.is_name else made

    def measure_at(self, path: Ids, second: int) -> float | bool | None:
        """The value of one numeric resource, which gt, lt and st compare, or of a Boolean one, of
        which edge waits for a change; None for anything else."""
        nodes = self.read(path, second) if len(path) > 2 else []
        value = nodes[0].value if len(nodes) == 1 else None
        if isinstance(value, bool):
            return value
        return float(value) if isinstance(value, int | float) else None

    # Write.

    def write(self, path: Ids, nodes: Iterable[Node], *, replaces: bool) -> None:
        """Write to an instance, a resource or a resource instance (6.3.3)."""
        rows = self._rows(path[0], path[1])
        if len(path) > 2:
            self._check_writable(self.define(path))
        given = self._given(path[0], path[1], nodes, is_new=False)
        if len(path) == 3 and not given:
            if not self.define(path).multiple:
                raise Refused(BAD_REQUEST, "no value")
            given = {path[2]: {}}
        if any(path[2:3] != (id,) for id in given if len(path) > 2):
            raise Refused(BAD_REQUEST, "values beside the path")
        if len(path) == 2 and replaces:
            self._check_mandatory(path[0], given)
            kept = {id: rows[id] for id in rows if not self._is_writable(path[0], id)}
        else:
            kept = dict(rows)
        merges = not replaces or len(path) == 4
        self._keep(path[0], path[1], _merged(kept, given, merges))

    def write_composite(self, nodes: Iterable[Node]) -> None:
        """Write-Composite (6.3.8): every value, or none; an explicit null removes."""
        new: dict[tuple[int, int], Rows] = {}
        for node in nodes:
            path = node.path.ids
            if len(path) < 3:
                raise Refused(BAD_REQUEST, "a value belongs to a resource")
            self._check_writable(self.define(path))
            at = (path[0], path[1])
            rows = new.setdefault(at, dict(self._rows(*at)))
            if node.kind is Kind.NULL:
                _remove(rows, path)
            else:
                given = self._given(*at, [node], is_new=False)
                new[at] = _merged(rows, given, merges=True)
        for at, rows in new.items():
            self._keep(*at, rows)

    def set(self, path: Ids, value: Value) -> None:
        """The device itself changes a single resource."""
        self._keep(path[0], path[1], self._rows(path[0], path[1]) | {path[2]: value})

    def _given(self, object_id: int, instance: int, nodes: Iterable[Node], *, is_new: bool) -> Rows:
        """Nodes of one instance as rows, each of them checked."""
        rows: Rows = {}
        for node in nodes:
            path = node.path.ids
            if len(path) < 3 or path[:2] != (object_id, instance):
                if len(path) == 2 and node.kind is Kind.NONE:
                    continue
                raise Refused(BAD_REQUEST, f"{node.path} lies outside of the request")
            definition = self._blueprint.resource(object_id, path[2])
            if definition is None:
                raise Refused(NOT_FOUND, f"{node.path}")
            if not is_new:
                self._check_writable(definition)
            if definition.is_executable:
                raise Refused(NOT_ALLOWED, f"{node.path} is executable")
            self._put(rows, definition, path, node)
        return rows

    def _put(self, rows: Rows, definition: ResourceDefinition, path: Ids, node: Node) -> None:
        if definition.multiple:
            held = rows.setdefault(path[2], {})
            if not isinstance(held, dict) or (len(path) == 3 and node.kind is not Kind.NONE):
                raise Refused(BAD_REQUEST, f"{node.path} has several instances")
            if len(path) == 4:
                held[path[3]] = node.value
            if len(held) > MOST_RESOURCE_INSTANCES:
                raise Refused(BAD_REQUEST, f"{node.path}: too many instances")
        elif len(path) == 4 or node.kind is not kind_of(definition):
            raise Refused(BAD_REQUEST, f"{node.path} is one {definition.type.value}")
        else:
            rows[path[2]] = node.value

    def _is_writable(self, object_id: int, resource: int) -> bool:
        definition = self._blueprint.resource(object_id, resource)
        return definition is not None and definition.is_writable

    @staticmethod
    def _check_writable(definition: ResourceDefinition) -> None:
        if not definition.is_writable:
            raise Refused(NOT_ALLOWED, f"{definition.name} is not writable")

    def _check_mandatory(self, object_id: int, given: Rows) -> None:
        for each in self._blueprint.resources(object_id):
            if each.mandatory and each.is_writable and each.id not in given:
                raise Refused(BAD_REQUEST, f"{each.name} is missing")

    # Create, Delete.

    def create(self, object_id: int, nodes: Iterable[Node]) -> list[int]:
        """New instances of an object (6.3.6): the ids, of which the device chose the one that the
        payload left open."""
        definition = self._blueprint.object(object_id)
        if definition is None:
            raise Refused(NOT_FOUND)
        groups: dict[int, list[Node]] = {}
        for node in nodes:
            if node.path.depth < 2:
                raise Refused(BAD_REQUEST, f"{node.path} is no instance")
            groups.setdefault(node.path.ids[1], []).append(node)
        groups = groups or {UNDEFINED: []}
        there = self._tree[object_id]
        new: dict[int, Rows] = {}
        for given_id, inside in groups.items():
            id = given_id
            if id == UNDEFINED:
                id = next(n for n in range(UNDEFINED) if n not in there and n not in groups)
            if id in there or (not definition.multiple and id != 0):
                raise Refused(BAD_REQUEST, f"/{object_id}/{id} cannot be made")
            given = self._given(object_id, given_id, inside, is_new=True)
            self._check_mandatory(object_id, given)
            new[id] = self._filled(object_id, id, given)
        if len(there) + len(new) > MOST_INSTANCES:
            raise Refused(BAD_REQUEST, f"at most {MOST_INSTANCES} instances")
        for id, rows in new.items():
            self._keep(object_id, id, rows)
        return list(new)

    def _filled(self, object_id: int, instance: int, given: Rows) -> Rows:
        """What the device adds to a new instance by itself."""
        rows: Rows = {}
        own = {r.id: r.value for r in temperature(instance % 256)} if object_id == 3303 else {}
        for each in self._blueprint.resources(object_id):
            if each.is_executable:
                rows[each.id] = None
            elif each.id in own and not each.is_writable:
                rows[each.id] = own[each.id]
            elif each.mandatory and each.id not in given:
                rows[each.id] = {} if each.multiple else _DEFAULTS.get(kind_of(each), "")
        return rows | given

    def delete(self, path: Ids) -> None:
        """Delete an instance (6.3.7), or since LwM2M 1.2 a resource instance."""
        if len(path) == 4 and self._blueprint.version >= "1.2":
            rows = self._rows(path[0], path[1])
            definition, held = self.define(path), rows.get(path[2])
            self._check_writable(definition)
            if not isinstance(held, dict) or path[3] not in held:
                raise Refused(NOT_FOUND)
            rest = {id: each for id, each in held.items() if id != path[3]}
            self._keep(path[0], path[1], rows | {path[2]: rest})
        elif len(path) == 2:
            self._rows(*path)
            definition_of_object = self._blueprint.object(path[0])
            if definition_of_object is None or definition_of_object.mandatory:
                raise Refused(NOT_ALLOWED, "a device keeps its mandatory objects")
            del self._own(path[0])[path[1]]
            self._changed.add(path)
        else:
            raise Refused(BAD_REQUEST if len(path) > 2 else NOT_ALLOWED)
        gone = [each for each in self.attributes if each[: len(path)] == path]
        for each in gone:
            del self.attributes[each]

    # Write-Attributes, Discover.

    def _check_there(self, path: Ids) -> None:
        if path[0] not in self._tree:
            raise Refused(NOT_FOUND)
        if len(path) > 1:
            rows = self._rows(path[0], path[1])
            if len(path) > 2:
                self.define(path)
                held = rows.get(path[2])
                inside = held if isinstance(held, dict) else {}
                if path[2] not in rows or (len(path) > 3 and path[3] not in inside):
                    raise Refused(NOT_FOUND)

    def write_attributes(self, path: Ids, query: Iterable[bytes]) -> None:
        """Write-Attributes (6.3.4)."""
        self._check_there(path)
        after = changed(self.attributes.get(path, {}), query, len(path), self._blueprint.version)
        self.attributes[path] = after
        if not after:
            del self.attributes[path]

    def discover(self, path: Ids) -> str:
        """The links below `path` with their attributes (6.3.2)."""
        self._check_there(path)
        if len(path) > 3:
            raise Refused(BAD_REQUEST, "a resource instance has nothing below it")
        links = []
        if len(path) == 1:
            version = self._blueprint.versions[path[0]]
            links.append(self._link(path, f";ver={version}" if version != "1.0" else ""))
        elif len(path) == 3:
            return self._resource_link(path, effective(self.attributes, path))
        for instance in sorted(self._tree[path[0]]) if len(path) == 1 else [path[1]]:
            links.append(self._link((path[0], instance)))
            rows = self._rows(path[0], instance)
            for id in sorted(rows):
                at = (path[0], instance, id)
                links.append(self._resource_link(at, self.attributes.get(at, {})))
        return ",".join(links)

    def _link(self, path: Ids, parameters: str = "") -> str:
        return f"<{Path(*path)}>{parameters}{as_link(self.attributes.get(path, {}))}"

    def _resource_link(self, path: Ids, attributes: Attributes) -> str:
        held = self._rows(path[0], path[1])[path[2]]
        dimension = f";dim={len(held)}" if isinstance(held, dict) else ""
        return f"<{Path(*path)}>{dimension}{as_link(attributes)}"


def _merged(rows: Rows, given: Rows, merges: bool) -> Rows:
    """`rows` with what was given; `merges` keeps the resource instances that were not."""
    after = dict(rows)
    for id, value in given.items():
        held = rows.get(id)
        is_both = merges and isinstance(value, dict) and isinstance(held, dict)
        after[id] = {**held, **value} if is_both else value  # type: ignore[dict-item]
    return after


def _remove(rows: Rows, path: Ids) -> None:
    held = rows.get(path[2])
    if len(path) == 3:
        rows.pop(path[2], None)
    elif isinstance(held, dict):
        rows[path[2]] = {id: each for id, each in held.items() if id != path[3]}
