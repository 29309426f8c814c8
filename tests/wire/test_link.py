"""Link format (RFC 6690) and link sets, as devices send them and as attackers would."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_fast.errors import FormatError, RequestError
from lwm2m_fast.wire import link
from lwm2m_fast.wire.link import LinkSet, build, parse


def objects(text: str) -> dict[int, tuple[str | None, list[int]]]:
    return parse(text.encode()).objects


def test_the_example_of_the_specification_is_understood():
    # OMA TS LwM2M Core 1.1, section 6.2.1.
    links = parse(
        b'</lwm2m>;rt="oma.lwm2m";ct="60 110 112 11542",</lwm2m/1>;ver=1.1,</lwm2m/1/101>,'
        b"</lwm2m/1/102>,</lwm2m/2/0>,</lwm2m/3/0>;ver=1.1,</lwm2m/5>"
    )
    assert links.root == "/lwm2m"
    assert links.content_formats == [60, 110, 112, 11542]
    assert links.objects == {
        1: ("1.1", [101, 102]),
        2: (None, [0]),
        3: ("1.1", [0]),
        5: (None, []),
    }


TOLERATED = [
    ("</1/0>,</3/0>,", "one comma at the end"),
    ("</1/0>,</3/0> , ", "and blanks around it"),
    (" </1/0> ,\t</3/0>\r\n", "blanks around commas and at both ends"),
    ("</1/0> ; a = b ; c,</3/0>", "blanks around semicolon and equals"),
    ("</1/0>,</3/0>,</3/0>,</1/0>", "links said twice"),
    ("</3/0>,</1/0>", "any order"),
    ("</1/0/>,</3/0/>", "a slash at the end"),
    ("<1/0>,<3/0>", "a target relative to /"),
    ("</%31/0>,</%33/%30>", "percent-encoded digits"),
    ("</1/0>;a=1;a=2;title*=UTF-8''x;b,</3/0>", "unknown and repeated attributes"),
    ('</1/0>;t="a,b;c</9/9>",</3/0>', "separators inside quotes"),
    ('</1/0>;t="a\\"b\\\\",</3/0>', "escaped quotes"),
    ('</1/0>;t="",</3/0>', "an empty quoted string"),
    ("</1/0>;if=core.s#a/b?c=d<e>,</3/0>", "every character a bare value may have"),
    ('</1/0>;t="\u00e9\u4e2d",</3/0>', "UTF-8 inside quotes"),
    ("</>,</1/0>,</3/0>", "the root without attributes"),
    ("</.well-known/core>;ct=40,</rd>,</1/0>,</3/0>,</text/5/0>", "names are not objects"),
    ("</1/0>,</3/0>,</3/0/13>,</4/0/0/>,</5/1/2/3>", "resources are no instances"),
    ("</1/0>,<coap://h/5/0>,<//h/6/0>,</3/0>", "other hosts"),
]


@pytest.mark.parametrize("text, why", TOLERATED)
def test_what_can_only_be_understood_in_one_way_is_accepted(text, why):
    assert objects(text) == {1: (None, [0]), 3: (None, [0])}, why


@pytest.mark.parametrize(
    "attributes, formats",
    [
        ("", []),
        (";ct", []),
        (';ct=""', []),
        (";ct=110", [110]),
        (';ct="110"', [110]),
        (';ct="60 110"', [60, 110]),
        (';ct=" 60  110 "', [60, 110]),
        (";ct=0", [0]),
        (";ct=65535", [65535]),
        (";ct=11542;ct=110", [110]),
    ],
)
@pytest.mark.parametrize("root", ["/", "/root"])
def test_content_formats_are_those_of_the_root_quoted_or_not(root, attributes, formats):
    rt = ';rt="oma.lwm2m"' if root != "/" else ""
    links = parse(f"<{root}>{rt}{attributes},<{root.rstrip('/')}/3/0>;ct=42".encode())
    assert (links.root, links.content_formats) == (root, formats)
    assert links.objects == {3: (None, [0])}


@pytest.mark.parametrize(
    "text, root",
    [
        ("</3/0>", "/"),
        ("</>,</3/0>", "/"),
        ('</>;rt="oma.lwm2m",</3/0>', "/"),
        ("</>;rt=oma.lwm2m,</3/0>", "/"),
        ('<>;rt="oma.lwm2m",</3/0>', "/"),
        ('</a>;rt="oma.lwm2m",</a/3/0>', "/a"),
        ("</a>;rt=oma.lwm2m,</a/3/0>", "/a"),
        ('</a/>;rt="oma.lwm2m",</a/3/0>', "/a"),
        ('</a>;rt="other oma.lwm2m  third",</a/3/0>', "/a"),
        ('</a/b>;rt="oma.lwm2m",</a/b/3/0>,</a/4/0>', "/a/b"),
        ('</a/3/0>,</4/0>,</a>;rt="oma.lwm2m"', "/a"),
        ('</%61%20%C3%A9>;rt="oma.lwm2m",</a%20%c3%a9/3/0>', "/a é"),
        ('</a>;rt="oma.lwm2m",</b>;rt="oma.lwm2m",</a/4/0>,</b/3/0>', "/b"),
        ('</7>;rt="oma.lwm2m",</7/3/0>', "/7"),
        ('</a>;rt="oma.lwm2m.x",</3/0>', "/"),
        ('</a>;rt="oma.lwm2",</3/0>', "/"),
    ],
)
def test_the_root_is_what_rt_names_and_links_outside_it_are_ignored(text, root):
    links = parse(text.encode() + b",</outside/5/0>,</ab/6/0>")
    assert (links.root, links.objects) == (root, {3: (None, [0])})


def test_the_formats_of_the_root_that_rt_names_win_over_those_of_the_slash():
    both = b'</>;ct=60,</a>;rt="oma.lwm2m";ct=110,</>;ct=112'
    assert parse(both).content_formats == [110]
    assert parse(b'</>;ct=60,</a>;rt="oma.lwm2m"').content_formats == [60]


@pytest.mark.parametrize(
    "text, version",
    [
        ("</3>", None),
        ("</3>;ver=1.1", "1.1"),
        ('</3>;ver="1.1"', "1.1"),
        ("</3>;ver=2", "2.0"),
        ("</3>;ver=254.254", "254.254"),
        ("</3>;ver=0.0", "0.0"),
        ("</3/0>;ver=1.2", "1.2"),
        ("</3>;ver=1.1,</3/0>", "1.1"),
        ("</3/0>,</3>;ver=1.1", "1.1"),
        ("</3>;ver=1.1,</3/0>;ver=1.2", "1.2"),
        ("</3/0>;ver=1.2,</3>;ver=1.1", "1.1"),
        ("</3/1>;ver=1.2,</3/0>;ver=1.1", "1.1"),
        ("</3>;ver=1.1;ver=1.3,</3>", "1.3"),
    ],
)
def test_the_version_given_last_for_an_object_or_its_instance_counts(text, version):
    assert objects(text)[3][0] == version


def test_a_strange_version_where_no_object_is_disturbs_nobody():
    assert objects("</a>;ver=junk,</3/0/1>;ver=1.x,</3/0>") == {3: (None, [0])}


REFUSED = [
    ("", "no link", 0),
    (" \t", "no link", 2),
    (",</3/0>", "target is not", 0),
    ("</1/0>,,</3/0>", "target is not", 7),
    ("</1/0>,</3/0>,,", "target is not", 14),
    ("</1/0>,empty,</3/0>", "target is not", 7),
    ("/3/0", "target is not", 0),
    ("</3/0", "target is not", 5),
    ("</3 /0>", "target is not", 3),
    ("< /3/0>", "target is not", 1),
    ("</3/0\n>", "target is not", 5),
    ('</3"/0>', "target is not", 3),
    ("<</3/0>", "target is not", 1),
    ("</3\\0>", "target is not", 3),
    ("</3/0\0>", "target is not", 5),
    ("</é>", "target is not", 2),
    ("</%>", "percent-encoding", 2),
    ("</%4>", "percent-encoding", 2),
    ("</%g0>", "percent-encoding", 2),
    ("</%0g>", "percent-encoding", 2),
    ("</a%", "percent-encoding", 3),
    ("</3a>", "path is not", 2),
    ("</3/a>", "path is not", 4),
    ("</3/0a>", "path is not", 4),
    ("</3//0>", "path is not", 4),
    ("</03>", "path is not", 2),
    ("</3/00>", "path is not", 4),
    ("</3%2F0>", "path is not", 2),
    ("</3?x>", "path is not", 2),
    ("</3/-1>", "path is not", 4),
    ("</65535>", "id above 65534", 2),
    ("</3/65535>", "id above 65534", 4),
    ("</99999999999999999999>", "id above 65534", 2),
    ("</3/0></4/0>", "separator expected", 6),
    ("</3/0>x", "separator expected", 6),
    ("</3/0>;ct=60 110", "separator expected", 13),
    ('</3/0>;a="b"c', "separator expected", 12),
    ("</3/0>;a b", "separator expected", 9),
    ("</3/0>;a=b\\c", "separator expected", 10),
    ("</3/0>;", "name expected", 7),
    ("</3/0>;;a", "name expected", 7),
    ("</3/0>;,</4/0>", "name expected", 7),
    ("</3/0>;=1", "name expected", 7),
    ('</3/0>;"a"', "name expected", 7),
    ("</3/0>;a=", "value expected", 9),
    ("</3/0>;a=,</4/0>", "value expected", 9),
    ("</3/0>;a=é", "value expected", 9),
    ('</3/0>;a="\0"', "value expected", 10),
    ('</3/0>;a="\x7f"', "value expected", 10),
    ('</3/0>;a="b', "no end", 9),
    ('</3/0>;a="', "no end", 9),
    ('</3/0>;a="\\', "no end", 9),
    ('</3/0>;a="b\\"', "no end", 9),
    ("</3>;ver", "ver is not", 8),
    ('</3>;ver=""', "ver is not", 10),
    ("</3>;ver=a", "ver is not", 9),
    ("</3>;ver=1.", "ver is not", 11),
    ("</3>;ver=.1", "ver is not", 9),
    ("</3>;ver=1.1.1", "ver is not", 12),
    ("</3>;ver=1,1", "target is not", 11),
    ("</3>;ver=255.0", "ver is not", 11),
    ("</3>;ver=1.255", "ver is not", 13),
    ('</3>;ver="1.1 "', "ver is not", 13),
    ("</>;ct=a", "ct is not", 7),
    ("</>;ct=65536", "ct is not", 12),
    ("</>;ct=99999999999", "ct is not", 12),
    ('</>;ct="60,110"', "ct is not", 10),
    ("</>;ct=-1", "ct is not", 7),
    ('</a%2Fb>;rt="oma.lwm2m"', "bad root", 3),
    ('</%0A>;rt="oma.lwm2m"', "bad root", 2),
    ('</%FF>;rt="oma.lwm2m"', "bad root", 1),
    ('</%C3>;rt="oma.lwm2m"', "bad root", 1),
    ('</%C0%AF>;rt="oma.lwm2m"', "bad root", 1),
    ('</%ED%A0%80>;rt="oma.lwm2m"', "bad root", 1),
    ('</%F5%80%80%80>;rt="oma.lwm2m"', "bad root", 1),
    ('<coap://h/a>;rt="oma.lwm2m"', "bad root", 1),
]


@pytest.mark.parametrize("text, reason, offset", REFUSED)
def test_a_malformed_payload_is_refused_with_reason_and_offset(text, reason, offset):
    with pytest.raises(FormatError, match=rf"links: .*{reason}.* at byte {offset}$"):
        parse(text.encode())


@pytest.mark.parametrize(
    "tail", ["\u0080", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff"]
)
def test_a_root_may_be_any_utf_8(tail):
    target = "/r" + "".join(f"%{byte:02X}" for byte in tail.encode())
    links = parse(f'<{target}>;rt="oma.lwm2m",<{target.lower()}/3/0>'.encode())
    assert (links.root, links.objects) == ("/r" + tail, {3: (None, [0])})


def attributes(count: int) -> str:
    return "".join(f";a{i}" for i in range(count))


LIMITS = [
    ("links", lambda n: ",".join(f"</{n - i}/{i}>" for i in range(n)), link.MOST_LINKS),
    ("attributes", lambda n: "</3>" + attributes(n), link.MOST_ATTRIBUTES),
    ("content formats", lambda n: f'</>;ct="{" ".join(["60"] * n)}"', link.MOST_FORMATS),
    ("root path", lambda n: f'</{"r" * (n - 1)}>;rt="oma.lwm2m"', link.MOST_ROOT_BYTES),
    ("bytes", lambda n: "</3/0>".ljust(n), link.MOST_BYTES),
    ("id above", lambda n: f"</{n}/{n}>", 65534),
]


@pytest.mark.parametrize("what, text, most", LIMITS, ids=[row[0] for row in LIMITS])
def test_every_limit_is_reached_and_one_past_it_refused(what, text, most):
    parse(text(most).encode())
    with pytest.raises(FormatError, match=what):
        parse(text(most + 1).encode())


def test_the_largest_link_set_fits_the_room_that_always_suffices():
    root = "/" + "r" * 254
    formats = " ".join(["65535"] * 64)
    text = f'<{root}>;rt="oma.lwm2m";ct="{formats}",' + ",".join(
        f"<{root}/{i}/{i}>;ver=1.1" for i in range(2047)
    )
    packed = parse(text.encode()).packed
    assert len(packed) == link.SET_BYTES - 8  # the root itself took one of the links


def test_links_in_any_order_and_spelling_give_the_same_bytes():
    draw = random.Random(1)
    texts = [f"</{o}/{i}>" for o in (1, 3, 5, 3303, 65534) for i in range(4)]
    texts += ["</3>;ver=1.1", "</5>;ver=1.0", "</>;ct=110"]
    sets = set()
    for _ in range(50):
        draw.shuffle(texts)
        sets.add(parse(" , ".join(texts + texts[:3]).encode()).packed)
    assert len(sets) == 1


IDS = st.one_of(st.integers(0, 10), st.integers(0, 65534))
VERSIONS = st.one_of(st.none(), st.tuples(st.integers(0, 254), st.integers(0, 254)))
SEGMENT = st.text("abAB-._~ é", min_size=1, max_size=5)


@given(
    st.lists(SEGMENT, max_size=3),
    st.lists(st.integers(0, 65535), max_size=64),
    st.dictionaries(IDS, st.tuples(VERSIONS, st.sets(IDS, max_size=20)), max_size=20),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=200)
def test_what_was_written_is_what_is_read(segments, formats, wanted, draw):
    root = "".join("/" + segment for segment in segments)
    links = [(root or "/", {"rt": "oma.lwm2m", "ct": formats, "title": 'a "b" \\ ,;<>'})]
    for object_id, (version, instances) in wanted.items():
        ver = {"ver": f"{version[0]}.{version[1]}"} if version else {}
        links.append((f"{root}/{object_id}", {"obs": None, "sz": 7} | ver))
        links += [(f"{root}/{object_id}/{i}", {}) for i in instances]
    draw.shuffle(links)
    read = parse(build(links))
    assert (read.root, read.content_formats) == (root or "/", formats)
    assert read.objects == {
        object_id: (f"{version[0]}.{version[1]}" if version else None, sorted(instances))
        for object_id, (version, instances) in sorted(wanted.items())
    }
    assert LinkSet(read.packed) == read


ALPHABET = b'</>3065,;="\\ %2Fver=1.ctrtoma.lwm2m\xc3\0'


@given(st.lists(st.sampled_from([bytes([c]) for c in ALPHABET] + [b"</3/0>", b'rt="oma.lwm2m"'])))
@settings(deadline=None, max_examples=1000)
def test_any_bytes_are_refused_or_give_a_sound_link_set(parts):
    data = b"".join(parts)
    try:
        links = parse(data)
    except FormatError:
        return
    assert list(links.objects) == sorted(set(links.objects))
    assert all(ids == sorted(set(ids)) for _, ids in links.objects.values())
    assert links.root.startswith("/")


@pytest.mark.parametrize(
    "part",
    [
        "<",
        ",",
        ";",
        "%",
        '"',
        "\\",
        "</3>",
        "</3>,",
        "</3>;a=",
        ";a",
        "/",
        "a ",
        "<%33>",
        '</3>;a="\\"',
    ],
)
@pytest.mark.parametrize("front", ["", "</", '</3>;a="', '</>;ct="', '</>;rt="', "</>;rt="])
def test_a_megabyte_of_anything_comes_to_its_end(front, part):
    data = (front + part * link.MOST_BYTES)[: link.MOST_BYTES - 1].encode() + b"\0"
    with pytest.raises(FormatError, match="at byte"):
        parse(data)


RICH = b'</a%41>;rt="oma.lwm2m";ct="60 110";x,</aA/3>;ver="1.1";ver=1.2;ver , </aA/3/0>;t=","'


@pytest.mark.parametrize("size", range(len(RICH) + 1))
@pytest.mark.parametrize("behind", [b"1", b'"', b">", b"41", b",", b"a"])
def test_bytes_behind_the_payload_change_nothing(size, behind):
    # Found by fuzzing: the value of a last `ver` without one was read from behind the end.
    def outcome(data: bytes | memoryview) -> LinkSet | str:
        try:
            return parse(data)
        except FormatError as error:
            return str(error)

    assert outcome(memoryview(RICH[:size] + behind)[:size]) == outcome(RICH[:size])


@pytest.mark.parametrize("size", range(14))
def test_a_link_set_that_was_cut_short_is_refused(size):
    packed = parse(b"</>;ct=60,</3/0>").packed
    assert len(packed) == 14
    with pytest.raises(FormatError, match="link set: cut short"):
        LinkSet(packed[:size])


def test_a_link_set_with_something_behind_it_or_a_broken_root_is_refused():
    packed = parse(b'</a>;rt="oma.lwm2m",</a/3/0>').packed
    with pytest.raises(FormatError, match="link set: 1 bytes behind its end"):
        LinkSet(packed + b"\0")
    with pytest.raises(FormatError, match="link set: the root path is not UTF-8"):
        LinkSet(packed.replace(b"a", b"\xff"))


def test_link_sets_are_equal_by_what_they_hold():
    one, same, other = parse(b"</3/0>,</1>"), parse(b"</1>,</3/0>,"), parse(b"</3/1>")
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != one.packed
    assert repr(one) == "LinkSet(root='/', ct=[], objects={1: (None, []), 3: (None, [0])})"


def test_attributes_are_written_bare_quoted_or_as_a_name_alone():
    text = build([("/", {"rt": "oma.lwm2m", "ct": [60, 110], "sz": 5}), ("/a b", {"obs": None})])
    assert text == b'</>;rt="oma.lwm2m";ct="60 110";sz=5,</a%20b>;obs'
    assert build([("/x", {"t": 'a"\\'})]) == b'</x>;t="a\\"\\\\"'
    assert build([]) == b""


@pytest.mark.parametrize(
    "name, value", [("a b", 1), ("", None), ("a=", "x"), ("t", "a\0b"), ("t", "\n")]
)
def test_what_cannot_be_written_as_an_attribute_is_refused(name, value):
    with pytest.raises(RequestError, match="link attribute"):
        build([("/3", {name: value})])
