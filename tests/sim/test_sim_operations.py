"""What a server may do to a simulated device, and how it refuses: OMA TS Core 6.3, one by one."""

from __future__ import annotations

import json

import pytest
from sim_kit import (
    BAD_REQUEST,
    CHANGED,
    CONTENT,
    CREATED,
    DELETE,
    DELETED,
    FETCH,
    GET,
    IPATCH,
    NOT_ALLOWED,
    NOT_FOUND,
    POST,
    PUT,
    UNSUPPORTED,
    Server,
)

from lwm2m_fast.codec import Kind, Node, ObjectLink, Types, decode, encode
from lwm2m_fast.model import Model, built_in

TEXT, LINKS, OCTETS, CBOR, SENML_JSON, SENML_CBOR, TLV, LWM2M_CBOR = (
    0, 40, 42, 60, 110, 112, 11542, 11544,
)  # fmt: skip
TYPES = Types(
    Model(built_in()).view({1: "1.1", 3: "1.1", 5: None, 3303: "1.1", 3442: None}).types,
    multiple={1, 3303, 3442},
)


@pytest.fixture(params=["1.1", "1.2"])
def server(request):
    return Server(devices=2, version=request.param)


def values(server, path, accept=SENML_CBOR):
    answer = server.read(path, accept)
    assert answer["code"] == CONTENT, answer
    found = decode(answer["content_format"], answer["payload"], path, TYPES)
    return {str(node.path): node.value for node in found}


WRITABLE = [
    ("110", Kind.STRING, "grüße"),
    ("120", Kind.INTEGER, -(1 << 40)),
    ("125", Kind.UNSIGNED_INTEGER, (1 << 64) - 2),
    ("130", Kind.FLOAT, 2.5),
    ("140", Kind.BOOLEAN, False),
    ("160", Kind.TIME, 1_600_000_000),
    ("170", Kind.OBJLNK, ObjectLink(3303, 2)),
]


@pytest.mark.parametrize("content_format", [TEXT, CBOR, SENML_JSON, SENML_CBOR, TLV])
@pytest.mark.parametrize("resource, kind, value", WRITABLE)
def test_a_resource_is_written_in_every_format_and_read_back(
    server, content_format, resource, kind, value
):
    path = f"/3442/0/{resource}"
    payload = encode(content_format, [Node(path, value, kind)], path)
    assert server.do(PUT, path, payload, content_format)["code"] == CHANGED
    assert values(server, path) == {path: value}
    other = server.send(1, b"\x40\x01\x00\x07\xb43442\x010\x03" + resource.encode())[0]
    assert other["code"] == CONTENT
    assert decode(0, other["payload"], path, TYPES)[0].value != value


@pytest.mark.parametrize("content_format", [OCTETS, CBOR, SENML_JSON, SENML_CBOR, TLV])
@pytest.mark.parametrize("value", [b"", b"\x00\xff" * 30])
def test_an_opaque_resource_is_written_in_every_format(server, content_format, value):
    payload = encode(content_format, [Node("/3442/0/150", value)], "/3442/0/150")
    assert server.do(PUT, "/3442/0/150", payload, content_format)["code"] == CHANGED
    assert server.read("/3442/0/150", OCTETS)["payload"] == value


def test_lwm2m_cbor_is_for_1_2_only():
    payload = encode(LWM2M_CBOR, [Node("/3/0/15", "Asia/Tokyo")], "/3/0/15")
    assert Server(version="1.1").do(PUT, "/3/0/15", payload, LWM2M_CBOR)["code"] == UNSUPPORTED
    server = Server(version="1.2")
    assert server.do(PUT, "/3/0/15", payload, LWM2M_CBOR)["code"] == CHANGED
    assert values(server, "/3/0/15", LWM2M_CBOR) == {"/3/0/15": "Asia/Tokyo"}


def test_a_device_of_1_0_speaks_text_and_tlv():
    server = Server(version="1.0")
    assert server.do(PUT, "/3/0/15", b"UTC", TEXT)["code"] == CHANGED
    assert server.do(PUT, "/3/0/15", b"", SENML_JSON)["code"] == UNSUPPORTED
    assert values(server, "/3/0/15", TLV) == {"/3/0/15": "UTC"}
    assert server.do(FETCH, "/", b"[]", SENML_JSON)["code"] == NOT_ALLOWED


def test_untouched_values_of_a_touched_device_still_move(server):
    server.do(PUT, "/3/0/15", b"UTC", TEXT)
    before = server.read("/3303/0/5700")["payload"]
    assert server.read("/3/0/2")["payload"] == b"sim-000001"
    server.now = 100 * 10**9
    assert server.read("/3303/0/5700")["payload"] != before
    assert values(server, "/3/0")["/3/0/13"] == 1_763_690_100


def test_a_multiple_resource_is_replaced_or_added_to(server):
    path = "/3442/0/1120"
    one = encode(SENML_CBOR, [Node(f"{path}/5", 50), Node(f"{path}/6", 60)], path)
    assert server.do(PUT, path, one, SENML_CBOR)["code"] == CHANGED
    assert values(server, path) == {f"{path}/5": 50, f"{path}/6": 60}
    two = encode(TLV, [Node(f"{path}/6", 66), Node(f"{path}/7", 70)], path)
    assert server.do(POST, path, two, TLV)["code"] == CHANGED
    assert values(server, path) == {f"{path}/5": 50, f"{path}/6": 66, f"{path}/7": 70}
    assert server.do(PUT, f"{path}/5", b"-5", TEXT)["code"] == CHANGED
    assert values(server, path)[f"{path}/5"] == -5
    assert server.read(f"{path}/5")["payload"] == b"-5"


def test_an_instance_is_updated_or_replaced(server):
    nodes = [Node("/3442/0/110", "new"), Node("/3442/0/1110/9", "nine")]
    assert server.do(POST, "/3442/0", encode(TLV, nodes, "/3442/0"), TLV)["code"] == CHANGED
    held = values(server, "/3442/0")
    assert (held["/3442/0/110"], held["/3442/0/120"]) == ("new", 1024)
    assert (held["/3442/0/1110/0"], held["/3442/0/1110/9"]) == ("initial value", "nine")
    payload = encode(SENML_JSON, nodes, "/3442/0")
    assert server.do(PUT, "/3442/0", payload, SENML_JSON)["code"] == CHANGED
    assert values(server, "/3442/0") == {"/3442/0/110": "new", "/3442/0/1110/9": "nine"}
    assert server.read("/3442/0/120")["code"] == NOT_FOUND
    assert server.do(PUT, "/3442/0/120", b"7", TEXT)["code"] == CHANGED


def test_replacing_an_instance_needs_what_is_mandatory(server):
    nodes = [Node("/1/0/1", 60), Node("/1/0/6", True)]
    assert server.do(PUT, "/1/0", encode(TLV, nodes, "/1/0"), TLV)["code"] == BAD_REQUEST
    assert values(server, "/1/0")["/1/0/1"] == 300
    nodes.append(Node("/1/0/7", "U"))
    assert server.do(PUT, "/1/0", encode(TLV, nodes, "/1/0"), TLV)["code"] == CHANGED
    held = values(server, "/1/0")
    assert (held["/1/0/1"], held["/1/0/0"]) == (60, 1)
    assert "/1/0/2" not in held


@pytest.mark.parametrize(
    "code, path, payload, content_format, expected, why",
    [
        (PUT, "/3/0/0", b"x", TEXT, NOT_ALLOWED, "read-only"),
        (PUT, "/3/0/4", b"x", TEXT, NOT_ALLOWED, "executable"),
        (POST, "/3/0", b"\xc1\x00x", TLV, NOT_ALLOWED, "read-only in an instance"),
        (PUT, "/3303/0/5700", b"1.5", TEXT, NOT_ALLOWED, "read-only, varying"),
        (PUT, "/0/0/0", b"x", TEXT, NOT_FOUND, "the security object"),
        (PUT, "/9/0/0", b"x", TEXT, NOT_FOUND, "no such object"),
        (PUT, "/3/1/15", b"x", TEXT, NOT_FOUND, "no such instance"),
        (PUT, "/3/0/99", b"x", TEXT, NOT_FOUND, "no such resource"),
        (PUT, "/3/0/15/0", b"x", TEXT, BAD_REQUEST, "a single resource has no instances"),
        (PUT, "/3", b"", TLV, NOT_ALLOWED, "an object is not written"),
        (PUT, "/", b"", TLV, NOT_ALLOWED, "nor is the root"),
        (PUT, "/3442/0/120", b"twelve", TEXT, BAD_REQUEST, "no number"),
        (PUT, "/3442/0/120", b"\xff", CBOR, BAD_REQUEST, "no CBOR"),
        (PUT, "/3442/0/120", b"1", 50, UNSUPPORTED, "JSON"),
        (PUT, "/3442/0", b"1", TEXT, UNSUPPORTED, "text for an instance"),
        (PUT, "/3442/0/1120", b"1", TEXT, BAD_REQUEST, "a single value for a multiple resource"),
        (PUT, "/3442/0/120", b'[{"n":"/3442/0/110","vs":"x"}]', SENML_JSON, BAD_REQUEST, "beside"),
        (POST, "/3/0/0", b"", None, NOT_ALLOWED, "execute a readable resource"),
        (POST, "/3/0/15", b"", SENML_JSON, BAD_REQUEST, "update nothing"),
        (POST, "/3/0/99", b"", None, NOT_FOUND, "execute nothing"),
        (POST, "/9/0/0", b"", None, NOT_FOUND, "execute on no object"),
        (POST, "/0/0/0", b"", None, NOT_FOUND, "execute the security object"),
        (DELETE, "/3/0", b"", None, NOT_ALLOWED, "Device is mandatory"),
        (DELETE, "/3303/9", b"", None, NOT_FOUND, "no such instance"),
        (DELETE, "/0/0", b"", None, NOT_FOUND, "the security object"),
        (DELETE, "/3303/0/5750", b"", None, BAD_REQUEST, "a resource"),
        (DELETE, "/3303", b"", None, NOT_ALLOWED, "an object"),
        (POST, "/3", b"", TLV, BAD_REQUEST, "a second instance of a single object"),
        (POST, "/0", b"", TLV, NOT_FOUND, "create in the security object"),
        (POST, "/9", b"", TLV, NOT_FOUND, "create in no object"),
        (POST, "/3303", b"\xff", TLV, BAD_REQUEST, "no TLV"),
        (IPATCH, "/3/0", b"[]", SENML_JSON, NOT_ALLOWED, "composite below the root"),
        (FETCH, "/", b"{", SENML_JSON, BAD_REQUEST, "no JSON"),
        (FETCH, "/", b"x", TEXT, UNSUPPORTED, "text for a composite"),
        (FETCH, "/", b'[{"n":"/9/0/0"}]', SENML_JSON, NOT_FOUND, "nothing of it"),
        (IPATCH, "/", b'[{"n":"/3/0/0","vs":"x"}]', SENML_JSON, NOT_ALLOWED, "read-only"),
        (IPATCH, "/", b'[{"n":"/3/0","vs":"x"}]', SENML_JSON, BAD_REQUEST, "no resource"),
    ],
)  # fmt: skip
def test_what_may_not_be_is_refused_and_changes_nothing(
    server, code, path, payload, content_format, expected, why
):
    before = server.read("/3442", SENML_CBOR)["payload"], server.read("/3/0", LINKS)["payload"]
    assert server.do(code, path, payload, content_format)["code"] == expected, why
    after = server.read("/3442", SENML_CBOR)["payload"], server.read("/3/0", LINKS)["payload"]
    assert after == before
    assert server.desk.counters()["refused"] == 1


# Execute.


@pytest.mark.parametrize(
    "arguments", [b"", b"0", b"0='x'", b"1='a b',2", b"0=''", b"0,1,2='http://x/'"]
)
def test_an_execute_with_arguments_is_carried_out(server, arguments):
    assert server.do(POST, "/3303/0/5605", arguments, TEXT)["code"] == CHANGED
    assert server.desk.counters()["executes"] == 1


@pytest.mark.parametrize(
    "arguments", [b"x", b"0=", b"0=x", b"0='", b"10", b"0,0", b"0,", b"0='a''"]
)
def test_arguments_that_break_the_grammar_are_refused(server, arguments):
    assert server.do(POST, "/3303/0/5605", arguments, TEXT)["code"] == BAD_REQUEST


# Create and Delete.


@pytest.mark.parametrize("content_format", [TLV, SENML_JSON, SENML_CBOR])
def test_an_instance_is_created_with_an_id_and_deleted(server, content_format):
    payload = encode(content_format, [Node("/3303/7/5750", "cellar")], "/3303")
    answer = server.do(POST, "/3303", payload, content_format)
    assert (answer["code"], answer["path"]) == (CREATED, [])
    held = values(server, "/3303/7")
    assert held["/3303/7/5750"] == "cellar"
    assert isinstance(held["/3303/7/5700"], float)
    assert server.do(POST, "/3303", payload, content_format)["code"] == BAD_REQUEST
    assert server.do(DELETE, "/3303/7")["code"] == DELETED
    assert server.read("/3303/7")["code"] == NOT_FOUND
    assert server.do(DELETE, "/3303/7")["code"] == NOT_FOUND


def test_an_instance_without_an_id_gets_the_first_free_one(server):
    assert server.do(POST, "/3303", b"", None)["code"] == UNSUPPORTED
    payload = encode(TLV, [Node("/3303/0/5750", "attic")], "/3303/0")
    for id in (b"3", b"4"):
        answer = server.do(POST, "/3303", payload, TLV)
        assert (answer["code"], answer["path"]) == (CREATED, [b"3303", id])
    assert values(server, "/3303/4")["/3303/4/5750"] == "attic"


def test_two_instances_are_created_together_or_not_at_all(server):
    nodes = [Node("/3303/8/5750", "a"), Node("/3303/1/5750", "there already")]
    payload = encode(TLV, nodes, "/3303")
    assert server.do(POST, "/3303", payload, TLV)["code"] == BAD_REQUEST
    assert server.read("/3303/8")["code"] == NOT_FOUND
    nodes[1] = Node("/3303/9/5750", "b")
    assert server.do(POST, "/3303", encode(TLV, nodes, "/3303"), TLV)["code"] == CREATED
    assert {"/3303/8/5750", "/3303/9/5750"} <= values(server, "/3303").keys()


def test_a_new_instance_needs_what_is_mandatory(server):
    some = [Node("/1/1/1", 60), Node("/1/1/6", True)]
    assert server.do(POST, "/1", encode(TLV, some, "/1"), TLV)["code"] == BAD_REQUEST
    assert server.read("/1/1")["code"] == NOT_FOUND
    some.append(Node("/1/1/7", "U"))
    assert server.do(POST, "/1", encode(TLV, some, "/1"), TLV)["code"] == CREATED
    assert values(server, "/1/1")["/1/1/0"] == 0


def test_a_resource_instance_can_be_deleted_since_1_2():
    for version, expected in (("1.1", BAD_REQUEST), ("1.2", DELETED)):
        server = Server(version=version)
        assert server.do(DELETE, "/3442/0/1120/0")["code"] == expected
        assert server.read("/3442/0/1120/1")["payload"] == b"-1"


# Attributes and Discover.


def write_attributes(server, path, *query):
    return server.do(PUT, path, b"", None, *((15, each) for each in query))["code"]


def links(server, path):
    return server.read(path, LINKS)["payload"].decode().split(",")


def test_attributes_are_shown_by_discover_set_changed_and_unset(server):
    assert links(server, "/3303/0/5700") == ["</3303/0/5700>"]
    assert write_attributes(server, "/3303", b"pmin=5") == CHANGED
    assert write_attributes(server, "/3303/0", b"pmax=60", b"pmin=10") == CHANGED
    assert write_attributes(server, "/3303/0/5700", b"gt=25.5", b"lt=10", b"st=1") == CHANGED
    assert links(server, "/3303")[:2] == ["</3303>;ver=1.1;pmin=5", "</3303/0>;pmax=60;pmin=10"]
    assert "</3303/0/5700>;gt=25.5;lt=10;st=1" in links(server, "/3303/0")
    assert links(server, "/3303/0/5700") == ["</3303/0/5700>;pmin=10;pmax=60;gt=25.5;lt=10;st=1"]
    assert write_attributes(server, "/3303/0/5700", b"gt", b"st=2") == CHANGED
    assert "</3303/0/5700>;lt=10;st=2" in links(server, "/3303/0")
    assert write_attributes(server, "/3303/0/5700", b"st", b"lt") == CHANGED
    assert "</3303/0/5700>" in links(server, "/3303/0")


@pytest.mark.parametrize(
    "path, query, code",
    [
        ("/3303/0/5700", [b"pmin=60", b"pmax=5"], BAD_REQUEST),
        ("/3303/0/5700", [b"pmin=60", b"pmax=60"], CHANGED),
        ("/3303/0/5700", [b"epmin=60", b"epmax=5"], BAD_REQUEST),
        ("/3303/0/5700", [b"gt=5", b"lt=6"], BAD_REQUEST),
        ("/3303/0/5700", [b"gt=5", b"lt=5"], BAD_REQUEST),
        ("/3303/0/5700", [b"gt=5", b"lt=3", b"st=1"], BAD_REQUEST),
        ("/3303/0/5700", [b"gt=5.1", b"lt=3", b"st=1"], CHANGED),
        ("/3303/0", [b"gt=5"], BAD_REQUEST),
        ("/3303/0/5700", [b"pmin=-1"], BAD_REQUEST),
        ("/3303/0/5700", [b"pmin=1.5"], BAD_REQUEST),
        ("/3303/0/5700", [b"pmin="], BAD_REQUEST),
        ("/3303/0/5700", [b"pmin=5", b"what=1"], BAD_REQUEST),
        ("/3303/0/5700", [b"gt=nan"], BAD_REQUEST),
        ("/3303/9", [b"pmin=5"], NOT_FOUND),
        ("/9", [b"pmin=5"], NOT_FOUND),
        ("/3303/0/99", [b"pmin=5"], NOT_FOUND),
        ("/3442/0/1120/0", [b"pmin=5"], CHANGED),
        ("/3442/0/1120/5", [b"pmin=5"], NOT_FOUND),
    ],
)
def test_attributes_are_checked_as_a_whole(server, path, query, code):
    assert write_attributes(server, path, *query) == code
    if code != CHANGED:
        assert "pmin" not in server.read("/3303/0", LINKS)["payload"].decode()


@pytest.mark.parametrize("version, code", [("1.1", BAD_REQUEST), ("1.2", CHANGED)])
def test_attributes_of_1_2_are_unknown_before(version, code):
    server = Server(version=version)
    for query in (b"con=1", b"edge=0", b"hqmax=9"):
        assert write_attributes(server, "/3303/0/5700", query) == code


def test_attributes_go_with_their_instance(server):
    write_attributes(server, "/3303/1", b"pmin=5")
    assert server.do(DELETE, "/3303/1")["code"] == DELETED
    payload = encode(TLV, [Node("/3303/1/5750", "again")], "/3303")
    assert server.do(POST, "/3303", payload, TLV)["code"] == CREATED
    assert links(server, "/3303/1")[0] == "</3303/1>"


@pytest.mark.parametrize("path", ["/9", "/3/1", "/3/0/99", "/9/0/0", "/0"])
def test_what_is_not_there_is_not_discovered(server, path):
    server.do(PUT, "/3/0/15", b"UTC", TEXT)
    assert server.read(path, LINKS)["code"] == NOT_FOUND


# Composite operations.


@pytest.mark.parametrize("asked, accept, told", [
    (SENML_JSON, None, SENML_JSON), (SENML_CBOR, None, SENML_CBOR), (320, None, SENML_JSON),
    (322, None, SENML_CBOR), (SENML_JSON, SENML_CBOR, SENML_CBOR),
])  # fmt: skip
def test_a_composite_read_gathers_what_can_be_read(server, asked, accept, told):
    paths = ["/3/0/0", "/3442/0/1120/1", "/3303/1", "/3/0/4", "/9/9/9"]
    payload = encode(asked, [Node(path) for path in paths], "/")
    options = [] if accept is None else [(17, accept)]
    answer = server.do(FETCH, "/", payload, asked, *options)
    assert (answer["code"], answer["content_format"]) == (CONTENT, told)
    found = {str(n.path): n.value for n in decode(told, answer["payload"], "/", TYPES)}
    assert found["/3/0/0"] == "lwm2m_fast"
    assert found["/3442/0/1120/1"] == -1
    assert "/3303/1/5700" in found
    assert not [path for path in found if path.startswith(("/3303/0", "/9", "/3/0/4"))]


def test_a_composite_read_of_the_root_tells_everything(server):
    answer = server.do(FETCH, "/", encode(SENML_CBOR, [Node("/")], "/"), SENML_CBOR)
    assert answer["code"] == CONTENT
    assert answer["block2"] == (0, True, 6)


def test_a_composite_write_is_all_or_nothing_and_null_removes(server):
    good = [
        Node("/3/0/15", "UTC"),
        Node("/3442/0/1120/7", 7),
        Node("/3442/0/1120/0", None, Kind.NULL),
    ]
    bad = [*good, Node("/3/0/0", "x")]
    assert server.do(IPATCH, "/", encode(320, bad, "/"), 320)["code"] == NOT_ALLOWED
    assert server.read("/3/0/15")["payload"] == b"Europe/Berlin"
    assert server.do(IPATCH, "/", encode(320, good, "/"), 320)["code"] == CHANGED
    assert server.read("/3/0/15")["payload"] == b"UTC"
    assert values(server, "/3442/0/1120") == {"/3442/0/1120/1": -1, "/3442/0/1120/7": 7}


def test_senml_json_of_a_written_device_is_json(server):
    server.do(PUT, "/3442/0/110", b'quote " and \\', TEXT)
    assert any(r.get("vs") == 'quote " and \\' for r in json.loads(
        server.do(GET, "/3442/0/110", b"", None, (17, SENML_JSON))["payload"]))  # fmt: skip
