"""Text, octet-stream, CBOR, OMA JSON, LwM2M CBOR and the link format."""

from __future__ import annotations

import json

import cbor2
import pytest

from lwm2m_fast.codec import Kind, Node, ObjectLink, PayloadError, decode, encode
from lwm2m_fast.codec.link import MAX_ATTRIBUTES, MAX_LINKS, Link, decode_links, encode_links
from lwm2m_fast.codec.moment import text_to_seconds

NOW_NS = 1_800_000_000_000_000_000
NS = 1_000_000_000


def one(number: int, payload: bytes, kind: str | None):
    return decode(number, payload, "/3/0/1", {(3, 1): kind} if kind else None)[0]


@pytest.mark.parametrize(
    "text, kind, value",
    [
        ("a b", "STRING", "a b"), ("", "STRING", ""), ("12", None, "12"), ("12", "NONE", "12"),
        ("-5", "INTEGER", -5),
        ("18446744073709551615", "UNSIGNED_INTEGER", (1 << 64) - 1), ("1.5", "FLOAT", 1.5),
        ("-2e-3", "FLOAT", -0.002), ("+1", "FLOAT", 1.0), ("5", "FLOAT", 5.0),
        ("0", "BOOLEAN", False), ("1", "BOOLEAN", True), ("AQI=", "OPAQUE", b"\1\2"),
        ("1367491215", "TIME", 1367491215), ("3:65535", "OBJLNK", ObjectLink(3, 65535)),
        ("</3>", "CORELNK", "</3>"),
    ],
)  # fmt: skip
def test_text_is_read_as_the_type_of_its_resource(text, kind, value):
    node = one(0, text.encode(), kind)
    expected = Kind.STRING if kind in (None, "NONE") else Kind[kind]
    assert node == Node("/3/0/1", value, expected)


@pytest.mark.parametrize(
    "text, kind",
    [
        ("", "INTEGER"), ("1.0", "INTEGER"), ("+1", "INTEGER"), ("0x1", "INTEGER"),
        (" 1", "INTEGER"),
        ("1_0", "INTEGER"), ("\u0661", "INTEGER"), ("9223372036854775808", "INTEGER"),
        ("-1", "UNSIGNED_INTEGER"), ("nan", "FLOAT"), ("inf", "FLOAT"), ("1e309", "FLOAT"),
        ("1,5", "FLOAT"), ("true", "BOOLEAN"), ("2", "BOOLEAN"), ("AQI", "OPAQUE"),
        ("AQJ=", "OPAQUE"), ("A QI=", "OPAQUE"), ("_-8=", "OPAQUE"), ("1.5", "TIME"),
        ("3", "OBJLNK"),
        ("3:65536", "OBJLNK"), ("3:-1", "OBJLNK"), ("1" * 129, "INTEGER"),
        ("1." + "0" * 399, "FLOAT"),
    ],
)  # fmt: skip
def test_text_that_is_not_of_the_type_of_its_resource_is_refused(text, kind):
    with pytest.raises(PayloadError, match=r"^text/plain: .* \(path /3/0/1, at 0\)$"):
        one(0, text.encode(), kind)


def test_text_that_is_not_utf_8_is_refused_where_it_is_not():
    with pytest.raises(PayloadError, match="at 2"):
        one(0, b"ab\xff", "STRING")


@pytest.mark.parametrize(
    "value, text",
    [(1e-7, b"0.0000001"), (1e22, b"10000000000000000000000"), (-0.5, b"-0.5"), (20.0, b"20.0"),
     (5e-324, b"0." + b"0" * 323 + b"5")],
)  # fmt: skip
def test_numbers_are_written_as_text_without_an_exponent(value, text):
    assert encode(0, [Node("/3/0/1", value)]) == text
    assert one(0, text, "FLOAT").value == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_what_has_no_text_is_not_written(value):
    with pytest.raises(PayloadError):
        encode(0, [Node("/3/0/1", value)])


@pytest.mark.parametrize("number", [0, 42, 60])
def test_formats_of_one_value_hold_one_value_of_one_resource(number):
    node = Node("/3/0/1", b"a" if number == 42 else "a")
    assert encode(number, node) == encode(number, [node], "/3/0/1")
    for nodes in ([], [node, Node("/3/0/2", b"a")], [Node("/3/0/1", b"a", time_ns=NOW_NS)]):
        with pytest.raises(PayloadError):
            encode(number, nodes)
    with pytest.raises(PayloadError, match="not under /4"):
        encode(number, [node], "/4")
    for base in ("/", "/3", "/3/0"):
        with pytest.raises(PayloadError, match="only a single resource"):
            decode(number, b"a", base)
    assert str(decode(number, b"\x61a", "/3/0/1/2")[0].path) == "/3/0/1/2"


def test_octet_stream_is_the_bytes_of_an_opaque_resource():
    assert one(42, b"\xff\x00", "OPAQUE").value == one(42, b"\xff\x00", None).value == b"\xff\x00"
    with pytest.raises(PayloadError, match="a STRING resource does not have this format"):
        one(42, b"a", "STRING")
    with pytest.raises(PayloadError, match="STRING is not OPAQUE"):
        encode(42, [Node("/3/0/1", "a")])


@pytest.mark.parametrize(
    "text, kind, value",
    [
        ("f94d00", "FLOAT", 20.0), ("14", "FLOAT", 20.0), ("f94d00", "INTEGER", 20),
        ("f5", None, True),
        ("01", "BOOLEAN", True), ("63333a34", "OBJLNK", ObjectLink(3, 4)),
        ("820304", "OBJLNK", (3, 4)),
        ("c11a514b67b0", None, 1363896240), ("1a514b67b0", "TIME", 1363896240),
        ("c1fb41d452d9ec000000", "TIME", 1363896240), ("7f61616162ff", None, "ab"),
        ("1bffffffffffffffff", None, (1 << 64) - 1), ("c4822001", None, 0.1),
        ("c24101", "INTEGER", 1),
        ("d9d9f701", None, 1), ("5f4101ff", "OPAQUE", b"\1"),
    ],
)  # fmt: skip
def test_cbor_is_one_item_of_the_type_of_its_resource(text, kind, value):
    assert one(60, bytes.fromhex(text), kind).value == value


@pytest.mark.parametrize(
    "text, kind",
    [("", None), ("f6", None), ("80", None), ("a0", None), ("0101", None), ("6161", "INTEGER"),
     ("fb3ff8000000000000", "INTEGER"), ("f97e00", "INTEGER"), ("f97c00", "TIME"),
     ("c1fb41d452d9ec200000", "TIME"), ("c16161", None), ("c201", None), ("c48101", None),
     ("c482190191f5", None), ("c48219019101", None), ("8103", "OBJLNK"),
     ("82031a00010000", "OBJLNK"),
     ("82f5f4", "STRING"), ("02", "BOOLEAN"), ("4161", "STRING"), ("6161", "OPAQUE"),
     ("3bffffffffffffffff", None), ("3bffffffffffffffff", "INTEGER"), ("ff", None),
     ("c2" + "5841" + "00" * 65, None)],
)  # fmt: skip
def test_cbor_that_is_no_value_of_the_type_of_its_resource_is_refused(text, kind):
    with pytest.raises(PayloadError, match=r"^CBOR: "):
        one(60, bytes.fromhex(text), kind)


def test_a_time_in_cbor_carries_its_tag():
    assert encode(60, [Node("/3/0/1", 1363896240, Kind.TIME)]).hex() == "c11a514b67b0"


@pytest.mark.parametrize(
    "text, seconds",
    [(b"2013-03-21T20:04:00Z", 1363896240), (b"2013-03-21t22:04:00.000+02:00", 1363896240),
     (b"1969-12-31T23:59:59z", -1)],
)  # fmt: skip
def test_a_date_and_time_is_seconds_since_1970(text, seconds):
    assert text_to_seconds(text) == seconds


def oma(pack, base="/3/0", types=None, **more):
    more.setdefault("now_ns", NOW_NS)
    payload = pack if isinstance(pack, bytes) else json.dumps(pack).encode()
    return decode(11543, payload, base, types, **more).nodes()


def test_oma_json_names_are_base_name_and_name():
    e = [{"n": "0/1", "v": 1}, {"n": "0/2", "bv": True}]
    expected = [Node("/3/0/1", 1), Node("/3/0/2", True)]
    assert oma({"bn": "/3/", "e": e}) == expected
    assert oma({"e": e}, "/3") == oma({"bn": "", "e": e}, "/3") == expected
    assert oma({"e": [{"n": "/3/0/1", "v": 1}]}) == expected[:1]
    assert oma({"bn": "/3/0/1", "e": [{"v": 1}]}, "/3/0/1") == expected[:1]
    assert oma({"e": [{"v": 1}]}, "/3/0/1") == expected[:1]
    assert oma({"bn": "/3/0/", "e": []}) == []
    assert oma({"bn": "/lw/3/", "e": e}, root="/lw") == expected
    with pytest.raises(PayloadError, match="outside the root path"):
        oma({"bn": "/3/", "e": e}, root="/lw")


def test_oma_json_times_are_exact_and_relative_below_two_to_the_28():
    payload = (b'{"bn":"/3/0/","bt":1700000000,"e":['
               b'{"n":"1","v":1,"t":-0.000000001},{"n":"1","v":2},'
               b'{"n":"1","v":3,"t":-1700000005}]}')  # fmt: skip
    times = [1_699_999_999_999_999_999, 1_700_000_000 * NS, NOW_NS - 5 * NS]
    assert [n.time_ns for n in oma(payload)] == times
    with pytest.raises(PayloadError, match="the present was not given"):
        oma(payload, now_ns=None)


def test_oma_json_values_become_the_kind_of_their_resource():
    types = {(3, 1): "OPAQUE", (3, 2): "OBJLNK", (3, 3): "FLOAT", (3, 4): "TIME", (3, 5): "INTEGER"}
    e = [{"n": "1", "sv": "AQI="}, {"n": "2", "ov": "3:4"}, {"n": "3", "v": 25}, {"n": "4",
    "v": 1e9},
         {"n": "5", "v": 5.0}, {"n": "6", "ov": "5:6"}, {"n": "7", "v": 1e-1}]  # fmt: skip
    assert [n.value for n in oma({"bn": "/3/0/", "e": e}, types=types)] == [
        b"\1\2", ObjectLink(3, 4), 25.0, 1_000_000_000, 5, ObjectLink(5, 6), 0.1,
    ]  # fmt: skip
    for wrong in ({"n": "1", "sv": "AQI"}, {"n": "2", "ov": "3"}, {"n": "3", "sv": "1"},
                  {"n": "5", "v": 5.5}, {"n": "5", "bv": 1.5}, {"n": "6", "ov": "x"}):  # fmt: skip
        with pytest.raises(PayloadError):
            oma({"bn": "/3/0/", "e": [wrong]}, types=types)


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "ends early"), ("[]", "not an object"), ("{}", 'a list "e"'),
        ('{"e":{}}', 'a list "e"'),
        ('{"e":[1]}', "not an object"), ('{"e":[{"n":"1"}]}', "0 values"),
        ('{"e":[]}x', "not JSON"),
        ('{"e":[{"n":"1","v":1,"sv":"a"}]}', "2 values"), ('{"e":[{"n":1,"v":1}]}', "not text"),
        ('{"bn":1,"e":[{"n":"1","v":1}]}', "not text"), ('{"e":[],"e":[]}', "there twice"),
        ('{"e":[{"n":"1","v":1},{"n":"1","v":2}]}', "there twice"),
        ('{"e":[{"v":1}]}', "not a resource"),
        ('{"e":[{"n":"/4/0/1","v":1}]}', "not a resource"),
        ('{"e":[{"n":"1","v":NaN}]}', "not JSON"),
        ('{"e":[{"n":"1","v":1,"t":1e-10}]}', "finer"),
        ('{"e":[{"n":"1","v":1,"t":1e10}]}', "beyond"),
        ('{"e":[{"n":"1","v":1,"t":"1"}]}', "not a number"),
        ('{"e":[{"n":"1","v":null}]}', "not a value"),
        ('{"e":[{"n":"1","v":1e99999}]}', "beyond any number"),
        ('{"e":[{"n":"1","v":1e999}]}', "beyond"),
        ('{"e":[{"n":"1","v":1,"t":1700000000.00000000000000000000000000000001}]}', "finer"),
        ('{"e":[{"n":"1","sv":5}]}', "not text"), ('{"e":[{"n":"01","v":5}]}', "leading zero"),
        ("[" * 9 + "]" * 9, "nested too deeply"),
        ('{"e":[{"n":"1","v":' + "1" * 129 + "}]}", "number"),
    ],
)  # fmt: skip
def test_what_is_no_oma_json_is_refused(text, why):
    with pytest.raises(PayloadError, match=why):
        oma(text.encode())


@pytest.mark.parametrize(
    "nodes, base",
    [([Node("/3/0")], "/"), ([Node("/4/0/1", 1)], "/3"), ([Node("/3/0/1", float("inf"))], "/"),
     ([Node("/3/0/1", 1, time_ns=5)], "/"), ([Node("/3/0/1", 1), Node("/3/0/1/1", 1)], "/3/0/1"),
     ([Node("/3/0/1", 1), Node("/3/0/2", 1, time_ns=5)], "/")],
)  # fmt: skip
def test_what_oma_json_cannot_hold_is_not_written(nodes, base):
    with pytest.raises(PayloadError):
        encode(11543, nodes, base)


def lwm2m(tree, base="/", types=None):
    return decode(11544, cbor2.dumps(tree) if not isinstance(tree, bytes) else tree, base, types)


def test_lwm2m_cbor_is_nested_flat_or_both():
    expected = [Node("/3/0/1", 5), Node("/3/0/6/0", 1)]
    for text in ("a103a100a2010506a10001", "a28303000105840300060001",
    "a182 0300 a2 01 05 82 0600 01",
                 "bf03bf00bf010506bf0001ffffffff"):  # fmt: skip
        assert lwm2m(bytes.fromhex(text)).nodes() == expected
        assert lwm2m(bytes.fromhex(text), "/3/0").nodes() == expected


def test_lwm2m_cbor_holds_paths_and_what_is_empty():
    assert lwm2m({3: {0: {1: None, 6: {}}, 1: {}}, 4: None}).nodes() == [
        Node("/3/0/1"), Node("/3/0/6"), Node("/3/1"), Node("/4"),
    ]  # fmt: skip
    assert lwm2m({}).nodes() == []
    nodes = [Node("/3/0/6"), Node("/3/1"), Node("/4"), Node("/5/0/1/2")]
    assert lwm2m(encode(11544, nodes)).nodes() == nodes


@pytest.mark.parametrize(
    "tree, why",
    [
        ([], "not a map"), ({"3": 1}, "is no id"), ({-1: 1}, "is no id"), ({65536: 1}, "is no id"),
        ({True: {}}, "is no id"), ({3: {65535: {0: 1}}}, "reserved instance"),
        ({3: 1}, "belongs to"),
        ({3: {0: 1}}, "belongs to"), ({3: {0: {0: {0: {0: 1}}}}}, "more than four"),
        ({(3, 0, 0): 1, 3: {0: {0: 2}}}, "there twice"), ({(): 1}, "a key of none"),
        ({(3, 0, 0, 0, 0): 1}, "more than four"), ({(3, 0, 0): [1]}, "not a value"),
        ({1.5: 1}, "no id"),
    ],
)  # fmt: skip
def test_what_is_no_lwm2m_cbor_is_refused(tree, why):
    with pytest.raises(PayloadError, match=why):
        lwm2m(tree)


def test_lwm2m_cbor_outside_of_what_was_asked_for_is_refused():
    with pytest.raises(PayloadError, match=r"outside /4 \(path /3/0/1, at"):
        lwm2m({3: {0: {1: 5}}}, "/4")


@pytest.mark.parametrize(
    "nodes, why",
    [([Node("/3/0/1", 1, time_ns=NOW_NS)], "has a time"), ([Node("/")], "not an id"),
     ([Node("/3/0", 1)], "belongs to a resource"), ([Node("/3/0/1", None, Kind.NULL)], "NULL"),
     ([Node("/3/0/1", 1), Node("/3/0/1", 2)], "there twice"),
     ([Node("/3/0/1", 1), Node("/3/0/1/0", 2)], "has a value"),
     ([Node("/3/0/1"), Node("/3/0/1/0", 2)], "is empty"),
     ([Node("/3/0/1/0", 2), Node("/3/0/1")], "there twice"),
     ([Node("/3/0/1/0", 1), Node("/3/0/1", 2)], "there twice")],
)  # fmt: skip
def test_what_lwm2m_cbor_cannot_hold_is_not_written(nodes, why):
    with pytest.raises(PayloadError, match=why):
        encode(11544, nodes)


def test_links_have_targets_and_attributes():
    payload = (
        b'</>;rt="oma.lwm2m";ct="60 110",</3/0>;pmin=10; pmax=60, </3/0/6>;dim=2;x,'
        b"<coap://[::1]/%41>"
    )
    links = [
        Link("/", {"rt": "oma.lwm2m", "ct": "60 110"}),
        Link("/3/0", {"pmin": "10", "pmax": "60"}),
        Link("/3/0/6", {"dim": "2", "x": None}),
        Link("coap://[::1]/%41", {}),
    ]
    assert decode_links(payload) == links == decode_links(encode_links(links))
    assert decode(40, payload).nodes() == [Node("/"), Node("/3/0"), Node("/3/0/6")]
    assert decode(40, payload, "/3/0").nodes() == [Node("/3/0"), Node("/3/0/6")]
    assert decode(40, b"</lw/3/0>,</3/1>", "/3", root="/lw").nodes() == [Node("/3/0")]
    assert decode_links(b"") == []


def test_a_quoted_value_may_hold_anything_escaped():
    links = decode_links(rb'</3>;a="x\"y\\z,<>;=";a=2;b=""')
    assert links == [Link("/3", {"a": 'x"y\\z,<>;=', "b": ""})] == decode_links(encode_links(links))


@pytest.mark.parametrize(
    "text",
    ["3", "</3", "</3>,", ",</3>", "</3>,,</4>", "</3>;", "</3>;;a", "</3>;a=", '</3>;a="',
    '</3>;a="b',
     '</3>;a="b"c', "</3> ;a", "</3> ,</4>", "< /3>", "</%4>", "</%zz>", "</3 >", "</3>;a=b c",
     "</3>;=b", " </3>", "</3>\n", "</\u00e9>", '</3>;a="\n"', "</3></4>", "<</3>>",
     "</3>;a b", '</3>;"a"=b', "</3>x"],
)  # fmt: skip
def test_what_is_no_link_format_is_refused(text):
    with pytest.raises(PayloadError, match=r"^link format: .* at \d+\)$"):
        decode_links(text.encode())


def test_links_and_attributes_are_bounded():
    assert len(decode_links(b",".join([b"<>"] * MAX_LINKS))) == MAX_LINKS
    with pytest.raises(PayloadError, match=f"more than {MAX_LINKS} links"):
        decode_links(b",".join([b"<>"] * (MAX_LINKS + 1)))
    attributes = b"".join(b";a%d" % i for i in range(MAX_ATTRIBUTES))
    assert len(decode_links(b"<>" + attributes)[0].attributes) == MAX_ATTRIBUTES
    with pytest.raises(PayloadError, match=f"more than {MAX_ATTRIBUTES} attributes"):
        decode_links(b"<>" + attributes + b";z")


def test_a_core_link_value_is_kept_as_it_is():
    types = {(3, 1): "CORELNK"}
    node = Node("/3/0/1", "</3>;x=1", Kind.CORELNK)
    assert decode(40, b"</3>;x=1", "/3/0/1", types).nodes() == [node]
    assert encode(40, [node], "/3/0/1") == b"</3>;x=1"
    assert encode(40, [Node("/3"), Node("/3/0")]) == b"</3>,</3/0>"
    for wrong in (Node("/3/0/1", "</3"), Node("/3/0/1", "</3", Kind.CORELNK), Node("/3/0/1", 5)):
        with pytest.raises(PayloadError):
            encode(40, [wrong])
