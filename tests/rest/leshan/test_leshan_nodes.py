"""Leshan's node JSON: types, ids and kinds, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leshan_service import OBJECTS, pack_of

from lwm2m_fast.codec import Kind, Node, ObjectLink, Path
from lwm2m_fast.core.answers import Result
from lwm2m_fast.core.operations import result_json
from lwm2m_fast.errors import RequestError
from lwm2m_fast.model import Model, built_in
from lwm2m_fast.rest.leshan.nodes import instance_of, node_value, parsed_json
from lwm2m_fast.rest.leshan.shown import (
    leaf_nodes,
    leaves_of_pack,
    leaves_of_values,
    moments,
    newest,
    node_at,
    nodes_at,
)

VIEW = Model(built_in()).view(OBJECTS, lwm2m_version="1.1")

# A path of an object that nobody knows: whatever type the node says is taken.
ANY = Path.parse("/9999/0/1")


def one(name: str, value: Any, number: Any = 1, kind: str = "singleResource") -> dict[str, Any]:
    return {"kind": kind, "id": number, "type": name, "value": value}


def shown(*nodes: Node, path: str = "/9999/0/1") -> Any:
    return node_at(Path.parse(path), leaves_of_pack(pack_of(*nodes)), VIEW)


# Values of a request


@pytest.mark.parametrize(
    "name, given, wanted",
    [
        ("STRING", "Wärme", "Wärme"),
        ("INTEGER", "-9223372036854775808", -(2**63)),
        ("INTEGER", 9223372036854775807, 2**63 - 1),
        ("UNSIGNED_INTEGER", "18446744073709551615", 2**64 - 1),
        ("UNSIGNED_INTEGER", 0, 0),
        ("FLOAT", "2.5", 2.5),
        ("FLOAT", "-1e3", -1000.0),
        ("FLOAT", 25, 25.0),
        ("BOOLEAN", False, False),
        ("OPAQUE", "00ffAB", {"hex": "00ffab"}),
        ("OPAQUE", "", {"hex": ""}),
        ("TIME", 1700000000999, 1700000000),
        ("TIME", -1, -1),
        ("OBJLNK", {"objectId": 3, "objectInstanceId": 0}, "3:0"),
        ("OBJLNK", {"objectId": 65535, "objectInstanceId": 65535, "nullLink": True}, "65535:65535"),
        ("CORELINK", '</3/0>;pmin="1",</4>', '</3/0>;pmin="1",</4>'),
    ],
)
def test_a_value_is_read_as_its_type_says(name: str, given: Any, wanted: Any) -> None:
    value = node_value(one(name, given), ANY, VIEW.types)
    assert value == wanted
    assert type(value) is type(wanted)


@pytest.mark.parametrize(
    "name, given",
    [
        ("STRING", 1), ("STRING", None), ("INTEGER", "1.5"), ("INTEGER", 1.5), ("INTEGER", True),
        ("INTEGER", "9223372036854775808"), ("INTEGER", "٣"), ("UNSIGNED_INTEGER", -1),
        ("UNSIGNED_INTEGER", "18446744073709551616"), ("FLOAT", "NaN"), ("FLOAT", "Infinity"),
        ("FLOAT", "1e999"), ("FLOAT", "nan"), ("FLOAT", True), ("FLOAT", "1" * 400),
        ("FLOAT", 10**400), ("FLOAT", "0x10"), ("FLOAT", "1_0"), ("BOOLEAN", "true"),
        ("BOOLEAN", 1), ("OPAQUE", "0"), ("OPAQUE", "zz"), ("OPAQUE", [0]),
        ("TIME", "1700000000000"), ("TIME", 1.5), ("TIME", 2**63), ("OBJLNK", "3:0"),
        ("OBJLNK", {"objectId": 3}), ("OBJLNK", {"objectId": 65536, "objectInstanceId": 0}),
        ("OBJLNK", {"objectId": "3", "objectInstanceId": 0}), ("CORELINK", "no link"),
        ("CORELINK", 5), ("CORELNK", "</3>"), ("NONE", ""), ("", "x"), (None, "x"), (7, "x"),
    ],
)  # fmt: skip
def test_a_value_that_its_type_cannot_have_is_refused(name: Any, given: Any) -> None:
    with pytest.raises(RequestError):
        node_value(one(name, given), ANY, VIEW.types)


@pytest.mark.parametrize("text", [b'{"value": NaN}', b'{"value": Infinity}', b"", b"{", b"\xff"])
def test_json_has_no_nan(text: bytes) -> None:
    with pytest.raises(RequestError, match="not JSON"):
        parsed_json(text)


@pytest.mark.parametrize("name", ["INTEGER", "integer", "Integer"])
def test_a_type_may_be_in_any_case(name: str) -> None:
    assert node_value(one(name, "5"), Path.parse("/1/0/1"), VIEW.types) == 5


@pytest.mark.parametrize("name", ["STRING", "FLOAT", "UNSIGNED_INTEGER", "TIME"])
def test_a_type_that_the_definition_does_not_have_is_refused(name: str) -> None:
    value = {"STRING": "5", "FLOAT": 5.0}.get(name, 5)
    with pytest.raises(RequestError, match=rf"/1/0/1 is of type INTEGER, not {name}"):
        node_value(one(name, value), Path.parse("/1/0/1"), VIEW.types)


def test_an_executable_resource_has_no_type_to_match() -> None:
    with pytest.raises(RequestError, match="/3/0/4 is of type NONE"):
        node_value(one("STRING", "x", 4), Path.parse("/3/0/4"), VIEW.types)


# Ids and kinds


@pytest.mark.parametrize("number", [1, "1"])
def test_an_id_may_be_a_number_or_text(number: Any) -> None:
    assert node_value(one("STRING", "x", number), ANY, VIEW.types) == "x"


@pytest.mark.parametrize("number", [2, "2", -1, 65536, "x", "", 1.0, True, "１", [1]])
def test_an_id_that_is_not_the_paths_is_refused(number: Any) -> None:
    with pytest.raises(RequestError, match=r"/9999/0/1"):
        node_value(one("STRING", "x", number), ANY, VIEW.types)


@pytest.mark.parametrize(
    "node, path, wanted",
    [
        ({"id": 1, "type": "STRING", "value": "x"}, "/9999/0/1", "x"),
        ({"id": 2, "type": "STRING", "value": "x"}, "/9999/0/1/2", "x"),
        ({"id": 1, "type": "STRING", "values": {"0": "x"}}, "/9999/0/1", {"0": "x"}),
        (
            {"id": 0, "resources": [{"id": "1", "type": "INTEGER", "value": "5"}]},
            "/9999/0",
            {"1": 5},
        ),
        ({"id": 9999, "instances": [{"id": 0, "resources": []}]}, "/9999", {"0": {}}),
        ({"type": "STRING", "value": "x"}, "/9999/0/1", "x"),
    ],
)
def test_a_kind_is_inferred_from_what_a_node_has(node: Any, path: str, wanted: Any) -> None:
    assert node_value(node, Path.parse(path), VIEW.types) == wanted


@pytest.mark.parametrize(
    "node, path, why",
    [
        ({"id": 1}, "/9999/0/1", "has none of"),
        ("x", "/9999/0/1", "not a JSON object"),
        (one("STRING", "x"), "/9999/0", "does not fit"),
        ({"id": 0, "resources": []}, "/9999/0/1", "does not fit"),
        ({"id": 0, "objects": []}, "/", "has none of"),
        ({"kind": "multiResource", "id": 1, "type": "STRING", "value": "x"}, "/9999/0/1", "values"),
        ({"kind": "instance", "id": 0, "values": {}}, "/9999/0", "`resources`"),
        ({"kind": "singleResource", "id": 1, "values": {}}, "/9999/0/1", "no value"),
        ({"kind": "banana", "id": 1, "value": "x"}, "/9999/0/1", "'banana'"),
        ({"id": 1, "type": "STRING", "values": {"x": "a"}}, "/9999/0/1", "'x'"),
        ({"id": 1, "type": "STRING", "values": ["a"]}, "/9999/0/1", "not a JSON object"),
        ({"id": 1, "values": {}}, "/9999/0/1", "type"),
        ({"id": 0, "resources": {}}, "/9999/0", "not a list"),
        ({"id": 0, "resources": [one("STRING", "x"), one("STRING", "y")]}, "/9999/0", "1 twice"),
        ({"id": 0, "resources": [{"type": "STRING", "value": "x"}]}, "/9999/0", "id"),
    ],
)
def test_a_node_that_is_none_is_refused(node: Any, path: str, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        node_value(node, Path.parse(path), VIEW.types)


def test_an_instance_to_create_may_be_without_an_id() -> None:
    node = {"resources": [one("STRING", "Cel", 5701)]}
    assert instance_of(node, Path.parse("/3303"), VIEW.types) == (None, {"5701": "Cel"})
    assert instance_of(node, Path.parse("/3303/4"), VIEW.types) == (4, {"5701": "Cel"})
    assert instance_of({**node, "id": "9"}, Path.parse("/3303"), VIEW.types)[0] == 9


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["id", "kind", "type", "value", "values", "resources", "0", "1"]),
                inner | st.sampled_from(["STRING", "singleResource", "instance"]),
                max_size=5,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(["/", "/3", "/3/0", "/3/0/6", "/3/0/6/0", "/9999/0/1"]),
)
def test_whatever_a_node_is_it_is_read_or_refused(node: Any, path: str) -> None:
    for read in (node_value, instance_of):
        if path == "/" and read is instance_of:
            continue
        try:
            read(node, Path.parse(path), VIEW.types)
        except RequestError as error:
            assert str(error)


# What is shown


@pytest.mark.parametrize(
    "node, name, value",
    [
        (Node(ANY, "x"), "STRING", "x"),
        (Node(ANY, -5, Kind.INTEGER), "INTEGER", "-5"),
        (Node(ANY, 2**64 - 1, Kind.UNSIGNED_INTEGER), "UNSIGNED_INTEGER", "18446744073709551615"),
        (Node(ANY, 25.0, Kind.FLOAT), "FLOAT", "25.0"),
        (Node(ANY, float("nan"), Kind.FLOAT), "FLOAT", "NaN"),
        (Node(ANY, float("-inf"), Kind.FLOAT), "FLOAT", "-Infinity"),
        (Node(ANY, True), "BOOLEAN", True),
        (Node(ANY, b"\x00\xff"), "OPAQUE", "00ff"),
        (Node(ANY, b""), "OPAQUE", ""),
        (Node(ANY, 1700000000, Kind.TIME), "TIME", 1700000000000),
        (Node(ANY, 2**63 - 1, Kind.TIME), "TIME", 2**63 - 1),
        (Node(ANY, -(2**63), Kind.TIME), "TIME", -(2**63)),
        (
            Node(ANY, ObjectLink(3, 0)),
            "OBJLNK",
            {"objectId": 3, "objectInstanceId": 0, "nullLink": False},
        ),
        (
            Node(ANY, ObjectLink(65535, 65535)),
            "OBJLNK",
            {"objectId": 65535, "objectInstanceId": 65535, "nullLink": True},
        ),
        (Node(ANY, "</3>", Kind.CORELNK), "CORELINK", "</3>"),
    ],
)
def test_a_value_is_shown_as_leshan_has_it(node: Node, name: str, value: Any) -> None:
    wanted = {"kind": "singleResource", "id": 1, "type": name, "value": value}
    assert shown(node) == wanted
    # The same by way of the JSON in which results and events have it.
    rows = result_json(Result(True, "2.05", pack_of(node)))["values"]
    assert node_at(ANY, leaves_of_values(rows), VIEW) == wanted


def test_the_tree_of_an_object() -> None:
    nodes = [
        Node("/3/0/0", "Maker"),
        Node("/3/0/6/0", 1),
        Node("/3/0/6/4", 5),
        Node("/3/1/9", 85),
    ]
    instances = [
        {
            "kind": "instance",
            "id": 0,
            "resources": [
                {"kind": "singleResource", "id": 0, "type": "STRING", "value": "Maker"},
                {
                    "kind": "multiResource",
                    "id": 6,
                    "type": "INTEGER",
                    "values": {"0": "1", "4": "5"},
                },
            ],
        },
        {
            "kind": "instance",
            "id": 1,
            "resources": [{"kind": "singleResource", "id": 9, "type": "INTEGER", "value": "85"}],
        },
    ]
    tree = {"kind": "obj", "id": 3, "instances": instances}
    assert shown(*nodes, path="/3") == tree
    assert shown(*nodes, path="/3/0") == instances[0]
    assert shown(*nodes, path="/3/0/6") == instances[0]["resources"][1]
    assert shown(*nodes, path="/") == {"kind": "root", "objects": [tree]}


def test_a_resource_instance() -> None:
    wanted = {"kind": "resourceInstance", "id": 4, "type": "INTEGER", "value": "5"}
    assert shown(Node("/3/0/6/4", 5), path="/3/0/6/4") == wanted


def test_what_is_empty() -> None:
    assert shown(path="/3") == {"kind": "obj", "id": 3, "instances": []}
    assert shown(path="/3/0") == {"kind": "instance", "id": 0, "resources": []}
    multiple = {"kind": "multiResource", "id": 6, "type": "INTEGER", "values": {}}
    assert shown(path="/3/0/6") == multiple
    assert shown(path="/3/0/9") is None
    assert shown(path="/9999/0/1") is None
    assert shown(path="/3/0/6/1") is None


def test_an_instance_with_nothing_in_it_is_in_its_object() -> None:
    empty = {"kind": "instance", "id": 7, "resources": []}
    assert shown(Node("/3303/7"), path="/3303")["instances"] == [empty]


def test_moments_are_newest_first_and_now_before_all() -> None:
    nodes = [Node(ANY, i, Kind.INTEGER, t) for i, t in enumerate((1_000_000, None, 3_000_000))]
    leaves = leaves_of_pack(pack_of(*nodes))
    assert [at for at, _ in moments(leaves)] == [None, 3.0, 1.0]
    assert [leaf.value for leaf in newest(leaves)] == ["1"]
    assert newest([]) == []


def test_composite_paths_without_a_value_are_left_out() -> None:
    leaves = leaves_of_pack(pack_of(Node("/3/0/9", 85)))
    paths = [Path.parse(path) for path in ("/3/0/9", "/3/0/6", "/1")]
    assert list(nodes_at(paths, leaves, VIEW)) == ["/3/0/9"]


def test_a_send_has_each_value_at_its_own_path() -> None:
    leaves = leaves_of_pack(pack_of(Node("/3/0/9", 85), Node("/3/0/6/1", 5), Node("/3303/1")))
    assert leaf_nodes(leaves) == {
        "/3/0/9": {"kind": "singleResource", "id": 9, "type": "INTEGER", "value": "85"},
        "/3/0/6/1": {"kind": "resourceInstance", "id": 1, "type": "INTEGER", "value": "5"},
    }
