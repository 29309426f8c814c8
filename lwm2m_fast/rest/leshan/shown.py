"""Values of devices as Leshan's node JSON: the tree at a path, made from single values.

A leaf comes from a codec's Pack or from the JSON of an operation's result or an event; both give
the same nodes. Several moments of one payload are told beside the newest, never instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lwm2m_fast.codec import Kind, Pack, Path
from lwm2m_fast.errors import FormatError
from lwm2m_fast.model import View
from lwm2m_fast.rest.leshan.types import BY_KIND, model_name


class Leaf(NamedTuple):
    """A value at a path, in Leshan's form. `type` None: an instance with nothing in it."""

    ids: tuple[int, ...]
    type: str | None
    value: Any
    at_ms: float | None
    """Milliseconds since 1970, None for "just now"."""


def leaves_of_pack(pack: Pack) -> list[Leaf]:
    """The values of a decoded payload; explicit nulls are no values."""
    leaves = []
    for node in pack:
        at_ms = None if node.time_ns is None else node.time_ns / 1e6
        form = BY_KIND.get(node.kind.name)
        if form is not None:
            leaves.append(Leaf(node.path.ids, form.name, form.show(node.value), at_ms))
        elif node.kind is Kind.NONE:
            leaves.append(Leaf(node.path.ids, None, None, at_ms))
    return leaves


def leaves_of_values(values: Iterable[Mapping[str, Any]]) -> list[Leaf]:
    """The same from rows {"path", "type", "value", "time"}; `time` is unix seconds or null."""
    leaves = []
    for row in values:
        at = row.get("time")
        at_ms = at * 1000 if isinstance(at, int | float) else None
        try:
            ids = Path.parse(row["path"]).ids
        except FormatError:
            continue
        form = BY_KIND.get(str(row.get("type")).upper())
        if form is not None and row.get("value") is not None:
            leaves.append(Leaf(ids, form.name, form.show(row["value"]), at_ms))
        elif form is None:
            leaves.append(Leaf(ids, None, None, at_ms))
    return leaves


def moments(leaves: Iterable[Leaf]) -> list[tuple[float | None, list[Leaf]]]:
    """Leaves by their moment, "just now" first, then the newest."""
    groups: dict[float | None, list[Leaf]] = {}
    for leaf in leaves:
        groups.setdefault(leaf.at_ms, []).append(leaf)
    return sorted(groups.items(), key=lambda item: -float("inf") if item[0] is None else -item[0])


def newest(leaves: Sequence[Leaf]) -> list[Leaf]:
    """The leaves of the most recent moment."""
    groups = moments(leaves)
    return groups[0][1] if groups else []


def node_at(path: Path, leaves: Iterable[Leaf], view: View | None) -> dict[str, Any] | None:
    """The node at `path`; None when nothing is known of a resource there.

    An object, an instance and a multiple resource may be empty; `view` says what is multiple.
    """
    under = [leaf for leaf in leaves if leaf.ids[: path.depth] == path.ids]
    node: dict[str, Any] | None = _SHOW[path.depth](path.ids, under, view)
    return node


def nodes_at(paths: Iterable[Path], leaves: Sequence[Leaf], view: View | None) -> dict[str, Any]:
    """Path to node, without the paths that nothing was said of (Leshan leaves them out)."""
    found = {}
    for path in paths:
        if any(leaf.ids[: path.depth] == path.ids for leaf in leaves):
            node = node_at(path, leaves, view)
            if node is not None:
                found[str(path)] = node
    return found


def leaf_nodes(leaves: Iterable[Leaf]) -> dict[str, Any]:
    """Each value by its own path, as in a Send."""
    return {
        "/" + "/".join(map(str, leaf.ids)): _value(leaf.ids, leaf)
        for leaf in leaves
        if leaf.type is not None and len(leaf.ids) >= 3
    }


def _grouped(leaves: Iterable[Leaf], depth: int) -> dict[int, list[Leaf]]:
    found: dict[int, list[Leaf]] = {}
    for leaf in leaves:
        if len(leaf.ids) > depth:
            found.setdefault(leaf.ids[depth], []).append(leaf)
    return found


def _below(ids: tuple[int, ...], leaves: Sequence[Leaf], view: View | None) -> list[dict[str, Any]]:
    depth = len(ids)
    children = (
        _SHOW[depth + 1]((*ids, number), below, view)
        for number, below in _grouped(leaves, depth).items()
    )
    return [child for child in children if child is not None]


def _root(ids: tuple[int, ...], leaves: Sequence[Leaf], view: View | None) -> dict[str, Any]:
    return {"kind": "root", "objects": _below(ids, leaves, view)}


def _object(ids: tuple[int, ...], leaves: Sequence[Leaf], view: View | None) -> dict[str, Any]:
    return {"kind": "obj", "id": ids[0], "instances": _below(ids, leaves, view)}


def _instance(ids: tuple[int, ...], leaves: Sequence[Leaf], view: View | None) -> dict[str, Any]:
    return {"kind": "instance", "id": ids[1], "resources": _below(ids, leaves, view)}


def _resource(
    ids: tuple[int, ...], leaves: Sequence[Leaf], view: View | None
) -> dict[str, Any] | None:
    several = [leaf for leaf in leaves if len(leaf.ids) == 4 and leaf.type is not None]
    if several:
        values = {str(leaf.ids[3]): leaf.value for leaf in several}
        return _multiple(ids, several[0].type, values)
    single = [leaf for leaf in leaves if leaf.type is not None]
    if single:
        return _value(ids, single[-1])
    definition = view.resource(ids[0], ids[2]) if view is not None else None
    if definition is None or not definition.multiple:
        return None
    return _multiple(ids, model_name(definition.type.value), {})


def _multiple(ids: tuple[int, ...], name: str | None, values: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "multiResource", "id": ids[2], "type": name, "values": values}


def _resource_instance(
    ids: tuple[int, ...], leaves: Sequence[Leaf], view: View | None
) -> dict[str, Any] | None:
    found = [leaf for leaf in leaves if leaf.type is not None]
    return _value(ids, found[-1]) if found else None


def _value(ids: tuple[int, ...], leaf: Leaf) -> dict[str, Any]:
    kind = "singleResource" if len(ids) == 3 else "resourceInstance"
    return {"kind": kind, "id": ids[-1], "type": leaf.type, "value": leaf.value}


_SHOW: tuple[Any, ...] = (_root, _object, _instance, _resource, _resource_instance)
