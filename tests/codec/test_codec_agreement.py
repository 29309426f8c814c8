"""Agreement with implementations that share no code with ours: cbor2, orjson, json.

Both sides read the same bytes in one run; containers, values and refusals have to be the same.
"""

from __future__ import annotations

import json
import math
import random
from decimal import Decimal
from typing import Any

import cbor2
import orjson
import pytest
from codec_vectors import RFC_8949
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_fast.codec import Kind, Node, ObjectLink, PayloadError, decode, encode
from lwm2m_fast.codec.cbor_tree import EpochTime, Map, read_cbor

FIELDS = {Kind.STRING: ("vs", 3), Kind.OPAQUE: ("vd", 8), Kind.BOOLEAN: ("vb", 4)}
LEAVES = st.one_of(
    st.integers(-(1 << 64), (1 << 64) - 1), st.floats(allow_nan=False), st.booleans(), st.none(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.binary(max_size=12),
)  # fmt: skip
KEYS = st.one_of(st.integers(-9, 9), st.text(max_size=3))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def plain(value: Any) -> Any:
    if isinstance(value, Map):
        return {entry.key: plain(entry.value) for entry in value}
    return [plain(item) for item in value] if isinstance(value, list) else value


def values(count: int, seed: int) -> list[Node]:
    """Values of every kind that both containers have."""
    rng = random.Random(seed)
    make = [
        lambda: (rng.randrange(-(1 << 63), 1 << 63), Kind.INTEGER),
        lambda: (rng.uniform(-1e6, 1e6), Kind.FLOAT),
        lambda: (round(rng.uniform(-90, 90), rng.randrange(8)), Kind.FLOAT),
        lambda: ("".join(rng.choices('aé"\\\n水😀\x01/', k=rng.randrange(20))), Kind.STRING),
        lambda: (rng.randbytes(rng.randrange(20)), Kind.OPAQUE),
        lambda: (rng.random() < 0.5, Kind.BOOLEAN),
    ]
    return [
        Node(f"/{rng.randrange(99)}/{i}/{rng.randrange(99)}", *rng.choice(make)())
        for i in range(count)
    ]


@settings(max_examples=300, deadline=None)
@given(TREES.filter(lambda tree: depth(tree) <= 8), st.booleans())
def test_any_tree_that_cbor2_writes_is_read_as_cbor2_reads_it(tree, canonical):
    payload = cbor2.dumps(tree, canonical=canonical)
    assert plain(read_cbor("CBOR", "/", payload)) == cbor2.loads(payload) == tree


@pytest.mark.parametrize("text, expected", RFC_8949, ids=lambda x: str(x)[:20])
def test_cbor2_reads_appendix_a_of_rfc_8949_as_we_do(text, expected):
    ours = plain(read_cbor("CBOR", "/", bytes.fromhex(text)))
    theirs = cbor2.loads(bytes.fromhex(text))
    if isinstance(ours, EpochTime):
        assert theirs.timestamp() == ours.seconds
    elif isinstance(theirs, cbor2.CBORTag):
        assert theirs.value == ours
    else:
        assert theirs == ours or (math.isnan(theirs) and math.isnan(ours))


@pytest.mark.parametrize("seed", range(5))
def test_senml_cbor_is_the_container_that_cbor2_reads(seed):
    nodes = values(200, seed)
    records = cbor2.loads(encode(112, nodes))
    assert len(records) == len(nodes)
    for record, node in zip(records, nodes, strict=True):
        _, label = FIELDS.get(node.kind, ("v", 2))
        assert record == {0: str(node.path), label: node.value}


@pytest.mark.parametrize("load", [orjson.loads, json.loads])
@pytest.mark.parametrize("seed", range(5))
def test_senml_json_is_the_container_that_others_read(seed, load):
    nodes = values(200, seed)
    records = load(encode(110, nodes))
    for record, node in zip(records, nodes, strict=True):
        name, _ = FIELDS.get(node.kind, ("v", 2))
        if node.kind is not Kind.OPAQUE:
            assert record == {"n": str(node.path), name: node.value}


@pytest.mark.parametrize("dump", [orjson.dumps, lambda x: json.dumps(x).encode(),
                                  lambda x: json.dumps(x, indent=3).encode()])  # fmt: skip
@pytest.mark.parametrize("seed", range(5))
def test_senml_json_that_others_write_is_read(seed, dump):
    nodes = [node for node in values(200, seed) if node.kind is not Kind.OPAQUE]
    records = [{"n": str(n.path), FIELDS.get(n.kind, ("v", 2))[0]: n.value} for n in nodes]
    assert decode(110, dump(records)).nodes() == nodes


@pytest.mark.parametrize("canonical", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_senml_cbor_that_cbor2_writes_is_read(seed, canonical):
    nodes = values(200, seed)
    records = [{0: str(n.path), FIELDS.get(n.kind, ("v", 2))[1]: n.value} for n in nodes]
    assert decode(112, cbor2.dumps(records, canonical=canonical)).nodes() == nodes


@settings(max_examples=500, deadline=None)
@given(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["r", ".17g", ".3e", ".30f"])
)
def test_numbers_are_the_doubles_that_python_and_orjson_read(value, form):
    text = repr(value) if form == "r" else format(value, form)
    if len(text) > 128 or math.isinf(float(text)):
        return
    node = decode(110, b'[{"n":"/3/0/1","v":%b}]' % text.encode(), "/", {(3, 1): "FLOAT"})[0]
    assert node.value == float(text) == orjson.loads(text)


@settings(max_examples=300, deadline=None)
@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=9, min_value=1 << 28, max_value=9_000_000_000
    )
)
def test_times_are_the_decimals_that_python_reads(seconds):
    payload = b'[{"n":"/3/0/1","v":1,"t":%b}]' % str(seconds).encode()
    assert decode(110, payload)[0].time_ns == int(Decimal(seconds).scaleb(9))


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.booleans())
def test_text_is_the_text_that_json_reads(text, ascii_only):
    payload = json.dumps([{"n": "/3/0/1", "vs": text}], ensure_ascii=ascii_only).encode()
    assert decode(110, payload)[0].value == text
    assert orjson.loads(encode(110, [Node("/3/0/1", text)]))[0]["vs"] == text


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=12))
def test_a_string_is_refused_exactly_when_orjson_refuses_it(raw):
    payload = b'[{"n":"/3/0/1","vs":"%b"}]' % raw
    try:
        theirs = orjson.loads(payload)[0]
    except orjson.JSONDecodeError:
        with pytest.raises(PayloadError):
            decode(110, payload)
        return
    if set(theirs) == {"n", "vs"} and payload.count(b'"vs"') == 1:
        assert decode(110, payload)[0].value == theirs["vs"]


def test_links_are_the_same_text_in_both_containers():
    node = Node("/3/0/1", ObjectLink(3, 65535))
    assert orjson.loads(encode(110, [node])) == [{"bn": "/3/0/1", "vlo": "3:65535"}]
    assert cbor2.loads(encode(112, [node])) == [{-2: "/3/0/1", "vlo": "3:65535"}]
