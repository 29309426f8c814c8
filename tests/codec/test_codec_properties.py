"""What holds for all values: what is written is read again, and formats can be exchanged."""

from __future__ import annotations

import math

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lwm2m_fast.codec import FORMATS, Kind, Node, ObjectLink, Path, decode, encode
from lwm2m_fast.codec.kinds import RELATIVE_TIME_LIMIT_S

NS = 1_000_000_000
IDS = st.integers(0, 65535)
INSTANCES = st.integers(0, 65534)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TIMES = st.integers(RELATIVE_TIME_LIMIT_S * NS, (1 << 63) - 1)
VALUES = {
    Kind.STRING: TEXT,
    Kind.INTEGER: st.integers(-(1 << 63), (1 << 63) - 1),
    Kind.UNSIGNED_INTEGER: st.integers(0, (1 << 64) - 1),
    Kind.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    Kind.BOOLEAN: st.booleans(),
    Kind.OPAQUE: st.binary(max_size=300),
    Kind.TIME: st.integers(-(1 << 63), (1 << 63) - 1),
    Kind.OBJLNK: st.builds(ObjectLink, IDS, IDS),
    Kind.CORELNK: TEXT,
}
# TLV and LwM2M CBOR hold an order of paths, the others that of the records.
LISTS = (110, 112, 320, 322, 1543, 11543)
BY_PATH = (1542, 11542, 11544)
TIMED = LISTS
UNTYPED = (112, 322, 11544)
ordinary = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def objects(draw, object_id: int = 3):
    """Nodes of one object, and the types of its resources."""
    kinds = draw(st.dictionaries(IDS, st.tuples(st.sampled_from(list(VALUES)), st.booleans()),
                                 min_size=1, max_size=6))  # fmt: skip
    nodes = []
    for instance in draw(st.lists(INSTANCES, min_size=1, max_size=3, unique=True)):
        for resource, (kind, is_multiple) in kinds.items():
            places = (
                draw(st.lists(IDS, min_size=1, max_size=3, unique=True)) if is_multiple else [None]
            )
            for place in places:
                path = Path(object_id, instance, resource, *([] if place is None else [place]))
                nodes.append(Node(path, draw(VALUES[kind]), kind))
    types = {(object_id, resource): kind.name for resource, (kind, _) in kinds.items()}
    return draw(st.permutations(nodes)), types


def by_path(nodes):
    return sorted(nodes, key=lambda node: node.path)


@ordinary
@given(objects(), st.sampled_from(LISTS))
def test_what_is_written_record_by_record_is_read_again_in_its_order(made, number):
    nodes, types = made
    for base in ("/", "/3"):
        assert decode(number, encode(number, nodes, base), base, types).nodes() == nodes


@ordinary
@given(objects(), st.sampled_from(BY_PATH))
def test_what_is_written_by_path_is_read_again_by_path(made, number):
    nodes, types = made
    again = decode(number, encode(number, nodes, "/3"), "/3", types).nodes()
    assert by_path(again) == by_path(nodes)


@ordinary
@given(objects(), st.sampled_from(LISTS + BY_PATH), st.data())
def test_a_part_of_an_object_is_read_again_below_the_path_that_was_asked_for(made, number, data):
    nodes, types = made
    one = data.draw(st.sampled_from(nodes)).path
    base = Path(*one.ids[: data.draw(st.integers(2, one.depth))])
    part = [node for node in nodes if base.contains(node.path)]
    again = decode(number, encode(number, part, base), base, types).nodes()
    assert by_path(again) == by_path(part)


@ordinary
@given(objects(), st.sampled_from(LISTS + BY_PATH), st.sampled_from(LISTS + BY_PATH))
def test_a_pack_of_one_format_is_written_in_any_other_without_loss(made, first, second):
    nodes, types = made
    pack = decode(first, encode(first, nodes, "/3"), "/3", types)
    assert encode(second, pack, "/3") == encode(second, pack.nodes(), "/3")
    again = decode(second, encode(second, pack, "/3"), "/3", types).nodes()
    assert by_path(again) == by_path(nodes)


@ordinary
@given(objects(), st.data(), st.sampled_from(TIMED), st.sampled_from(TIMED))
def test_times_are_read_again_exactly_in_every_format_that_has_them(made, data, first, second):
    nodes, types = made
    moments = st.one_of(TIMES, st.none()) if data.draw(st.booleans()) else TIMES
    timed = [Node(n.path, n.value, n.kind, data.draw(moments)) for n in nodes]
    pack = decode(first, encode(first, timed), "/", types)
    assert pack.nodes() == timed
    assert decode(second, encode(second, pack), "/", types).nodes() == timed


@ordinary
@given(st.sampled_from(list(VALUES)), st.data(), st.sampled_from([0, 60, 110, 112, 11542, 11544]))
def test_a_single_value_is_read_again(kind, data, number):
    value = data.draw(VALUES[kind])
    node = Node("/3/0/1", value, kind)
    payload = encode(number, [node], "/3/0/1")
    assert decode(number, payload, "/3/0/1", {(3, 1): kind.name}).nodes() == [node]


@ordinary
@given(objects(), st.sampled_from(UNTYPED))
def test_self_describing_formats_keep_values_without_any_types(made, number):
    nodes, _ = made
    again = decode(number, encode(number, nodes, "/3"), "/3").nodes()
    plain = {n.path: str(n.value) if n.kind is Kind.OBJLNK else n.value for n in nodes}
    assert {n.path: str(n.value) if n.kind is Kind.OBJLNK else n.value for n in again} == plain


@ordinary
@given(st.floats())
def test_every_float_is_read_again_from_every_binary_format(value):
    node = Node("/3/0/1", value)
    for number in (60, 112, 322, 11542, 11544):
        payload = encode(number, [node], "/3/0/1")
        assert decode(number, payload, "/3/0/1", {(3, 1): "FLOAT"}).nodes() == [node]


@ordinary
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_written_in_json_as_short_as_python_writes_it(value):
    text = encode(110, [Node("/3/0/1", value)])[len(b'[{"bn":"/3/0/1","v":') : -2].decode()
    assert float(text) == value and math.copysign(1, float(text)) == math.copysign(1, value)
    assert len(text) <= len(repr(value))


@ordinary
@given(st.lists(st.tuples(IDS, INSTANCES, IDS, IDS, st.integers(1, 4)), max_size=8, unique=True))
def test_paths_without_values_are_read_again(rows):
    paths = list(dict.fromkeys(Path(*row[: row[4]]) for row in rows))
    for number in (110, 112, 320, 322):
        nodes = [Node(path) for path in paths]
        assert decode(number, encode(number, nodes)).nodes() == nodes


@ordinary
@given(st.binary(max_size=60), st.sampled_from(sorted(FORMATS)))
def test_any_bytes_are_refused_or_read(data, number):
    from tests.fuzz.fuzz_codec_table import check_format

    check_format(number, data)
