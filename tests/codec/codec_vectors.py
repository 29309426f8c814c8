"""Examples from the specifications, with their sections: what they are, and what they mean.

Names of RFC 8428 and RFC 8790 that are no LwM2M paths are replaced as RENAMED says.
"""

from __future__ import annotations

from typing import Any

from lwm2m_fast.codec import Kind, Node, ObjectLink, Value

DEVICE_TYPES = {
    (3, resource): kind
    for resource, kind in {
        0: "STRING", 1: "STRING", 2: "STRING", 3: "STRING", 6: "INTEGER", 7: "INTEGER",
        8: "INTEGER", 9: "INTEGER", 10: "INTEGER", 11: "INTEGER", 13: "TIME", 14: "STRING",
        16: "STRING",
    }.items()
}  # fmt: skip
TYPES: dict[tuple[int, int], str] = {
    **DEVICE_TYPES,
    (2, 0): "INTEGER", (2, 1): "INTEGER", (2, 2): "INTEGER", (2, 3): "INTEGER",
    (65, 0): "OBJLNK", (65, 1): "STRING", (65, 2): "INTEGER",
    (66, 0): "STRING", (66, 1): "STRING", (66, 2): "OBJLNK",
    (72, 2): "FLOAT",
    (1, 0): "INTEGER", (1, 1): "INTEGER", (1, 6): "BOOLEAN", (1, 7): "STRING",
}  # fmt: skip


def nodes(*values: tuple[str, Value] | tuple[str, Value, Kind]) -> list[Node]:
    return [Node(*value) for value in values]


# OMA TS Core 1.1, table 6.2.1-1 and 7.4: the Device object of the example client.
DEVICE = nodes(
    ("/3/0/0", "Open Mobile Alliance"),
    ("/3/0/1", "Lightweight M2M Client"),
    ("/3/0/2", "345000123"),
    ("/3/0/3", "1.0"),
    ("/3/0/6/0", 1),
    ("/3/0/6/1", 5),
    ("/3/0/7/0", 3800),
    ("/3/0/7/1", 5000),
    ("/3/0/8/0", 125),
    ("/3/0/8/1", 900),
    ("/3/0/9", 100),
    ("/3/0/10", 15),
    ("/3/0/11/0", 0),
    ("/3/0/13", 1367491215, Kind.TIME),
    ("/3/0/14", "+02:00"),
    ("/3/0/16", "U"),
)
ACCESS_CONTROL = nodes(
    ("/2/0/0", 1), ("/2/0/1", 0), ("/2/0/2/127", 7), ("/2/0/3", 127),
    ("/2/2/0", 3), ("/2/2/1", 0), ("/2/2/2/127", 7), ("/2/2/2/310", 1), ("/2/2/3", 127),
)  # fmt: skip
LINKS = nodes(
    ("/65/0/0/0", ObjectLink(66, 0)),
    ("/65/0/0/1", ObjectLink(66, 1)),
    ("/65/0/1", "8613800755500"),
    ("/65/0/2", 1),
    ("/66/0/0", "myService 1"),
    ("/66/0/1", "Internet.15.234"),
    ("/66/0/2", ObjectLink(67, 0)),
    ("/66/1/0", "myService 2"),
    ("/66/1/1", "Internet.15.235"),
    ("/66/1/2", ObjectLink(65535, 65535)),
)

# (section, content format, base, payload, nodes)
# fmt: off
OMA: list[tuple[str, int, str, bytes, list[Node]]] = [
    ("Core 1.1, 7.4.2 plain text", 0, "/3/0/0", b"Open Mobile Alliance", DEVICE[:1]),
    ("Core 1.1, 7.4.3 TLV: object instance", 11542, "/3/0", bytes.fromhex(
        "c800144f70656e204d6f62696c6520416c6c69616e6365"
        "c801164c69676874776569676874204d324d20436c69656e74"
        "c80209333435303030313233c303312e308606410001410105"
        "88070842000ed842011388870841007d42010384"
        "c10964c10a0f830b410000c40d5182428fc60e2b30323a3030c11055"), DEVICE),
    ("Core 1.1, 7.4.3 TLV: object with one instance", 11542, "/3", bytes.fromhex(
        "080079c800144f70656e204d6f62696c6520416c6c69616e6365"
        "c801164c69676874776569676874204d324d20436c69656e74"
        "c80209333435303030313233c303312e308606410001410105"
        "88070842000ed842011388870841007d42010384"
        "c10964c10a0f830b410000c40d5182428fc60e2b30323a3030c11055"), DEVICE),
    ("Core 1.1, 7.4.3 TLV: multiple instances of an object", 11542, "/2", bytes.fromhex(
        "08000ec10001c101008302417f07c1037f"
        "080212c10003c101008702417f0761013601c1037f"), ACCESS_CONTROL),
    ("Core 1.1, 7.4.3 TLV: object links, 65/0", 11542, "/65/0", bytes.fromhex(
        "88000c440000420000440100420001c8010d38363133383030373535353030c10201"), LINKS[:4]),
    ("Core 1.1, 7.4.3 TLV: object links, 66", 11542, "/66", bytes.fromhex(
        "080026c8000b6d79536572766963652031c8010f496e7465726e65742e31352e323334c40200430000"
        "080126c8000b6d79536572766963652032c8010f496e7465726e65742e31352e323335c402ffffffff"),
     LINKS[4:]),
    ("Core 1.0, 6.4.4 OMA JSON: object instance", 11543, "/3/0", b"""{"bn":"/3/0/","e":[
        {"n":"0","sv":"Open Mobile Alliance"},{"n":"1","sv":"Lightweight M2M Client"},
        {"n":"2","sv":"345000123"},{"n":"3","sv":"1.0"},{"n":"6/0","v":1},{"n":"6/1","v":5},
        {"n":"7/0","v":3800},{"n":"7/1","v":5000},{"n":"8/0","v":125},{"n":"8/1","v":900},
        {"n":"9","v":100},{"n":"10","v":15},{"n":"11/0","v":0},{"n":"13","v":1367491215},
        {"n":"14","sv":"+02:00"},{"n":"16","sv":"U"}]}""", DEVICE),
    ("Core 1.0, 6.4.4 OMA JSON: object links", 11543, "/", b"""{"bn":"/","e":[
        {"n":"65/0/0/0","ov":"66:0"},{"n":"65/0/0/1","ov":"66:1"},
        {"n":"65/0/1","sv":"8613800755500"},{"n":"65/0/2","v":1},{"n":"66/0/0","sv":"myService 1"},
        {"n":"66/0/1","sv":"Internet.15.234"},{"n":"66/0/2","ov":"67:0"},
        {"n":"66/1/0","sv":"myService 2"},{"n":"66/1/1","sv":"Internet.15.235"},
        {"n":"66/1/2","ov":"65535:65535"}]}""", LINKS),
    ("Core 1.1, 7.4.4 SenML JSON: object instance", 110, "/3/0", b"""[
        {"bn":"/3/0/","n":"0","vs":"Open Mobile Alliance"},{"n":"1","vs":"Lightweight M2M Client"},
        {"n":"2","vs":"345000123"},{"n":"3","vs":"1.0"},{"n":"6/0","v":1},{"n":"6/1","v":5},
        {"n":"7/0","v":3800},{"n":"7/1","v":5000},{"n":"8/0","v":125},{"n":"8/1","v":900},
        {"n":"9","v":100},{"n":"10","v":15},{"n":"11/0","v":0},{"n":"13","v":1367491215},
        {"n":"14","vs":"+02:00"},{"n":"16","vs":"U"}]""", DEVICE),
    ("Core 1.1, 7.4.4 SenML JSON: object links", 110, "/", b"""[
        {"bn":"/","n":"65/0/0/0","vlo":"66:0"},{"n":"65/0/0/1","vlo":"66:1"},
        {"n":"65/0/1","vs":"8613800755500"},{"n":"65/0/2","v":1},{"n":"66/0/0","vs":"myService 1"},
        {"n":"66/0/1","vs":"Internet.15.234"},{"n":"66/0/2","vlo":"67:0"},
        {"n":"66/1/0","vs":"myService 2"},{"n":"66/1/1","vs":"Internet.15.235"},
        {"n":"66/1/2","vlo":"65535:65535"}]""", LINKS),
    ("Core 1.1, 7.4.5 SenML CBOR: object instance", 112, "/3/0", bytes.fromhex(
        "90a321652f332f302f00613003744f70656e204d6f62696c6520416c6c69616e6365"
        "a200613103764c69676874776569676874204d324d20436c69656e74"
        "a20061320369333435303030313233a20061330363312e30a20063362f300201a20063362f310205"
        "a20063372f3002190ed8a20063372f3102191388a20063382f3002187da20063382f3102190384"
        "a2006139021864a200623130020fa2006431312f300200a200623133021a5182428f"
        "a20062313403662b30323a3030a200623136036155"), DEVICE),
    ("Core 1.1, 6.3.7 Read-Composite: paths", 320, "/", b'[{"n":"/3/0/0"},{"n":"/1/0"}]',
     nodes(("/3/0/0", None), ("/1/0", None))),
    ("Core 1.2, 7.4.6 LwM2M CBOR: nested", 11544, "/3/0", bytes.fromhex(
        "a103a100a200744f70656e204d6f62696c6520416c6c69616e636506a200010105"),
     [DEVICE[0], DEVICE[4], DEVICE[5]]),
    ("Core 1.2, 7.4.6 LwM2M CBOR: a path as one key", 11544, "/3/0",
     bytes.fromhex("bf83030006bf00010105ffff"), [DEVICE[4], DEVICE[5]]),
]

RENAMED = {
    "urn:dev:ow:10e2073a01080063:": "/3/0/", "urn:dev:ow:10e2073a0108006:": "/3/0/",
    "urn:dev:ow:10e2073a01080063": "/3/0/4", "2001:db8::2/": "/6/0/", "2001:db8::1/": "/6/1/",
    "voltage": "1", "current": "2", "temperature": "5", "humidity": "6",
    "temp": "1", "label": "3", "open": "8", "nfc-reader": "9",
}  # fmt: skip
NOW_NS = 1_800_000_000_000_000_000
NS = 1_000_000_000
BT = 1_276_020_076_001_000_000

# (section, payload, [(path, value, time)])
RFC_8428: list[tuple[str, str, list[tuple[str, Value, int | None]]]] = [
    ("5.1.1", '[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]', [("/3/0/4", 23.1, None)]),
    ("5.1.2 first", '[{"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},'
     '{"n":"current","u":"A","v":1.2}]', [("/3/0/1", 120.1, None), ("/3/0/2", 1.2, None)]),
    ("5.1.2 second", '[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A",'
     '"bver":5,"n":"voltage","u":"V","v":120.1},{"n":"current","t":-5,"v":1.2},'
     '{"n":"current","t":-4,"v":1.3},{"n":"current","t":-3,"v":1.4},{"n":"current","t":-2,"v":1.5},'
     '{"n":"current","t":-1,"v":1.6},{"n":"current","v":1.7}]',
     [("/3/0/1", 120.1, BT), ("/3/0/2", 1.2, BT - 5 * NS), ("/3/0/2", 1.3, BT - 4 * NS),
      ("/3/0/2", 1.4, BT - 3 * NS), ("/3/0/2", 1.5, BT - 2 * NS), ("/3/0/2", 1.6, BT - NS),
      ("/3/0/2", 1.7, BT)]),
    ("5.1.2 third", '[{"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH",'
     '"v":21.2},{"t":10,"v":21.3},{"t":20,"v":21.4},{"t":30,"v":21.4},{"t":40,"v":21.5}]',
     [("/3/0/4", value, (1_320_067_464 + seconds) * NS) for seconds, value in
      ((0, 21.2), (10, 21.3), (20, 21.4), (30, 21.4), (40, 21.5))]),
    ("5.1.5", '[{"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},'
     '{"n":"label","vs":"Machine Room"},{"n":"open","vb":false},{"n":"nfc-reader","vd":"aGkgCg"}]',
     [("/3/0/1", 23.1, None), ("/3/0/3", "Machine Room", None), ("/3/0/8", False, None),
      ("/3/0/9", b"hi \n", None)]),
    ("5.1.6", '[{"bn":"2001:db8::2/","bt":1.320078429e+09,"n":"temperature","u":"Cel","v":25.2},'
     '{"n":"humidity","u":"%RH","v":30},{"bn":"2001:db8::1/","n":"temperature","u":"Cel","v":12.3},'
     '{"n":"humidity","u":"%RH","v":67}]',
     [(path, value, 1_320_078_429 * NS) for path, value in
      (("/6/0/5", 25.2), ("/6/0/6", 30), ("/6/1/5", 12.3), ("/6/1/6", 67))]),
]

RFC_8790: list[tuple[str, str, list[tuple[str, Value, Kind]]]] = [
    ("1 target", '[{"bn":"2001:db8::2/3311/0/","n":"5850","vb":true},{"n":"5851","v":42},'
     '{"n":"5750","vs":"Ceiling light"}]',
     [("/3311/0/5850", True, Kind.BOOLEAN), ("/3311/0/5851", 42, Kind.INTEGER),
      ("/3311/0/5750", "Ceiling light", Kind.STRING)]),
    ("3.1 fetch", '[{"bn":"2001:db8::2/3311/0/","n":"5850"},{"n":"5851"}]',
     [("/3311/0/5850", None, Kind.NONE), ("/3311/0/5851", None, Kind.NONE)]),
    ("3.2 patch", '[{"bn":"2001:db8::2/3311/0/","n":"5850","vb":false},{"n":"5851","v":10}]',
     [("/3311/0/5850", False, Kind.BOOLEAN), ("/3311/0/5851", 10, Kind.INTEGER)]),
    ("3.2 removal", '[{"bn":"2001:db8::2/3311/0/","n":"5850","v":null}]',
     [("/3311/0/5850", None, Kind.NULL)]),
]
# fmt: on

# RFC 8949, appendix A: (hexadecimal, value). Maps as lists of pairs.
INF, NAN = float("inf"), float("nan")
TO_25 = list(range(1, 26))
RFC_8949: list[tuple[str, Any]] = [
    ("00", 0), ("01", 1), ("0a", 10), ("17", 23), ("1818", 24), ("1819", 25), ("1864", 100),
    ("1903e8", 1000), ("1a000f4240", 1000000), ("1b000000e8d4a51000", 1000000000000),
    ("1bffffffffffffffff", 18446744073709551615),
    ("c249010000000000000000", 18446744073709551616),
    ("3bffffffffffffffff", -18446744073709551616),
    ("c349010000000000000000", -18446744073709551617),
    ("20", -1), ("29", -10), ("3863", -100), ("3903e7", -1000),
    ("f90000", 0.0), ("f98000", -0.0), ("f93c00", 1.0), ("fb3ff199999999999a", 1.1),
    ("f93e00", 1.5), ("f97bff", 65504.0), ("fa47c35000", 100000.0),
    ("fa7f7fffff", 3.4028234663852886e38), ("fb7e37e43c8800759c", 1.0e300),
    ("f90001", 5.960464477539063e-8), ("f90400", 0.00006103515625), ("f9c400", -4.0),
    ("fbc010666666666666", -4.1), ("f97c00", INF), ("f97e00", NAN), ("f9fc00", -INF),
    ("fa7f800000", INF), ("fa7fc00000", NAN), ("faff800000", -INF),
    ("fb7ff0000000000000", INF), ("fb7ff8000000000000", NAN), ("fbfff0000000000000", -INF),
    ("f4", False), ("f5", True), ("f6", None),
    ("c074323031332d30332d32315432303a30343a30305a", (1363896240,)),
    ("c11a514b67b0", (1363896240,)), ("c1fb41d452d9ec200000", (1363896240.5,)),
    ("d74401020304", b"\1\2\3\4"), ("d818456449455446", b"dIETF"),
    ("d82076687474703a2f2f7777772e6578616d706c652e636f6d", "http://www.example.com"),
    ("40", b""), ("4401020304", b"\1\2\3\4"), ("60", ""), ("6161", "a"), ("6449455446", "IETF"),
    ("62225c", '"\\'), ("62c3bc", "\u00fc"), ("63e6b0b4", "\u6c34"), ("64f0908591", "\U00010151"),
    ("80", []), ("83010203", [1, 2, 3]), ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("98190102030405060708090a0b0c0d0e0f101112131415161718181819", TO_25),
    ("a0", {}), ("a201020304", {1: 2, 3: 4}), ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ("826161a161626163", ["a", {"b": "c"}]),
    ("a56161614161626142616361436164614461656145",
     {"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}),
    ("5f42010243030405ff", b"\1\2\3\4\5"), ("7f657374726561646d696e67ff", "streaming"),
    ("9fff", []), ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
    ("9f01820203820405ff", [1, [2, 3], [4, 5]]), ("83018202039f0405ff", [1, [2, 3], [4, 5]]),
    ("83019f0203ff820405", [1, [2, 3], [4, 5]]),
    ("9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff", TO_25),
    ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}), ("826161bf61626163ff", ["a", {"b": "c"}]),
    ("bf6346756ef563416d7421ff", {"Fun": True, "Amt": -2}),
]  # fmt: skip
# Of the same table, but no value of LwM2M: undefined and simple values without a meaning.
RFC_8949_REFUSED = ["f7", "f0", "f818", "f8ff"]
# RFC 8949, appendix F.1: not well-formed.
RFC_8949_MALFORMED = [
    "18",
    "19",
    "1a",
    "1b",
    "1901",
    "1a0102",
    "1b01020304050607",
    "38",
    "58",
    "78",
    "98",
    "9a01ff00",
    "b8",
    "d8",
    "f8",
    "f900",
    "fa0000",
    "fb000000",
    "41",
    "61",
    "5affffffff00",
    "5bffffffffffffffff010203",
    "7affffffff00",
    "7b7fffffffffffffff010203",
    "81",
    "818181818181818181",
    "8200",
    "a1",
    "a20102",
    "a100",
    "a2000000",
    "5f4100",
    "7f6100",
    "9f",
    "9f0102",
    "bf",
    "bf01020102",
    "819f",
    "9f8000",
    "9f9f9f9f9fffffffff",
    "9f819f819f9fffffff",
    "1c",
    "1d",
    "1e",
    "3c",
    "3d",
    "3e",
    "5c",
    "5d",
    "5e",
    "7c",
    "7d",
    "7e",
    "9c",
    "9d",
    "9e",
    "bc",
    "bd",
    "be",
    "dc",
    "dd",
    "de",
    "fc",
    "fd",
    "fe",
    "f800",
    "f801",
    "f818",
    "f81f",
    "5f00ff",
    "5f21ff",
    "5f6100ff",
    "5f80ff",
    "5fa0ff",
    "5fc000ff",
    "5fe0ff",
    "7f4100ff",
    "5f5f4100ffff",
    "7f7f6100ffff",
    "ff",
    "81ff",
    "8200ff",
    "a1ff",
    "a1ff00",
    "a100ff",
    "a20000ff",
    "9f81ff",
    "9f829f819f9fffffffff",
    "bf00ff",
    "bf000000ff",
    "1f",
    "3f",
    "df",
]
