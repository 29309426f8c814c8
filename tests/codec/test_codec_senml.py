"""SenML in both spellings: names, times, values, and what devices make of them."""

from __future__ import annotations

import json

import cbor2
import pytest

from lwm2m_fast.codec import Kind, Node, ObjectLink, PayloadError, decode, encode
from lwm2m_fast.codec.senml_cbor import ETCH_NUMBER as ETCH_CBOR

NOW_NS = 1_800_000_000_000_000_000
NS = 1_000_000_000
LABELS = {"bver": -1, "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6, "n": 0, "u": 1, "v": 2,
          "vs": 3, "vb": 4, "s": 5, "t": 6, "ut": 7, "vd": 8}  # fmt: skip
BOTH = pytest.mark.parametrize("form", ["json", "cbor"])


def read(form: str, records, base="/3/0", types=None, etch=False, **more):
    more.setdefault("now_ns", NOW_NS)
    if form == "json":
        payload = records if isinstance(records, bytes) else json.dumps(records).encode()
        return decode(320 if etch else 110, payload, base, types, **more).nodes()
    made = [{LABELS.get(k, k): x for k, x in record.items()} for record in records]
    return decode(322 if etch else 112, cbor2.dumps(made), base, types, **more).nodes()


def refused(form: str, records, why: str, **more):
    with pytest.raises(PayloadError, match=why):
        read(form, records, **more)


@BOTH
def test_names_are_base_name_and_name_and_the_base_name_stays(form):
    records = [{"bn": "/3/0/", "n": "1", "v": 1}, {"n": "2", "v": 2},
               {"bn": "/3/0/6/", "n": "0", "v": 3}, {"bn": "", "n": "/3/0/7", "v": 4},
               {"bn": "/3/0/8", "v": 5}]  # fmt: skip
    assert [(str(n.path), n.value) for n in read(form, records)] == [
        ("/3/0/1", 1), ("/3/0/2", 2), ("/3/0/6/0", 3), ("/3/0/7", 4), ("/3/0/8", 5),
    ]  # fmt: skip


@BOTH
def test_a_base_name_behind_the_name_counts_for_it(form):
    assert read(form, [{"n": "1", "v": 1, "bn": "/3/0/"}]) == [Node("/3/0/1", 1)]


@BOTH
def test_without_a_base_name_names_are_whole_or_relative_to_what_was_asked_for(form):
    assert read(form, [{"n": "/3/0/1", "v": 1}, {"n": "2", "v": 2}, {"n": "6/1", "v": 3}]) == [
        Node("/3/0/1", 1), Node("/3/0/2", 2), Node("/3/0/6/1", 3),
    ]  # fmt: skip
    assert read(form, [{"v": 7}], "/3/0/9") == [Node("/3/0/9", 7)]
    assert read(form, [{"n": "3/0/9", "v": 7}], "/") == [Node("/3/0/9", 7)]


@BOTH
def test_names_begin_with_the_alternate_root_path(form):
    records = [{"bn": "/lwm2m/3/0/", "n": "1", "v": 1}, {"n": "2", "v": 2}]
    assert [n.value for n in read(form, records, root="/lwm2m")] == [1, 2]
    for name in ("/3/0/1", "/lwm2", "/lwm2mx3/0/1", "/lwm2m"):
        with pytest.raises(PayloadError):
            read(form, [{"n": name, "v": 1}], root="/lwm2m")
    number = 110 if form == "json" else 112
    for nodes in ([Node("/3/0/1", 1)], [Node("/3/0/1", 1), Node("/4/0/1", 2)]):
        payload = encode(number, nodes, "/", root="/lwm2m/")
        assert b"/lwm2m/3/0/1" in payload
        assert decode(number, payload, "/", root="/lwm2m").nodes() == nodes
    with pytest.raises(PayloadError, match="not a root path"):
        decode(number, payload, "/", root="lwm2m")


@BOTH
@pytest.mark.parametrize(
    "name, why",
    [
        ("/3/0/01", "a leading zero"), ("/3/0/x", "not a number"), ("/3//1", "an empty segment"),
        ("/3/65535/1", "the reserved instance id 65535"), ("/3/0/1/2/3", "more than four ids"),
        ("/65536/0/1", "an id above 65535"), ("/4/0/1", "outside /3/0"), ("/3", "outside /3/0"),
        ("/3/0", "a value belongs to a resource"),
    ],
)  # fmt: skip
def test_a_name_that_is_no_path_below_what_was_asked_for_is_refused(form, name, why):
    refused(form, [{"n": name, "v": 1}], why)


@BOTH
def test_times_below_two_to_the_28_are_relative_to_now(form):
    limit = 1 << 28
    records = [{"n": str(i), "v": 1, "t": t} for i, t in enumerate([0, -5, limit - 1, limit])]
    assert [n.time_ns for n in read(form, records)] == [
        NOW_NS, NOW_NS - 5 * NS, NOW_NS + (limit - 1) * NS, limit * NS,
    ]  # fmt: skip
    refused(form, records[:1], "relative and the present was not given", now_ns=None)
    assert read(form, records[3:], now_ns=None)[0].time_ns == limit * NS


@BOTH
def test_base_time_and_time_are_added_and_the_base_time_stays(form):
    records = [{"n": "1", "v": 1, "bt": 1_700_000_000, "t": 1.5}, {"n": "1", "v": 1},
               {"n": "1", "v": 1, "t": -2}, {"n": "1", "v": 1, "bt": 0, "t": 1_600_000_000},
               {"n": "1", "v": 1, "t": -1}]  # fmt: skip
    assert [n.time_ns for n in read(form, records)] == [
        1_700_000_001_500_000_000, 1_700_000_000 * NS, 1_699_999_998 * NS, 1_600_000_000 * NS,
        NOW_NS - NS,
    ]  # fmt: skip


@BOTH
def test_a_record_without_any_time_has_none(form):
    assert read(form, [{"n": "1", "v": 1}], now_ns=None)[0].time_ns is None


@pytest.mark.parametrize(
    "text, expected",
    [("1700000000.123456789", 1_700_000_000_123_456_789), ("1.7e9", 1_700_000_000 * NS),
     ("1700000000.000000000000", 1_700_000_000 * NS), ("9223372036.854775807", (1 << 63) - 1)],
)  # fmt: skip
def test_decimal_seconds_in_json_are_exact_to_the_nanosecond(text, expected):
    payload = b'[{"n":"1","v":1,"t":%b}]' % text.encode()
    assert read("json", payload)[0].time_ns == expected


@pytest.mark.parametrize(
    "text", ["1700000000.1234567891", "1e-10", "9223372036.854775808", "1e10", "-1e300", "1e999"]
)
def test_times_finer_than_nanoseconds_or_beyond_64_bits_are_refused(text):
    payload = b'[{"n":"1","v":1,"t":%b}]' % text.encode()
    refused("json", payload, "finer than nanoseconds|beyond 64 bits")


@BOTH
@pytest.mark.parametrize("base, own", [(9_200_000_000, 9_200_000_000), (-9e9, -9e9), (9.2e9, 24e6)])
def test_times_whose_sum_is_beyond_64_bits_are_refused(form, base, own):
    refused(form, [{"n": "1", "v": 1, "bt": base, "t": own}], "beyond 64 bits")


@pytest.mark.parametrize(
    "seconds, expected",
    [(1276020076.305, 1_276_020_076_305_000_000), (-5.25, NOW_NS - 5_250_000_000),
     (1276020076.001, 1_276_020_076_001_000_000), (-30.200000000000003, NOW_NS - 30_200_000_000)],
)  # fmt: skip
def test_a_binary_time_in_cbor_is_the_decimal_it_stands_for(seconds, expected):
    assert read("cbor", [{"n": "1", "v": 1, "t": seconds}])[0].time_ns == expected


def test_a_decimal_fraction_is_a_time_or_a_value():
    exact = cbor2.CBORTag(4, [-9, 1_700_000_000_123_456_789])
    assert read("cbor", [{"n": "1", "v": cbor2.CBORTag(4, [-1, 15]), "t": exact}]) == [
        Node("/3/0/1", 1.5, time_ns=1_700_000_000_123_456_789)
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, cbor2.CBORTag(4, [-10, 1]),
                                   cbor2.CBORTag(4, [401, 1]), "1", None])  # fmt: skip
def test_a_time_that_is_no_number_of_seconds_is_refused(value):
    with pytest.raises(PayloadError):
        read("cbor", [{"n": "1", "v": 1, "t": value}])


TYPED = [
    ("v", 5, "INTEGER", 5), ("v", 5.0, "INTEGER", 5), ("v", 5, "UNSIGNED_INTEGER", 5),
    ("v", (1 << 64) - 1, "UNSIGNED_INTEGER", (1 << 64) - 1),
    ("v", -(1 << 63), "INTEGER", -(1 << 63)),
    ("v", 25, "FLOAT", 25.0), ("v", 1 << 63, "FLOAT", 2.0**63), ("v", 1.5, "FLOAT", 1.5),
    ("v", -0.0, "FLOAT", -0.0), ("v", 1700000000, "TIME", 1700000000),
    ("v", 1.7e9, "TIME", 1700000000),
    ("vb", True, "BOOLEAN", True), ("v", 1, "BOOLEAN", True), ("v", 0, "BOOLEAN", False),
    ("vs", "3:4", "OBJLNK", ObjectLink(3, 4)),
    ("vlo", "65535:65535", "OBJLNK", ObjectLink(65535, 65535)),
    ("vs", "</3>;x", "CORELNK", "</3>;x"), ("vs", "", "STRING", ""), ("v", 5, "NONE", 5),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize("field, wire, kind, value", TYPED)
def test_a_value_becomes_the_kind_of_its_resource(form, field, wire, kind, value):
    node = read(form, [{"n": "1", field: wire}], types={(3, 1): kind})[0]
    expected = Kind.INTEGER if kind == "NONE" else Kind[kind]
    assert node == Node("/3/0/1", value, expected)


@BOTH
@pytest.mark.parametrize(
    "field, wire, kind",
    [
        ("v", 5.5, "INTEGER"), ("v", 1 << 63, "INTEGER"), ("v", 1e19, "INTEGER"),
        ("vs", "5", "INTEGER"),
        ("vb", True, "INTEGER"), ("v", -1, "UNSIGNED_INTEGER"), ("v", 2e19, "UNSIGNED_INTEGER"),
        ("vs", "1.5", "FLOAT"), ("vb", True, "FLOAT"), ("v", 2, "BOOLEAN"), ("v", -1, "BOOLEAN"),
        ("vs", "true", "BOOLEAN"), ("v", 5, "STRING"), ("vlo", "3:4", "STRING"),
        ("vs", "AQ", "OPAQUE"),
        ("v", 1.5, "TIME"), ("vs", "3:65536", "OBJLNK"), ("vs", "3", "OBJLNK"),
        ("vlo", "3:", "OBJLNK"),
        ("vlo", ":3", "OBJLNK"), ("vlo", "3:4:5", "OBJLNK"), ("vlo", "+3:4", "OBJLNK"),
        ("vlo", "000003:4", "OBJLNK"), ("vlo", "a", None), ("v", 5, "OBJLNK"), ("v", 5, "CORELNK"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_of_the_kind_of_its_resource_is_refused(form, field, wire, kind):
    refused(form, [{"n": "1", field: wire}], "the value is not", types={(3, 1): kind})


@BOTH
def test_a_resource_that_nobody_knows_keeps_the_type_on_the_wire(form):
    records = [{"n": "1", "v": 5}, {"n": "2", "v": 5.5}, {"n": "3", "vs": "x"}, {"n": "4",
            "vb": False},
               {"n": "5", "vlo": "3:4"}, {"n": "6", "v": (1 << 64) - 1}]  # fmt: skip
    assert [(n.kind, n.value) for n in read(form, records)] == [
        (Kind.INTEGER, 5), (Kind.FLOAT, 5.5), (Kind.STRING, "x"), (Kind.BOOLEAN, False),
        (Kind.OBJLNK, ObjectLink(3, 4)), (Kind.UNSIGNED_INTEGER, (1 << 64) - 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text, value",
    [("2.0", 2.0), ("1.8e19", 1.8e19), ("2e3", 2000.0), ("1E-2", 0.01), ("-0", -0.0),
    ("0.1", 0.1), ("1e23", 1e23),
     ("123456789012345678901", 123456789012345678901.0),
     ("1.7976931348623157e308", 1.7976931348623157e308),
     ("0.30000000000000004", 0.30000000000000004), ("4.9e-324", 4.9e-324), ("1e-400", 0.0),
     ("9007199254740993.0000000000000001", 9007199254740994.0)],
)  # fmt: skip
def test_a_number_with_fraction_or_exponent_is_the_nearest_double(text, value):
    node = read("json", b'[{"n":"1","v":%b}]' % text.encode())[0]
    assert node == Node("/3/0/1", value, Kind.FLOAT)


@pytest.mark.parametrize("text", ["9223372036854775807.0", "9.223372036854775807e18"])
def test_a_number_becomes_an_integer_only_if_exact(text):
    payload = b'[{"n":"1","v":%b}]' % text.encode()
    assert read("json", payload, types={(3, 1): "INTEGER"})[0].value == (1 << 63) - 1
    refused("json", payload.replace(b"807", b"808"), "not INTEGER", types={(3, 1): "INTEGER"})
    almost = b'[{"n":"1","v":5.00000000000000000000001}]'
    refused("json", almost, "not INTEGER", types={(3, 1): "INTEGER"})


@pytest.mark.parametrize(
    "text", ["01", "+1", "1.", ".5", "1e", "0x1", "NaN", "Infinity", "-Infinity", "1e309", "--1",
             "1" * 129, "-", "1_0", "\u0661"],
)  # fmt: skip
def test_what_is_no_json_number_is_refused(text):
    refused("json", b'[{"n":"1","v":%b}]' % text.encode(), "number|'}' is missing")


def test_a_number_of_as_many_characters_as_are_read_is_read():
    assert read("json", b'[{"n":"1","v":%b}]' % (b"1" * 128))[0].value == float("1" * 128)


@pytest.mark.parametrize(
    "text, value",
    [("", b""), ("AQ", b"\x01"), ("AQ==", b"\x01"), ("AQI", b"\1\2"), ("AQI=", b"\1\2"),
     ("AQID", b"\1\2\3"), ("_-8", b"\xff\xef"), ("/+8=", b"\xff\xef")],
)  # fmt: skip
def test_opaque_is_base64url_with_or_without_padding(text, value):
    assert read("json", [{"n": "1", "vd": text}]) == [Node("/3/0/1", value)]


@pytest.mark.parametrize("text", ["A", "AQ=", "AQ===", "A===", "AR", "AQJ", "A Q", "AQ\n", "=",
        "AQ=A",
                                  "AQIDBA=", "\u00e9"])  # fmt: skip
def test_what_is_no_base64_is_refused(text):
    refused("json", [{"n": "1", "vd": text}], "base64url")


def test_opaque_is_written_without_padding():
    assert encode(110, [Node("/3/0/1", b"\xff\xef")]) == b'[{"bn":"/3/0/1","vd":"_-8"}]'


def test_strings_with_escapes_are_resolved_when_they_are_asked_for():
    payload = rb'[{"n":"\/3\/0/\u0031","vs":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u0000"}]'
    assert read("json", payload)[0].value == 'a"\\/\b\f\n\r\té😀\0'


@pytest.mark.parametrize(
    "text",
    [rb"\x", rb"\u12", rb"\u12g4", rb"\ud800", rb"\ud800x", rb"\ud800\n", rb"\ud800\u0041",
    rb"\udc00",
     b"\x1f", b"\n", b"\xff", b"\xc0\x80", b"\xed\xa0\x80"],
)  # fmt: skip
def test_what_is_no_json_string_is_refused(text):
    with pytest.raises(PayloadError):
        read("json", b'[{"n":"1","vs":"%b"}]' % text)


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[", b"[]x", b"[{}", b"[{},]", b"[{}]", b"[[]]", b"[1]", b"null", b"[,]",
     b'[{"n":"1","v":1,}]', b'[{"n":"1" "v":1}]', b'[{"n":"1","v"1}]', b'[{n:"1"}]',
     b'[{"n":1,"v":1}]',
     b'[{"n":"1","v":1}{"n":"2","v":1}]', b'[{"n":"1","vb":1}]', b'[{"n":"1","vb":truex}]',
     b'[{"n":"1","vs":1}]', b'[{"n":"1","v":nul}]', b'\xef\xbb\xbf[]', b'[{"n":null,"v":1}]'],
)  # fmt: skip
def test_what_is_no_senml_json_is_refused(text):
    with pytest.raises(PayloadError, match=r"^SenML JSON: .* \(path /3/0, at \d+\)$"):
        read("json", text)


def test_white_space_may_stand_wherever_json_lets_it():
    text = b' \t[ \r\n{ "bn" : "/3/0/" , "n" : "1" ,\n"v" : 1 } , { "n":"2","v":2 } ] \n'
    assert [n.value for n in read("json", text)] == [1, 2]
    assert read("json", b" [ ] ") == []


@BOTH
def test_fields_that_nobody_knows_are_passed_over_unless_they_must_be_understood(form):
    records = [{"x": [{"y": [1, "a", None, True]}], "n": "1", "u": "V", "bu": "A", "ut": 5, "v": 1}]
    assert read(form, records) == [Node("/3/0/1", 1)]
    refused(form, [{"n": "1", "v": 1, "x_": 1}], "has to be understood")


@BOTH
def test_a_field_or_a_value_that_is_there_twice_is_refused(form):
    refused(form, [{"n": "1", "v": 1, "vs": "a"}], "where there is one already")
    if form == "json":
        refused(form, b'[{"n":"1","n":"2","v":1}]', "where there is one already")
        refused(form, rb'[{"n":"1","\u006e":"2","v":1}]', "where there is one already")
    else:
        twice = bytes.fromhex("81a300613100613202 01")
        with pytest.raises(PayloadError, match="where there is one already"):
            decode(112, twice, "/3/0")


@BOTH
def test_a_record_that_repeats_path_and_time_is_refused_in_any_order(form):
    repeated = [{"n": "2", "v": 1}, {"n": "1", "v": 1}, {"n": "2", "v": 2}]
    refused(form, repeated, "record 2 is there already")
    for record, seconds in zip(repeated, (1.7e9, 1.6e9, 1.8e9), strict=True):
        record["t"] = seconds
    assert len(read(form, repeated)) == 3


@BOTH
def test_versions_up_to_ten_are_understood(form):
    assert read(form, [{"bver": 10, "n": "1", "v": 1}])[0].value == 1
    refused(form, [{"bver": 11, "n": "1", "v": 1}], "version 11")


@BOTH
def test_a_base_value_is_added_to_values_that_are_numbers(form):
    records = [{"bv": 10, "n": "1", "v": 5}, {"n": "2", "v": 0.5}, {"n": "3", "vs": "x"},
               {"bv": 0.5, "n": "4", "v": 2}]  # fmt: skip
    assert [n.value for n in read(form, records)] == [15, 10.5, "x", 2.5]
    refused(form, [{"bv": 1, "n": "1", "v": (1 << 63) - 1}], "no sum")
    refused(form, [{"bv": -1, "n": "1", "v": -(1 << 63)}], "no sum")


@BOTH
def test_a_record_of_base_fields_only_speaks_for_those_that_follow(form):
    records = [{"bn": "/3/0/", "bt": 1_700_000_000}, {"n": "1", "v": 1}]
    assert read(form, records) == [Node("/3/0/1", 1, time_ns=1_700_000_000 * NS)]
    assert read(form, [{"bt": 5}]) == []


@BOTH
def test_a_sum_or_a_time_without_a_value_is_refused(form):
    refused(form, [{"n": "1", "s": 5}], "without a value")
    refused(form, [{"n": "1", "t": 5}], "without a value")


@BOTH
def test_paths_without_values_are_paths(form):
    records = [{"n": "/3/0/1"}, {"n": "/4"}, {"bn": "/5/0/", "n": "1"}, {"bn": "/6"}]
    expected = [Node("/3/0/1"), Node("/4"), Node("/5/0/1"), Node("/6")]
    assert read(form, records, "/") == expected
    assert read(form, records, "/", etch=True) == expected
    number = 110 if form == "json" else 112
    assert decode(number, encode(number, expected)).nodes() == expected
    assert decode(number, encode(number, [Node("/")])).nodes() == [Node("/")]


@BOTH
def test_null_removes_a_value_in_senml_etch_only(form):
    records = [{"n": "/3/0/6/1", "v": None}, {"n": "/3/0/1", "v": 1}]
    expected = [Node("/3/0/6/1", None, Kind.NULL), Node("/3/0/1", 1)]
    assert read(form, records, etch=True) == expected
    refused(form, records, "null is for SenML-ETCH only")
    number = 320 if form == "json" else ETCH_CBOR
    assert decode(number, encode(number, expected)).nodes() == expected
    with pytest.raises(PayloadError, match="null is for SenML-ETCH only"):
        encode(110 if form == "json" else 112, expected)


def test_cbor_of_indefinite_length_is_read():
    text = "9f bf 21 7f 62 2f33 63 2f302f ff 00 7f 61 31 ff 03 7f 63 616263 61 64 ff ff ff"
    payload = bytes.fromhex(text)
    assert decode(112, payload, "/3/0").nodes() == [Node("/3/0/1", "abcd")]
    payload = bytes.fromhex("81 bf 00 66 2f332f302f31 08 5f 42 0102 40 41 03 ff ff")
    assert decode(112, payload, "/3/0").nodes() == [Node("/3/0/1", b"\1\2\3")]


@pytest.mark.parametrize("text", ["f94d00", "fa41a00000", "fb4034000000000000", "14"])
def test_floats_of_every_size_and_whole_numbers_are_the_same_value(text):
    payload = bytes.fromhex("81a200662f332f302f3102" + text)
    assert decode(112, payload, "/", {(3, 1): "FLOAT"}).nodes() == [Node("/3/0/1", 20.0)]
    assert decode(112, payload, "/", {(3, 1): "INTEGER"}).nodes() == [Node("/3/0/1", 20)]


@pytest.mark.parametrize("text", ["c074323031332d30332d32315432303a30343a30305a", "c11a514b67b0",
                                  "c1fb41d452d9ec000000", "1a514b67b0"])  # fmt: skip
def test_a_time_comes_as_text_or_as_a_number_with_or_without_its_tag(text):
    payload = bytes.fromhex("81a200662f332f302f3102" + text)
    node = Node("/3/0/1", 1363896240, Kind.TIME)
    assert decode(112, payload, "/", {(3, 1): "TIME"}).nodes() == [node]
    assert decode(112, payload).nodes()[0].value == 1363896240


@pytest.mark.parametrize("text", ["2013-13-21T20:04:00Z", "2013-03-21T20:04:00.5Z", "today",
                                  "2013-03-21T20:04:00", "2013-03-21"])  # fmt: skip
def test_a_time_as_text_that_is_no_moment_in_whole_seconds_is_refused(text):
    payload = cbor2.dumps([{0: "/3/0/1", 2: cbor2.CBORTag(0, text)}])
    with pytest.raises(PayloadError):
        decode(112, payload)


def test_labels_of_cbor_may_be_text():
    payload = cbor2.dumps([{"n": "/3/0/1", "v": 1}, {0: "/3/0/2", "vlo": "3:4", 99: [1], -99: {}}])
    assert [n.value for n in decode(112, payload)] == [1, ObjectLink(3, 4)]


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "ends early"), ("a0", "not an array"), ("8101", "not a map"),
        ("82a0", "a record of nothing"),
        ("81a1", "ends early"), ("81a1f501", "a label that is neither"),
        ("81a2006131", "ends early"),
        ("80ff", "behind the end"), ("81a200613103426161", "not the type"),
        ("81a1006100ff", "not a number"),
        ("81a20061310401", "neither true nor false"), ("81a2006131037f0061ff", "not the type"),
        ("81a20061310362c328", "not UTF-8"), ("9b7fffffffffffffffa0", "nothing"),
        ("9f", "ends early"),
        ("81bb7fffffffffffffff006131", "ends early"),
        ("81a2006131035b7fffffffffffffff", "not the type"),
        ("81a2006131037b7fffffffffffffff", "ends early"),
    ],
)  # fmt: skip
def test_what_is_no_senml_cbor_is_refused(text, why):
    with pytest.raises(PayloadError, match=why):
        decode(112, bytes.fromhex(text), "/3/0")


@BOTH
@pytest.mark.parametrize(
    "times",
    [[1_700_000_000_123_456_789], [1_700_000_000 * NS, 1_700_000_000_000_000_001],
     [1_700_000_000_500_000_000, 1_600_000_000_000_000_007], [None, 1_700_000_000_123_456_789],
     [(1 << 28) * NS, 9_000_000_000_123_456_789], [None, None, (1 << 28) * NS]],
)  # fmt: skip
def test_times_are_written_so_that_they_are_read_again_exactly(form, times):
    number = 110 if form == "json" else 112
    nodes = [Node(f"/3/0/{i}", 1, time_ns=t) for i, t in enumerate(times)]
    payload = encode(number, nodes)
    assert decode(number, payload, now_ns=None).nodes() == nodes


@BOTH
@pytest.mark.parametrize(
    "nodes, base, why",
    [
        ([Node("/3/0/1", 1, time_ns=(1 << 28) * NS - 1)], "/", "would be read as relative"),
        ([Node("/3/0/1", 1, time_ns=0)], "/", "would be read as relative"),
        ([Node("/3/0/1", 1)], "/4", "is not under /4"),
        ([Node("/3/0", 1)], "/", "a value belongs to a resource"),
        ([Node("/3/0", time_ns=NOW_NS)], "/", "a path without a value has no time"),
    ],
)
def test_what_senml_cannot_hold_is_not_written(form, nodes, base, why):
    with pytest.raises(PayloadError, match=why):
        encode(110 if form == "json" else 112, nodes, base)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_not_a_number_is_for_cbor_only(value):
    with pytest.raises(PayloadError, match="JSON has no"):
        encode(110, [Node("/3/0/1", value)])
    assert decode(112, encode(112, [Node("/3/0/1", value)])).nodes() == [Node("/3/0/1", value)]


def test_the_base_name_is_what_all_paths_share():
    for paths, name in [
        (["/3/0/1"], '"bn":"/3/0/1","v"'), (["/3/0/1", "/3/0/2"], '"bn":"/3/0/","n":"1"'),
        (["/3/0/6/0", "/3/0/6/1"], '"bn":"/3/0/6/","n":"0"'),
        (["/3/0/6/0", "/3/0/7"], '"bn":"/3/0/"'),
        (["/3/0/1", "/4/0/1"], '[{"n":"/3/0/1"'), (["/3/1/1", "/3/0/1"], '"bn":"/3/","n":"1/1"'),
    ]:  # fmt: skip
        payload = encode(110, [Node(path, 1) for path in paths])
        assert name in payload.decode()
        assert [str(n.path) for n in decode(110, payload)] == paths
