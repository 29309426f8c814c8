"""What an RPC method is answered: the name of a CoAP code, and a value or an error as text.

Makes replies of operations as the service shows them. Knows no method: what a value looks like
follows from the order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from lwm2m_fast.wire.numbers import RESPONSES, Code

NAMES: Final[Mapping[str, str]] = {
    text: code.name
    for text, code in RESPONSES.items()
    if code not in (Code.CONTINUE, Code.HOP_LIMIT_REACHED)
} | {"5.05": "PROXY_NOT_SUPPORTED"}
"""Names of CoAP response codes: those of the standards, but for one that has its own name there."""

TIMEOUT: Final = NAMES["5.04"]

UNANSWERED: Final = frozenset({"timeout", "no_response", "cancelled", "expired", "stale", "store"})
"""Why an operation has no answer although nobody refused it."""

SINGLE: Final = frozenset({"read", "observe"})
COMPOSITE: Final = frozenset({"read_composite", "observe_composite"})

_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.A)

MAX_DEPTH: Final = 4
"""Of paths: a resource instance."""


class Reply(NamedTuple):
    """The answer to one RPC request."""

    result: str
    value: str | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """What there is of it."""
        return {name: text for name, text in self._asdict().items() if text is not None}


def bad_request(text: str) -> Reply:
    """What is refused before anything is sent."""
    return Reply("BAD_REQUEST", error=text)


def reply_of(operation: Mapping[str, Any]) -> Reply:
    """The reply that an operation is, which has ended or is given up."""
    result: Mapping[str, Any] = operation["result"] or {}
    reason = operation["reason"]
    code = result.get("code") or ""
    if operation["state"] == "SUCCESSFUL":
        return Reply(NAMES.get(code, "CONTENT"), value_of(operation["order"], result))
    if reason == "refused":
        return bad_request(result.get("error") or reason)
    if code and not code.startswith("2."):
        return Reply(NAMES.get(code, "INTERNAL_SERVER_ERROR"), error=result.get("error") or code)
    if reason in UNANSWERED or operation["state"] != "FAILED":
        return Reply(TIMEOUT, error="the device did not answer in time")
    return Reply("INTERNAL_SERVER_ERROR", error=result.get("error") or reason or "no answer")


def value_of(order: Mapping[str, Any], result: Mapping[str, Any]) -> str | None:
    """What an answer says, as text; None when it says nothing but its code."""
    op = order["op"]
    values = result.get("values") or []
    if op in SINGLE:
        return dump(order["path"], values)
    if op in COMPOSITE:
        nodes = [f"{path}={dump(path, values) or 'null'}" for path in order["paths"]]
        return "{" + ", ".join(nodes) + "}"
    if op == "discover":
        return links_text([(each["url"], each["attributes"]) for each in result.get("links") or ()])
    if "cancelled" in result:
        return str(result["cancelled"])
    location: str | None = result.get("location")
    return location


def links_text(links: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Links, each a url and its attributes (RFC 6690), as a list of texts in JSON."""
    return orjson.dumps([_link_text(*link) for link in links]).decode()


def _link_text(url: str, attributes: Mapping[str, Any]) -> str:
    parts = [f"<{url}>"]
    for name, value in attributes.items():
        if value is None or value is True:
            parts.append(name)
        elif _NUMBER.fullmatch(str(value)):
            parts.append(f"{name}={value}")
        else:
            parts.append(f'{name}="{value}"')
    return ";".join(parts)


def dump(path: str, values: Sequence[Mapping[str, Any]]) -> str | None:
    """The node at `path` in words, of an operation's values; None when nothing is there."""
    depth = path.count("/")
    found: dict[Any, Any] = {}
    for each in values:
        if f"{each['path']}/".startswith(f"{path}/"):
            _put(found, each["path"].split("/")[1:], each)
    for part in path.split("/")[1:]:
        if part not in found:
            return None
        found = found[part]
    return str(_SHOWN[depth](path.rsplit("/", 1)[1], found))


def _put(tree: dict[Any, Any], ids: Sequence[str], leaf: Mapping[str, Any]) -> None:
    """Under its ids; a later value of the same path replaces an earlier one."""
    for part in ids[:-1]:
        below = tree.get(part)
        if not isinstance(below, dict):  # nothing yet, or a value that is said to have instances
            below = tree[part] = {}
        tree = below
    if leaf.get("value") is not None:
        tree[ids[-1]] = _Leaf(leaf["type"], leaf["value"])
    elif len(ids) < MAX_DEPTH:  # an instance with nothing in it
        tree.setdefault(ids[-1], {})


class _Leaf(NamedTuple):
    type: str
    value: Any

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return str(self.value).lower()
        if isinstance(self.value, Mapping):  # octets
            return str(self.value.get("hex", self.value))
        return str(self.value)


def _object(number: str, below: Any) -> str:
    return f"LwM2mObject [id={number}, instances={_below(_instance, below)}]"


def _instance(number: str, below: Any) -> str:
    return f"LwM2mObjectInstance [id={number}, resources={_below(_resource, below)}]"


def _resource(number: str, found: Any) -> str:
    if isinstance(found, _Leaf):
        return f"LwM2mSingleResource [id={number}, value={found}, type={found.type}]"
    type = next((leaf.type for leaf in found.values()), None)
    values = _below(_resource_instance, found)
    return f"LwM2mMultipleResource [id={number}, values={values}, type={type}]"


def _resource_instance(number: str, leaf: Any) -> str:
    return f"LwM2mResourceInstance [id={number}, value={leaf}, type={leaf.type}]"


def _below(show: Any, found: Any) -> str:
    return "{" + ", ".join(f"{number}={show(number, each)}" for number, each in found.items()) + "}"


_SHOWN: Final[tuple[Any, ...]] = (None, _object, _instance, _resource, _resource_instance)
