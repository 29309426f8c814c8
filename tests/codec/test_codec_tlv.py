"""TLV: every rule of the format, and what devices make of it."""

from __future__ import annotations

import struct

import pytest

from lwm2m_fast.codec import Kind, Node, ObjectLink, Path, PayloadError, Types, tlv
from lwm2m_fast.codec.kinds import MAX_PAYLOAD_BYTES, UNDEFINED_INSTANCE

KINDS = {(9, i): kind for i, kind in enumerate(
    ["STRING", "INTEGER", "UNSIGNED_INTEGER", "FLOAT", "BOOLEAN", "OPAQUE", "TIME", "OBJLNK",
     "CORELNK", "NONE"])}  # fmt: skip
S, I, U, F, B, O, T, L, C, N = range(10)  # noqa: E741


def read(text: str, base: str = "/9/0", types=KINDS):
    return tlv.decode(bytes.fromhex(text), base, types).nodes()


def resource(number: int, value: bytes) -> str:
    if len(value) < 8:
        return f"{0xC0 | len(value):02x}{number:02x}{value.hex()}"
    return f"c8{number:02x}{len(value):02x}{value.hex()}"


@pytest.mark.parametrize(
    "value, expected",
    [
        ("00", 0), ("ff", -1), ("7f", 127), ("80", -128), ("ff7f", -129), ("000080", 128),
        ("ffff80", -128), ("0000000001", 1), ("80000000", -(1 << 31)), ("ffffffffff", -1),
        ("010000000000", 1 << 40), ("80000000000000", -(1 << 55)),
        ("7fffffffffffffff", (1 << 63) - 1), ("8000000000000000", -(1 << 63)),
    ],
)  # fmt: skip
def test_integers_and_times_are_signed_and_of_one_to_eight_bytes(value, expected):
    assert read(resource(I, bytes.fromhex(value)))[0].value == expected
    assert read(resource(T, bytes.fromhex(value)))[0] == Node("/9/0/6", expected, Kind.TIME)


@pytest.mark.parametrize(
    "value, expected",
    [("ff", 255), ("c8", 200), ("ffff", 65535), ("ffffff", (1 << 24) - 1),
     ("8000000000000000", 1 << 63), ("ffffffffffffffff", (1 << 64) - 1)],
)  # fmt: skip
def test_unsigned_integers_are_read_unsigned(value, expected):
    assert read(resource(U, bytes.fromhex(value)))[0].value == expected


@pytest.mark.parametrize("number", [I, U, T])
@pytest.mark.parametrize("size", [0, 9])
def test_a_number_of_no_byte_or_of_nine_is_refused(number, size):
    with pytest.raises(PayloadError, match=f"{size} bytes are not"):
        read(resource(number, bytes(size)))


def test_floats_are_of_four_or_eight_bytes():
    assert read(resource(F, struct.pack(">f", 1.5)))[0].value == 1.5
    assert read(resource(F, struct.pack(">d", 1.1)))[0].value == 1.1
    for size in (0, 2, 3, 5, 7, 9):
        with pytest.raises(PayloadError, match="FLOAT"):
            read(resource(F, bytes(size)))


def test_a_boolean_is_true_only_when_it_is_one():
    assert [read(resource(B, bytes([n])))[0].value for n in (0, 1, 2, 255)] == [0, 1, 0, 0]
    for size in (0, 2):
        with pytest.raises(PayloadError, match="BOOLEAN"):
            read(resource(B, bytes(size)))


def test_an_object_link_is_two_times_two_bytes():
    assert read(resource(L, b"\x00\x42\xff\xff"))[0].value == ObjectLink(66, 65535)
    for size in (0, 3, 5):
        with pytest.raises(PayloadError, match="OBJLNK"):
            read(resource(L, bytes(size)))


def test_text_is_utf_8():
    assert read(resource(S, "é水\U0001f600".encode()))[0].value == "é水\U0001f600"
    assert read(resource(C, b"</3>"))[0] == Node("/9/0/8", "</3>", Kind.CORELNK)
    assert read(resource(S, b""))[0].value == ""
    for wrong in (
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"abcdefghij\xe6\xb0",
    ):
        with pytest.raises(PayloadError, match="not UTF-8"):
            read(resource(S, wrong))


def test_a_resource_that_nobody_knows_keeps_its_bytes():
    assert read("c263ffff") == [Node("/9/0/99", b"\xff\xff")]
    assert read(resource(N, b"\xff")) == [Node("/9/0/9", b"\xff")]
    assert read(resource(O, b"\xff")) == [Node("/9/0/5", b"\xff")]


@pytest.mark.parametrize("size", [0, 7, 8, 255, 256, 65535, 65536])
def test_lengths_are_of_no_to_three_bytes_and_written_as_short_as_they_can_be(size):
    nodes = [Node("/9/0/5", bytes(size)), Node("/9/0/300", bytes(size))]
    payload = tlv.encode(nodes, "/9/0")
    length = 0 if size < 8 else 1 if size < 256 else 2 if size < 65536 else 3
    assert len(payload) == 2 * (size + length) + 2 + 3
    assert tlv.decode(payload, "/9/0").nodes() == nodes


def test_a_length_may_be_longer_than_it_has_to_be():
    for text in ("c10061", "c8000161", "d000000161", "d80000000161"):
        assert read(text) == [Node("/9/0/0", "a")]


@pytest.mark.parametrize("text", ["c1", "e100", "c800", "d000", "d80000", "c8", "c100", "c80002aa"])
def test_what_is_cut_off_is_refused_with_its_offset(text):
    with pytest.raises(PayloadError) as caught:
        read("c10501" + text)
    assert caught.value.offset == 3


def test_ids_are_of_one_or_two_bytes():
    assert read("c1ff01 e1010001 e1ffff01") == [
        Node("/9/0/255", b"\1"), Node("/9/0/256", b"\1"), Node("/9/0/65535", b"\1"),
    ]  # fmt: skip


def test_an_object_comes_as_instances_or_as_bare_resources():
    expected = [Node("/9/0/1", 1), Node("/9/0/2", 2, Kind.UNSIGNED_INTEGER)]
    assert read("080006c10101c10202", "/9") == expected
    assert read("c10101c10202", "/9") == expected
    assert read("08000 3c10101 080103c10101".replace(" ", ""), "/9")[1] == Node("/9/1/1", 1)


def test_an_object_that_nobody_knows_may_lack_its_instance_layer():
    assert read("c10155", "/77") == [Node("/77/0/1", b"U")]
    assert read("080003c10155 080103c10156", "/77") == [
        Node("/77/0/1", b"U"), Node("/77/1/1", b"V"),
    ]  # fmt: skip


def test_an_instance_with_multiple_resources_of_numbers_keeps_their_instances():
    # What an access control instance looks like: an id, a map of rights, an owner.
    types = {(2, 0): "INTEGER", (2, 1): "INTEGER", (2, 2): "INTEGER", (2, 3): "INTEGER"}
    text = "080211 c10003 c10100 8602 41010f 417f07 c1037f"
    nodes = read(text.replace(" ", ""), "/2", types)
    assert [(str(n.path), n.value) for n in nodes] == [
        ("/2/2/0", 3), ("/2/2/1", 0), ("/2/2/2/1", 15), ("/2/2/2/127", 7), ("/2/2/3", 127),
    ]  # fmt: skip
    assert tlv.encode(nodes, "/2") == bytes.fromhex(text)


def test_bare_resources_of_an_object_with_many_instances_have_no_instance_yet():
    node = tlv.decode(bytes.fromhex("c10101"), "/9", Types(KINDS, multiple={9}))[0]
    assert node.path == Path(9, UNDEFINED_INSTANCE, 1)
    assert tlv.encode([node], "/9") == bytes.fromhex("c10101")


def test_an_unwanted_instance_layer_is_accepted_when_its_id_agrees():
    assert read("080003c10101", "/9/0") == [Node("/9/0/1", 1)]
    assert read("080003c10101", "/9/0/1") == [Node("/9/0/1", 1)]
    with pytest.raises(PayloadError, match="not asked for"):
        read("080103c10101", "/9/0")


def test_a_multiple_resource_comes_whole_or_as_its_instances():
    expected = [Node("/9/0/1/0", 5), Node("/9/0/1/300", 6)]
    assert read("870141000561012c06", "/9/0/1") == expected
    assert read("41000561012c06", "/9/0/1") == expected
    assert read("410005", "/9/0/1/0") == expected[:1]
    assert read("8301410005", "/9/0/1/0") == expected[:1]


def test_what_is_empty_may_be_an_object_an_instance_or_a_multiple_resource():
    assert read("", "/9") == [] and read("", "/9/0") == []
    assert read("0000 080103c10101", "/9") == [Node("/9/0"), Node("/9/1/1", 1)]
    assert read("8001c10201") == [Node("/9/0/1"), Node("/9/0/2", 1, Kind.UNSIGNED_INTEGER)]


@pytest.mark.parametrize(
    "text, base, why",
    [
        ("0000 0000", "/9", "an object instance 0 is there twice"),
        ("080003c10101 080003c10201", "/9", "an object instance 0 is there twice"),
        ("c10101 c10102", "/9/0", "a resource 1 is there twice"),
        ("c10101 8301410005", "/9/0", "a multiple resource 1 is there twice"),
        ("080006c10101c10102", "/9", "resource 1 is there twice"),
        ("08000 9c10101c10201c10101".replace(" ", ""), "/9", "resource 1 is there twice"),
        ("8601410005410006", "/9/0", "is there twice"),
        ("02000000", "/9", "an object instance in an object instance"),
        ("8301c10005", "/9/0", "a resource in a multiple resource"),
        ("410005", "/9/0", "a resource instance without its resource"),
        ("c10101 0000", "/9", "an object instance beside other layers"),
        ("410005 c10101", "/9/0/1", "a resource beside other layers"),
        ("c10201", "/9/0/1", "outside /9/0/1"),
        ("410105", "/9/0/1/0", "outside /9/0/1/0"),
        ("20ffff", "/9", "the reserved instance id 65535"),
        ("c10101", "/", "not the root"),
    ],
)
def test_what_contradicts_itself_or_the_request_is_refused(text, base, why):
    with pytest.raises(PayloadError, match=why):
        read(text, base)


def test_ids_in_any_order_are_told_apart():
    ids = [5, 3, 4, 700, 0, 65535, 1]
    payload = b"".join(b"\xe1" + i.to_bytes(2, "big") + b"\x01" for i in ids)
    assert [n.path.ids[2] for n in tlv.decode(payload, "/9/0")] == ids
    for again in ids:
        with pytest.raises(PayloadError, match=f"resource {again} is there twice"):
            tlv.decode(payload + b"\xe1" + again.to_bytes(2, "big") + b"\x01", "/9/0")


@pytest.mark.parametrize(
    "value, kind, written",
    [
        (127, "INTEGER", "7f"), (-128, "INTEGER", "80"), (128, "INTEGER", "0080"),
        (-129, "INTEGER", "ff7f"), (32768, "TIME", "00008000"),
        (1 << 31, "TIME", "0000000080000000"),
        (200, "UNSIGNED_INTEGER", "c8"), (255, "UNSIGNED_INTEGER", "ff"),
        (256, "UNSIGNED_INTEGER", "0100"), (65536, "UNSIGNED_INTEGER", "00010000"),
        ((1 << 64) - 1, "UNSIGNED_INTEGER", "ffffffffffffffff"),
        (1.5, "FLOAT", "3fc00000"), (1.1, "FLOAT", "3ff199999999999a"),
        (float("inf"), "FLOAT", "7ff0000000000000"), (True, "BOOLEAN", "01"),
        (ObjectLink(66, 1), "OBJLNK", "00420001"),
    ],
)  # fmt: skip
def test_values_are_written_in_as_few_bytes_as_the_format_has_for_them(value, kind, written):
    payload = tlv.encode([Node("/9/0/0", value, Kind[kind])], "/9/0")
    assert payload[-len(written) // 2 :].hex() == written
    assert tlv.decode(payload, "/9/0", {(9, 0): kind})[0].value == value


def test_nodes_are_written_by_path_whatever_their_order():
    nodes = [Node("/9/1/1", 1), Node("/9/0/2/1", 2), Node("/9/0/1", 3), Node("/9/0/2/0", 4)]
    assert tlv.encode(nodes, "/9").hex() == "08000bc1010386024100044101020301c10101"


@pytest.mark.parametrize(
    "nodes, base, why",
    [
        ([Node("/9/0/1", 1, time_ns=1)], "/9/0", "has a time"),
        ([Node("/9/1/1", 1)], "/9/0", "is not under /9/0"),
        ([Node("/9/0/1", 1), Node("/9/0/1", 2)], "/9", "is there twice"),
        ([Node("/9/0/1", 1), Node("/9/0/1/0", 2)], "/9", "both a value and a multiple"),
        ([Node("/9/0", 1)], "/9", "a value belongs to a resource"),
        ([Node("/9/0/1/0", 1), Node("/9/0/1")], "/9", "is empty and has values below it"),
        ([Node("/9/0/1", None, Kind.NULL)], "/9", "NULL is nothing the format holds"),
        ([Node("/9/0/1/1")], "/9", "NONE is nothing the format holds"),
        ([Node("/9/0/1", 1)], "/", "not the root"),
    ],
)
def test_what_the_format_cannot_hold_is_not_written(nodes, base, why):
    with pytest.raises(PayloadError, match=why):
        tlv.encode(nodes, base)


def test_a_payload_longer_than_a_length_can_say_is_not_written():
    room = MAX_PAYLOAD_BYTES - 5
    assert len(tlv.encode([Node("/9/0/5", bytes(room))], "/9/0")) == MAX_PAYLOAD_BYTES
    with pytest.raises(PayloadError, match="longer than 16777215"):
        tlv.encode([Node("/9/0/5", bytes(room + 1))], "/9/0")
