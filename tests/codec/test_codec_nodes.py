"""Paths, kinds, nodes, types and packs: the words that all codecs share."""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path as File

import pytest

from lwm2m_fast.codec import (
    FORMATS,
    Kind,
    Node,
    ObjectLink,
    Path,
    PayloadError,
    Types,
    decode,
    encode,
)
from lwm2m_fast.codec import kinds as words
from lwm2m_fast.codec.pack import pack_nodes
from lwm2m_fast.codec.types import resource_kind
from lwm2m_fast.errors import FormatError
from lwm2m_fast.model import ResourceType


@pytest.mark.parametrize("text", ["/", "/0", "/3/0", "/65535/65534/65535/65535", "/3/0/6/1"])
def test_a_path_is_what_its_text_says_both_ways(text):
    path = Path.parse(text)
    assert str(path) == text
    assert path == Path(*path.ids) and hash(path) == hash(Path(*path.ids))
    assert path.depth == len(path.ids)
    assert pickle.loads(pickle.dumps(path)) == path


def test_a_path_may_lack_its_first_slash_and_have_a_last_one():
    assert Path.parse("3/0/") == Path(3, 0)


@pytest.mark.parametrize(
    "text, why",
    [
        ("/3//0", "an empty segment"),
        ("//3", "an empty segment"),
        ("/3/x", "an id that is not a number"),
        ("/3/-1", "an id that is not a number"),
        ("/03", "an id with a leading zero"),
        ("/65536", "an id above 65535"),
        ("/99999999999999999999", "an id above 65535"),
        ("/3/65535", "the reserved instance id 65535"),
        ("/1/2/3/4/5", "more than four ids"),
    ],
)
def test_a_path_that_is_none_is_refused_with_the_reason(text, why):
    with pytest.raises(FormatError, match=why):
        Path.parse(text)


def test_a_path_contains_itself_and_what_is_below_it():
    assert Path(3, 0).contains(Path(3, 0)) and Path(3, 0).contains(Path(3, 0, 9, 1))
    assert not Path(3, 0).contains(Path(3)) and not Path(3, 0).contains(Path(3, 1, 9))
    assert Path().contains(Path(65535)) and Path(3).child(0) == Path(3, 0)
    assert sorted([Path(3, 1), Path(3, 0, 0), Path(3, 0)]) == [
        Path(3, 0),
        Path(3, 0, 0),
        Path(3, 1),
    ]


@pytest.mark.parametrize("ids", [(1, 2, 3, 4, 5), (-1,), (65536,)])
def test_a_path_of_ids_out_of_range_is_refused(ids):
    with pytest.raises(FormatError):
        Path(*ids)


def test_the_kinds_of_python_c_and_the_object_model_are_the_same():
    text = (File(words.__file__).parent / "node.pxd").read_text()
    in_c = dict(re.findall(r"KIND_(\w+) = (\d+)", text))
    in_c["UNSIGNED_INTEGER"] = in_c.pop("UNSIGNED")
    assert in_c.pop("UNKNOWN") == "255"
    assert {name: int(number) for name, number in in_c.items()} == dict(Kind.__members__)
    assert {kind.name for kind in ResourceType} == {kind.name for kind in Kind} - {"NULL"}


@pytest.mark.parametrize(
    "value, kind",
    [
        (None, Kind.NONE), (True, Kind.BOOLEAN), (5, Kind.INTEGER), (-(1 << 63), Kind.INTEGER),
        (1 << 63, Kind.UNSIGNED_INTEGER), (1.5, Kind.FLOAT), ("a", Kind.STRING),
        (b"a", Kind.OPAQUE), (ObjectLink(3, 0), Kind.OBJLNK),
    ],
)  # fmt: skip
def test_a_node_takes_its_kind_from_its_value(value, kind):
    node = Node("/3/0/1", value)
    assert node.kind is kind and node.value == value and node.time_ns is None
    assert pickle.loads(pickle.dumps(node)) == node


@pytest.mark.parametrize(
    "value, kind",
    [
        (1 << 63, Kind.INTEGER), (-(1 << 63) - 1, Kind.INTEGER), (-1, Kind.UNSIGNED_INTEGER),
        (1 << 64, Kind.UNSIGNED_INTEGER), (1.0, Kind.INTEGER), (True, Kind.INTEGER),
        ("1", Kind.FLOAT), (1, Kind.BOOLEAN), (1, Kind.STRING), ("a", Kind.OPAQUE),
        ("\ud800", Kind.STRING), (1.5, Kind.TIME), (1 << 63, Kind.TIME),
        ((65536, 0), Kind.OBJLNK), ((0, 65536), Kind.OBJLNK), ("3", Kind.OBJLNK),
        (1, Kind.NONE), (1, Kind.NULL), (1, 11), (1, -1), (object(), None), (1 << 64, None),
    ],
)  # fmt: skip
def test_a_node_is_refused_a_value_its_kind_cannot_hold(value, kind):
    with pytest.raises(FormatError, match=r"/3/0/1|not a value"):
        Node("/3/0/1", value, kind)


@pytest.mark.parametrize(
    "value, kind",
    [
        ((1 << 63) - 1, Kind.INTEGER), (-(1 << 63), Kind.INTEGER), (0, Kind.UNSIGNED_INTEGER),
        ((1 << 64) - 1, Kind.UNSIGNED_INTEGER), ((65535, 65535), Kind.OBJLNK), (3, Kind.FLOAT),
        ("3:0", Kind.OBJLNK), ("</3>", Kind.CORELNK), (-1, Kind.TIME),
    ],
)  # fmt: skip
def test_a_node_holds_every_value_up_to_the_ends_of_its_kind(value, kind):
    node = Node("/3/0/1", value, kind)
    assert node.kind is kind
    assert node.value == value or str(node.value) == value


def test_a_time_out_of_64_bits_is_refused():
    assert Node("/3/0/1", 1, time_ns=(1 << 63) - 1).time_ns == (1 << 63) - 1
    with pytest.raises(FormatError):
        Node("/3/0/1", 1, time_ns=1 << 63)


def test_nodes_are_equal_when_path_kind_value_and_time_are():
    node = Node("/3/0/1", 1, time_ns=5)
    assert node == Node("/3/0/1", 1, time_ns=5) and hash(node) == hash(Node("/3/0/1", 1, time_ns=5))
    others = [Node("/3/0/1", 1), Node("/3/0/1", 1, time_ns=6), Node("/3/0/2", 1, time_ns=5),
              Node("/3/0/1", 1, Kind.TIME, 5), Node("/3/0/1", 2, time_ns=5), "node"]  # fmt: skip
    assert all(node != other for other in others)
    assert Node("/3/0/1", 0.0) != Node("/3/0/1", -0.0)
    assert Node("/3/0/1", float("nan")) == Node("/3/0/1", float("nan"))
    assert "3/0/1" in repr(node) and "time_ns=5" in repr(node)


def test_types_come_from_a_mapping_a_function_or_an_enum_and_are_asked_for_once():
    asked = []

    def ask(object_id, resource_id):
        asked.append((object_id, resource_id))
        return ResourceType.FLOAT if resource_id == 1 else None

    types = Types(ask)
    for _ in range(3):
        assert resource_kind(types, Path(3, 0, 1)) is Kind.FLOAT
        assert resource_kind(types, Path(3, 7, 2, 5)) is None
    assert asked == [(3, 1), (3, 2)]
    assert resource_kind({(3, 1): "TIME"}, Path(3, 0, 1)) is Kind.TIME
    assert resource_kind({(3, 1): Kind.OPAQUE}, Path(3, 0, 1)) is Kind.OPAQUE
    assert resource_kind(None, Path(3, 0, 1)) is None
    with pytest.raises(FormatError, match="'NUMBER', which is none of"):
        resource_kind({(3, 1): "NUMBER"}, Path(3, 0, 1))


def test_types_stay_right_when_more_resources_are_asked_for_than_are_remembered():
    types = Types(lambda object_id, resource_id: list(Kind)[(object_id + resource_id) % 10])
    for _ in range(2):
        for resource in range(3000):
            assert resource_kind(types, Path(7, 0, resource)) is list(Kind)[(7 + resource) % 10]


def senml(count: int) -> bytes:
    return b"[%b]" % b",".join(b'{"n":"/3/0/%d","v":%d}' % (i, i) for i in range(count))


def test_a_pack_makes_nodes_when_they_are_asked_for_and_keeps_the_payload_for_forwarding():
    payload = senml(20)
    pack = decode(110, payload)
    assert pack.payload is payload and pack.content_format == 110 and len(pack) == 20
    assert pack[3] == pack[-17] == Node("/3/0/3", 3) and pack[1:3] == pack.nodes()[1:3]
    assert [node.value for node in pack] == list(range(20)) and pack.value("/3/0/7") == 7
    for index in (20, -21):
        with pytest.raises(IndexError):
            pack[index]
    with pytest.raises(KeyError, match="/3/0/20"):
        pack.value("/3/0/20")


def test_groups_are_by_time_with_just_now_first_and_then_the_newest():
    times = [2_000, None, 1_000, 2_000, None]
    nodes = [Node(Path(3, 0, i), i, time_ns=t) for i, t in enumerate(times)]
    groups = pack_nodes(b"", 110, nodes).groups()
    assert [(t, [n.value for n in group]) for t, group in groups] == [
        (None, [1, 4]), (2_000, [0, 3]), (1_000, [2]),
    ]  # fmt: skip


def test_the_value_of_a_path_is_its_most_recent_one():
    nodes = [Node("/3/0/1", v, time_ns=t) for v, t in ((1, 10), (2, 30), (3, 20))]
    assert pack_nodes(b"", 110, nodes).value("/3/0/1") == 2
    assert pack_nodes(b"", 110, [*nodes, Node("/3/0/1", 4)]).value("/3/0/1") == 4


def test_a_record_that_was_not_asked_for_is_found():
    pack = decode(110, senml(3))
    assert pack.outside(["/3/0"]) is None and pack.outside(["/"]) is None
    assert pack.outside(["/3/0/0", Path(3, 0, 2)]) == Node("/3/0/1", 1)


@pytest.mark.parametrize("order", [[0, 1, 2, 0], [2, 1, 0, 1], [5, 5], [1, 0, 2, 5, 0]])
def test_a_path_that_is_there_twice_is_found_in_any_order(order):
    nodes = [Node(Path(3, 0, i), i) for i in order]
    with pytest.raises(FormatError, match="is there twice"):
        pack_nodes(b"", 110, nodes)


@pytest.mark.parametrize("times", [[3, 2, 1], [1, 2, 3], [2, 3, 1], [1, None, 2]])
def test_a_path_may_be_there_once_for_each_time(times):
    nodes = [Node("/3/0/1", 1, time_ns=t) for t in times]
    assert len(pack_nodes(b"", 110, nodes)) == 3
    with pytest.raises(FormatError):
        pack_nodes(b"", 110, [*nodes, nodes[0]])


def test_a_resource_cannot_be_single_and_multiple_at_one_time():
    with pytest.raises(FormatError):
        pack_nodes(b"", 110, [Node("/3/0/6/1", 1), Node("/3/0/7", 1), Node("/3/0/6", 1)])
    different = [Node("/3/0/6/1", 1, time_ns=1), Node("/3/0/6", 1, time_ns=2)]
    assert len(pack_nodes(b"", 110, different)) == 2


def test_a_content_format_nobody_knows_is_refused_with_those_that_are():
    with pytest.raises(FormatError, match="content format 7 is not known; known are 0, 40, 42"):
        decode(7, b"")
    with pytest.raises(FormatError, match="content format 7 is not known"):
        encode(7, [])


def test_a_refusal_carries_format_path_and_offset():
    with pytest.raises(PayloadError) as caught:
        decode(110, b'[{"n":"/3/0/9","v":"x"}]', "/3/0", {(3, 9): "INTEGER"})
    error = caught.value
    assert (error.format_name, error.path, error.offset) == ("SenML JSON", "/3/0", 19)
    assert error.http_status == 400 and str(error).startswith("SenML JSON: ")


def test_what_is_no_node_cannot_be_encoded():
    with pytest.raises(FormatError, match="a int is not a Node"):
        encode(110, [1])


@pytest.mark.parametrize("number", [110, 112, 11542])
def test_decoding_makes_no_object_for_a_value_that_nobody_asks_for(number):
    def blocks(count: int) -> int:
        nodes = [Node(Path(3, 0, 1, i), f"text {i}") for i in range(count)]
        payload = encode(number, nodes, "/3/0/1")
        types = Types({(3, 1): "STRING"})
        decode(number, payload, "/3/0/1", types)
        before = sys.getallocatedblocks()
        pack = decode(number, payload, "/3/0/1", types)
        held = sys.getallocatedblocks() - before
        assert len(pack) == count
        return held

    assert blocks(1000) == blocks(10) < 10


@pytest.mark.parametrize("number", sorted(FORMATS))
def test_what_is_no_payload_path_or_node_is_a_type_error_and_no_crash(number):
    row = FORMATS[number]
    for payload in (None, "text", 5):
        with pytest.raises((TypeError, AttributeError, FormatError)):
            row.decode(payload, "/3/0/1")
    for base in (None, 5):
        with pytest.raises((TypeError, AttributeError)):
            row.decode(b"a", base)
    for nodes in (None, [None], 5):
        with pytest.raises((TypeError, AttributeError, FormatError)):
            row.encode(nodes, "/3/0/1")
    with pytest.raises(TypeError):
        Path(3).contains(None)
    with pytest.raises(TypeError):
        Path(3) < None  # noqa: B015 - the comparison is what is tried
    with pytest.raises(TypeError):
        pack_nodes(b"", number, [None])
