"""Link format (content format 40, RFC 6690): the answer to Discover, and Corelnk values.

Read strictly, with one allowance: blanks behind a separator. Knows nothing of registrations,
whose links are more forgiving and have their own parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from lwm2m_fast.codec.kinds import Kind, PayloadError, TypeSource
from lwm2m_fast.codec.node import Node
from lwm2m_fast.codec.pack import Pack, pack_nodes
from lwm2m_fast.codec.path import Path
from lwm2m_fast.codec.single import RESOURCE_DEPTH, as_path, bare_value, one_node
from lwm2m_fast.codec.types import Types, resource_kind
from lwm2m_fast.errors import FormatError

NAME: Final = "link format"
NUMBER: Final = 40
MAX_LINKS: Final = 16_384
MAX_ATTRIBUTES: Final = 64

# RFC 3986, section 2: what a URI reference is made of.
TARGET: Final = re.compile(r"<((?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)>")
# RFC 6690, section 2: parmname, then a quoted string or a ptoken.
ATTRIBUTE: Final = re.compile(
    r"([A-Za-z0-9!#$&+\-.^_`|~]+\*?)"
    r'(?:=(?:"((?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*)"|([!#-+\--:<-\[\]-~]+)))?'
)
BLANKS: Final = re.compile(r"[ \t]*")
ESCAPE: Final = re.compile(r"\\(.)")


class Link(NamedTuple):
    """One link: where it leads, and its attributes in their order (None: no value given)."""

    target: str
    attributes: dict[str, str | None]


def _fail(path: str, offset: int, why: str) -> PayloadError:
    return PayloadError(NAME, path, offset, why)


def _attributes(text: str, at: int) -> tuple[dict[str, str | None], int]:
    """The attributes behind a target, and where they end."""
    attributes: dict[str, str | None] = {}
    while at < len(text) and text[at] == ";":
        at = BLANKS.match(text, at + 1).end()  # type: ignore[union-attr]
        found = ATTRIBUTE.match(text, at)
        if not found:
            raise _fail("/", at, "not an attribute")
        if len(attributes) == MAX_ATTRIBUTES:
            raise _fail("/", at, f"more than {MAX_ATTRIBUTES} attributes")
        name, quoted, token = found.groups()
        # RFC 6690 lets only the first of repeated attributes count.
        attributes.setdefault(name, ESCAPE.sub(r"\1", quoted) if quoted is not None else token)
        at = found.end()
    return attributes, at


def decode_links(payload: bytes) -> list[Link]:
    """All links of a Discover answer; PayloadError with the offset of what is wrong."""
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise _fail("/", error.start, "not UTF-8") from None
    links: list[Link] = []
    at = 0
    while at < len(text) or links:
        found = TARGET.match(text, at)
        if not found:
            raise _fail("/", at, "not a link")
        if len(links) == MAX_LINKS:
            raise _fail("/", at, f"more than {MAX_LINKS} links")
        attributes, at = _attributes(text, found.end())
        links.append(Link(found[1], attributes))
        if at == len(text):
            break
        if text[at] != ",":
            raise _fail("/", at, "neither a comma nor the end")
        at = BLANKS.match(text, at + 1).end()  # type: ignore[union-attr]
    return links


def _written(name: str, value: str | None) -> str:
    if value is None:
        return f";{name}"
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return f";{name}={value}"
    return f';{name}="' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def encode_links(links: Iterable[Link]) -> bytes:
    """Links as text; values that are no plain numbers are quoted."""
    made = [
        f"<{link.target}>" + "".join(_written(*pair) for pair in link.attributes.items())
        for link in links
    ]
    text = ",".join(made).encode()
    decode_links(text)
    return text


def decode(
    payload: bytes,
    base: Path | str,
    types: Types | TypeSource | None = None,
    *,
    now_ns: int | None = None,
    root: str = "/",
) -> Pack:
    """A Corelnk value when `base` is such a resource, else the paths that the links lead to.

    Links outside `base` or outside LwM2M are left out; decode_links() has all of them with their
    attributes.
    """
    place = as_path(base)
    links = decode_links(payload)
    if place.depth >= RESOURCE_DEPTH and resource_kind(types, place) is Kind.CORELNK:
        return one_node(NUMBER, payload, Node(place, payload.decode(), Kind.CORELNK))
    prefix = root.rstrip("/")
    nodes: dict[Path, Node] = {}
    for link in links:
        if not link.target.startswith(prefix + "/"):
            continue
        try:
            path = Path.parse(link.target[len(prefix) :])
        except FormatError:
            continue
        if place.contains(path):
            nodes.setdefault(path, Node(path))
    return pack_nodes(payload, NUMBER, list(nodes.values()))


def encode(nodes: Iterable[Node] | Pack, base: Path | str = "/", *, root: str = "/") -> bytes:
    """One Corelnk value as it is, or paths (nodes of Kind.NONE) as links."""
    found = [nodes] if isinstance(nodes, Node) else list(nodes)
    if all(node.kind is Kind.NONE for node in found):
        prefix = root.rstrip("/")
        return encode_links(Link(prefix + str(node.path), {}) for node in found)
    node = bare_value(NAME, found, base)
    if node.kind is not Kind.CORELNK:
        raise _fail(str(node.path), 0, f"{node.kind.name} is not CORELNK")
    text = str(node.value).encode()
    decode_links(text)
    return text
