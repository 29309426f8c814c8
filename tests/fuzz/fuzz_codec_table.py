# Invariant: any bytes, in any content format, are either refused with a PayloadError that names
# format, path and offset, or give a Pack whose every value can be read, and which, written in the
# same format and read again, gives the same paths, values and times.
"""The whole table of content formats; what the target of each format is made of."""

from __future__ import annotations

from typing import Any

from lwm2m_fast.codec import (
    FORMATS,
    Kind,
    Node,
    ObjectLink,
    Pack,
    Path,
    PayloadError,
    Types,
    decode,
    encode,
)
from lwm2m_fast.codec.link import decode_links, encode_links

NUMBERS = sorted(FORMATS)
BASES = (Path(), Path(3), Path(3, 0), Path(3, 0, 0), Path(3, 0, 6, 1), Path(3303), Path(65535))
NOW_NS = 1_700_000_000_123_456_789
KINDS = [Kind.STRING, Kind.INTEGER, Kind.UNSIGNED_INTEGER, Kind.FLOAT, Kind.BOOLEAN, Kind.OPAQUE,
         Kind.TIME, Kind.OBJLNK, Kind.CORELNK, Kind.NONE]  # fmt: skip
TYPES = (
    Types(),
    Types(lambda _, resource: KINDS[resource % len(KINDS)]),
    Types({(3, 0): "STRING", (3, 6): "INTEGER", (3, 13): "TIME", (3303, 5700): "FLOAT"}, {3}),
)


VALUES = [
    Node("/3/0/0", 'Ope"n\n\u00e9\U0001f600'), Node("/3/0/1", -5),
    Node("/3/0/2", (1 << 64) - 1, Kind.UNSIGNED_INTEGER), Node("/3/0/3", 1.1), Node("/3/0/4", True),
    Node("/3/0/5", b"\xff\x00ab"), Node("/3/0/6", 1_700_000_000, Kind.TIME),
    Node("/3/0/7", ObjectLink(3, 65535)), Node("/3/0/8", "</3/0>;v=1", Kind.CORELNK),
    Node("/3/0/10/0", "x"), Node("/3/0/10/65535", ""),
]  # fmt: skip
TIMED = [Node("/3/0/3", 1.5, time_ns=NOW_NS + i * 1_000_000_001) for i in range(3)]
PATHS = [Node("/3/0"), Node("/3/0/6/1")]
MORE = {
    0: (b"1.5e3", b"-0", b"3:4", b"AQ=="),
    40: (b'</>;rt="oma.lwm2m";ct="60 110",</3/0>;pmin=10;x, </3/0/1>;a="\\"";dim=3',),
    60: tuple(bytes.fromhex(text) for text in (
        "c11a514b67b0", "c074323031332d30332d32315432303a30343a30305a", "5f42010243030405ff",
        "f93c00", "c249010000000000000000", "c48221196ab3")),
    110: (b'[{"bn":"/3/0/","bt":-1.5,"bver":10,"bv":2,"n":"3","u":"V","v":2e3,"s":1,"ut":1,'
          b'"x":[{"a":[null,true]}],"t":0.25}]', b'[{"n":"\\u002f3\\/0/0","vs":"\\ud83d\\ude00"}]',
          b'[{"n":"/3/0/1","v":null},{"bn":"/3/0/","bt":5},{"n":"5","vd":"_-8="}]'),
    112: tuple(bytes.fromhex(text) for text in (
        "9fbf217f622f33632f302fff006130037f634f70656161ff06fb3fd0000000000000ffff",
        "81a321652f332f302f00613302c482200f", "81a400662f332f302f3602c11a514b67b006f900001863a0",
        "81a200662f332f302f3602c074323031332d30332d32315432303a30343a30305a")),
    11543: (b'{"bn":"/3/0/","bt":1.5,"e":[{"n":"0","sv":"x","t":-2.25},{"n":"5","sv":"AQ=="},'
            b'{"n":"7","ov":"1:2"},{"n":"4","bv":true}]}',),
    11544: tuple(bytes.fromhex(text) for text in (
        "bf8303000005ff", "a183030006a20001016161", "a103a10006a0", "a28303000105840300060001")),
}  # fmt: skip
JSON_TEXT = (
    b'"bn":"/3/0/"|"n":"|"v":|"t":|"bt":1e9|"vs":|"vd":"|"vlo":"1:2"|null|true|1e308|-|'
    b"0.0000000001|[|]|{|}|,|:|\\ud800|\\u0000|\x80|99999999999999999999|/65535|=|"
    b'"e":[|"sv":|"ov":|"bv":'
)
CBOR_TEXT = """
    21652f332f302f 006131 0201 03 04f5 0841ff 63766c6f63313a32 06 221a65000000 80 a1 9f bf 5f 7f ff
    c0 c1 c4822001 c482190190 c249 f6 f97e00 fb7ff0000000000000 1bffffffffffffffff
    3b7fffffffffffffff 9bffffffffffffffff
"""
JSON_WORDS = tuple(JSON_TEXT.split(b"|"))
CBOR_WORDS = tuple(bytes.fromhex(text) for text in CBOR_TEXT.split())


def seeds(number: int) -> tuple[bytes, ...]:
    """Payloads of a format, each for several paths and types."""
    payloads = list(MORE.get({320: 110, 322: 112}.get(number, number), ()))
    for nodes in (VALUES, TIMED, PATHS, *([node] for node in VALUES)):
        for base in (BASES[0], BASES[1], BASES[2], nodes[0].path):
            try:
                payloads.append(encode(number, nodes, base))
            except PayloadError:
                continue
    choices = [
        bytes([base + len(BASES) * types]) for types in range(len(TYPES)) for base in range(5)
    ]
    return tuple(choice + payload for choice in choices for payload in dict.fromkeys(payloads))


def comparable(nodes: list[Node]) -> list[tuple[Any, ...]]:
    """Paths, times and values, in one order; floats by their text, so that nan is nan."""
    return sorted((str(n.path), n.time_ns or 0, repr(n.value)) for n in nodes)


def check_pack(number: int, pack: Pack, base: Path, types: Types) -> None:
    nodes = pack.nodes()
    assert len(nodes) == len(pack) and pack.outside([base]) is None
    assert sum(len(group) for _, group in pack.groups()) == len(nodes)
    try:
        written = encode(number, pack, base)
    except PayloadError:
        return
    assert written == encode(number, nodes, base)
    again = decode(number, written, base, types, now_ns=NOW_NS)
    assert comparable(again.nodes()) == comparable(nodes), (nodes, written)


def check_format(number: int, data: bytes) -> None:
    """The first byte chooses path and types, the rest is the payload."""
    choice, payload = (data[0], data[1:]) if data else (0, b"")
    base, types = BASES[choice % len(BASES)], TYPES[choice // len(BASES) % len(TYPES)]
    try:
        pack = decode(number, payload, base, types, now_ns=NOW_NS)
    except PayloadError as error:
        assert 0 <= error.offset <= len(payload), error
        assert error.format_name == FORMATS[number].name.replace("-ETCH", ""), error
        return
    assert pack.payload == payload
    check_pack(number, pack, base, types)


def check_links(data: bytes) -> None:
    try:
        links = decode_links(data)
    except PayloadError:
        return
    assert decode_links(encode_links(links)) == links


def check(data: bytes) -> None:
    """The first byte chooses the format."""
    if data:
        check_format(NUMBERS[data[0] % len(NUMBERS)], data[1:])


SEEDS = tuple(bytes([i]) + seed for i, number in enumerate(NUMBERS) for seed in seeds(number)[::7])
WORDS = JSON_WORDS + CBOR_WORDS
