# Invariant: a link set is refused with a FormatError that names an offset inside it, or is
# understood; then its packed form says the same, and so does the list when it is written anew.
"""Any bytes as the link format of a registration."""

from __future__ import annotations

import re
from urllib.parse import quote

from lwm2m_fast.errors import FormatError
from lwm2m_fast.wire.link import SET_BYTES, LinkSet, build, parse
from tests.fuzz.plain_coap import LINKS

SEEDS = (
    LINKS,
    b'</lwm2m>;rt="oma.lwm2m";ct="60 110 112 11542",</lwm2m/1>;ver=1.1,</lwm2m/1/101>,</lwm2m/5>',
    b"</1/0> ; a = b ; c,</%31/0>,</3/0/13>,<coap://h/5/0>,</text/5/0>,</1/0/>,",
    b'</1/0>;t="a\\"b,c</9/9>";ver="1.0",</3/0>;ver=2.5,<3/1>,</65534/65534>',
    b",".join(b"</3303/%d>" % number for number in range(40)),
)
WORDS = (
    b"</", b">", b",", b";", b'"', b"\\", b"ver=1.1", b";ct=", b'rt="oma.lwm2m"', b"65535",
    b"65536", b"%31", b"%2F", b"<//h/1/0>", b"\xc3\xa9", b"</>", b" ", b'ct="60 110"',
)  # fmt: skip


def seen(links: LinkSet) -> tuple[object, ...]:
    return links.root, links.content_formats, links.objects


def rebuilt(links: LinkSet) -> bytes:
    """The same list, in our own hand."""
    root = {"rt": "oma.lwm2m", **({"ct": links.content_formats} if links.content_formats else {})}
    prefix = quote(links.root.rstrip("/"))
    parts: list[tuple[str, dict[str, object]]] = [(prefix or "/", root)]
    for number, (version, instances) in links.objects.items():
        if version is not None or not instances:
            parts.append((f"{prefix}/{number}", {} if version is None else {"ver": version}))
        parts += [(f"{prefix}/{number}/{instance}", {}) for instance in instances]
    return build(parts)


def check(data: bytes) -> None:
    try:
        links = parse(data)
    except FormatError as error:
        offset = re.search(r"(?:byte|offset) (\d+)", str(error))
        assert offset is not None and int(offset[1]) <= len(data), error
        return
    assert len(links.packed) <= SET_BYTES
    assert seen(LinkSet(links.packed)) == seen(links)
    assert all(number < 65535 for number in links.objects)
    assert seen(parse(rebuilt(links))) == seen(links)
