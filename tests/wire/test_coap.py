"""CoAP datagrams: every form of header, token, option and payload (RFC 7252, section 3)."""

import aiocoap
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lwm2m_fast.errors import FormatError
from lwm2m_fast.wire.coap import REASONS, build, parse

# Parsing


def test_the_parts_of_a_message_are_read():
    data = bytes.fromhex("42 02 3039 abcd  b2 7264  11 28  34 65703d61  ff 686921")
    assert parse(data) == {
        "type": 0,
        "code": 2,
        "mid": 12345,
        "token": b"\xab\xcd",
        "path": [b"rd"],
        "query": [b"ep=a"],
        "payload": b"hi!",
        "bad_option": 0,
        "content_format": 40,
    }


@pytest.mark.parametrize(
    "datagram, reason",
    [
        ("", "short"),
        ("40", "short"),
        ("400100", "short"),
        ("00010000", "version"),
        ("80010000", "version"),
        ("c0010000", "version"),
        ("49010000" + "00" * 9, "token_length"),
        ("4f010000" + "00" * 15, "token_length"),
        ("41010000", "token_truncated"),
        ("4801000000112233445566", "token_truncated"),
        ("410000000a", "empty_not_empty"),
        ("40000000ff", "empty_not_empty"),
        ("40000000b0", "empty_not_empty"),
        ("40200000", "code_class"),  # 1.00
        ("403f0000", "code_class"),  # 1.31
        ("40c00000", "code_class"),  # 6.00
        ("40ff0000", "code_class"),  # 7.31
        ("50000000", "type_code"),  # an empty NON
        ("60010000", "type_code"),  # a request in an ACK
        ("70010000", "type_code"),  # a request in a RST
        ("70450000", "type_code"),  # a response in a RST
        ("40010000f0", "option_delta"),
        ("40010000f1aa", "option_delta"),
        ("400100000f", "option_length"),
        ("40010000d0", "option_truncated"),  # no extended delta
        ("40010000e0ff", "option_truncated"),  # half of it
        ("400100000d", "option_truncated"),
        ("400100000eff", "option_truncated"),
        ("40010000b3aabb", "option_truncated"),  # a value cut off
        ("400100000d00" + "aa" * 12, "option_truncated"),
        ("40010000e0ffff", "option_delta"),  # 65804
        ("40010000e0fef3", "option_delta"),  # 65536
        ("40010000ff", "payload_empty"),
        ("40010000b161ff", "payload_empty"),
    ],
)
def test_a_malformed_message_is_refused_with_its_reason(datagram, reason):
    with pytest.raises(FormatError, match=f": {reason} "):
        parse(bytes.fromhex(datagram))


def test_there_is_a_name_for_each_reason_and_no_two_are_alike():
    assert len(set(REASONS.values())) == len(REASONS) == 11


@pytest.mark.parametrize("code", [0x01, 0x1F, 0x40, 0x5F, 0x60, 0x7F, 0x80, 0xBF])
def test_a_code_of_a_known_class_is_read(code):
    assert parse(bytes([0x40, code, 0, 0]))["code"] == code


def test_the_largest_option_number_is_65535():
    message = parse(bytes.fromhex("40010000e0fef2"))
    assert message["bad_option"] == 65535


def test_an_option_number_adds_up_from_deltas():
    # 11 "a", 11 "b", 12 = 60, 15 "c", 17 = 112
    message = parse(bytes.fromhex("40020000" + "b161" + "0162" + "113c" + "3163" + "2170"))
    assert message["path"] == [b"a", b"b"]
    assert message["query"] == [b"c"]
    assert (message["content_format"], message["accept"]) == (60, 112)


@pytest.mark.parametrize("size", [0, 1, 12, 13, 14, 255])
def test_a_path_segment_of_any_length_is_read(size):
    data = build(0, 1, 0, options=[(11, b"x" * size)])
    assert parse(data)["path"] == [b"x" * size]


@pytest.mark.parametrize(
    "value, read", [(b"", 0), (b"\0", 0), (b"\0\x28", 40), (b"\xff\xff", 65535)]
)
def test_leading_zeros_of_a_number_are_tolerated(value, read):
    assert parse(build(0, 1, 0, options=[(12, value)]))["content_format"] == read


@pytest.mark.parametrize(
    "value, block",
    [
        (b"", (0, False, 0)),
        (b"\x06", (0, False, 6)),
        (b"\x0e", (0, True, 6)),
        (b"\x1e", (1, True, 6)),
        (b"\xff\xff\xf7", (0xFFFFF, False, 7)),
    ],
)
@pytest.mark.parametrize("number, name", [(23, "block2"), (27, "block1")])
def test_a_block_is_number_more_and_size(number, name, value, block):
    assert parse(build(0, 1, 0, options=[(number, value)]))[name] == block


def test_eight_path_segments_and_32_parameters_are_read_and_more_are_noticed():
    full = parse(build(0, 1, 0, options=[(11, b"p")] * 8 + [(15, b"q")] * 32))
    assert (len(full["path"]), len(full["query"])) == (8, 32)
    assert "more_path" not in full
    assert "more_query" not in full
    more = parse(build(0, 1, 0, options=[(11, b"p")] * 9 + [(15, b"q")] * 33))
    assert (len(more["path"]), len(more["query"])) == (8, 32)
    assert more["more_path"]
    assert more["more_query"]


def test_the_path_of_a_response_is_its_location():
    assert parse(build(2, 0x41, 0, options=[(8, b"rd"), (8, b"5"), (11, b"no")]))["path"] == [
        b"rd",
        b"5",
    ]


def test_the_first_critical_option_that_cannot_be_honoured_is_named():
    options = [(2, b""), (9, b""), (13, b"x"), (65000, b"")]
    assert parse(build(0, 1, 0, options=options))["bad_option"] == 9


@pytest.mark.parametrize("number, fits", [(4, 8), (6, 3), (12, 2), (14, 4), (28, 4), (60, 4)])
def test_an_elective_option_that_is_too_long_is_skipped(number, fits):
    plain = parse(build(0, 1, 0))
    good = parse(build(0, 1, 0, options=[(number, b"\1" * fits)]))
    assert parse(build(0, 1, 0, options=[(number, b"\1" * (fits + 1))])) == plain
    assert (good == plain) is (number == 14)  # Max-Age means nothing to us


@pytest.mark.parametrize("number, fits", [(3, 255), (7, 2), (11, 255), (15, 258), (17, 2), (23, 3)])
def test_a_critical_option_that_is_too_long_makes_the_message_unusable(number, fits):
    assert parse(build(0, 1, 0, options=[(number, b"\1" * fits)]))["bad_option"] == 0
    assert parse(build(0, 1, 0, options=[(number, b"\1" * (fits + 1))]))["bad_option"] == number


# Building


@pytest.mark.parametrize(
    "parts, datagram",
    [
        ((0, 0, 0x1234), "40001234"),
        ((3, 0, 0xFFFF), "7000ffff"),
        ((2, 69, 1, b"\xaa", (), b"x"), "614500 01aa ff78"),
        ((0, 2, 1, b"", [(11, b"rd")]), "40020001 b27264"),
        ((0, 1, 1, b"", [(12, 0)]), "40010001 c0"),
        ((0, 1, 1, b"", [(12, 40)]), "40010001 c128"),
        ((0, 1, 1, b"", [(12, 11542)]), "40010001 c22d16"),
        ((0, 1, 1, b"", [(60, 65536)]), "40010001 d32f010000"),
        ((0, 1, 1, b"", [(60, 1 << 24)]), "40010001 d42f01000000"),
        ((0, 1, 1, b"", [(13, b"")]), "40010001 d000"),
        ((0, 1, 1, b"", [(268, b"")]), "40010001 d0ff"),
        ((0, 1, 1, b"", [(269, b"")]), "40010001 e00000"),
        ((0, 1, 1, b"", [(65535, b"")]), "40010001 e0fef2"),
        ((0, 1, 1, b"", [(1, b"x" * 13)]), "40010001 1d00" + "78" * 13),
        ((0, 1, 1, b"", [(1, b"x" * 268)]), "40010001 1dff" + "78" * 268),
        ((0, 1, 1, b"", [(1, b"x" * 269)]), "40010001 1e0000" + "78" * 269),
        ((0, 1, 1, b"", [(15, b"b"), (11, b"a"), (11, b"c")]), "40010001 b161 0163 4162"),
    ],
)
def test_a_message_is_built_as_the_standard_draws_it(parts, datagram):
    assert build(*parts) == bytes.fromhex(datagram)


@pytest.mark.parametrize(
    "parts", [(4, 0, 0), (0, 256, 0), (0, 0, 65536), (0, 0, -1), (0, 1, 0, b"x" * 9)]
)
def test_what_fits_no_header_cannot_be_built(parts):
    with pytest.raises(ValueError, match="8 bytes"):
        build(*parts)


# Both ways

KNOWN = st.sampled_from([1, 3, 4, 6, 7, 8, 11, 12, 14, 15, 17, 20, 23, 27, 28, 35, 39, 60])
OPTIONS = st.lists(
    st.tuples(KNOWN | st.integers(1, 65535), st.binary(max_size=20) | st.binary(max_size=300)),
    max_size=12,
)
CODES = st.sampled_from([1, 2, 3, 4, 5, 31, 65, 68, 69, 95, 128, 132, 160, 191])
TYPES = st.sampled_from([0, 1])


@given(TYPES, CODES, st.integers(0, 65535), st.binary(max_size=8), OPTIONS, st.binary(max_size=99))
@example(0, 1, 0, b"", [(65535, b""), (1, b"x" * 300)], b"\xff")
def test_what_is_built_parses_back(kind, code, mid, token, options, payload):
    message = parse(build(kind, code, mid, token, options, payload))
    assert (message["type"], message["code"], message["mid"]) == (kind, code, mid)
    assert (message["token"], message["payload"]) == (token, payload)
    paths = [v for n, v in options if n == (11 if code < 32 else 8) and len(v) <= 255]
    assert message["path"] == paths[:8]
    assert message["query"] == [v for n, v in options if n == 15 and len(v) <= 258]


@given(TYPES, CODES, st.integers(0, 65535), st.binary(max_size=8), OPTIONS, st.binary(max_size=99))
def test_aiocoap_reads_the_same_from_what_we_build(kind, code, mid, token, options, payload):
    # Numbers whose values aiocoap interprets are left to the vectors above.
    options = [(n, v) for n, v in options if n > 292 or n in (1, 4, 13)]
    other = aiocoap.Message.decode(build(kind, code, mid, token, options, payload))
    assert (int(other.mtype), int(other.code), other.mid) == (kind, code, mid)
    assert (other.token, other.payload) == (token, payload)
    ordered = sorted(options, key=lambda pair: pair[0])
    assert [(int(o.number), o.encode()) for o in other.opt.option_list()] == ordered


@given(st.binary(max_size=60))
@example(b"\x40\x01\x00\x00\xe0\xfe\xf3")
def test_any_bytes_are_a_message_or_refused_with_a_reason(data):
    try:
        message = parse(data)
    except FormatError as error:
        assert any(f": {reason} (" in str(error) for reason in REASONS.values())
    else:
        assert message["mid"] == data[2] << 8 | data[3]
        assert data.endswith(message["payload"])


@given(st.binary(min_size=4, max_size=60), st.integers(0, 255))
def test_what_we_take_for_a_message_aiocoap_takes_too(tail, code):
    data = bytes([0x40 | tail[0] & 15, code]) + tail[2:]
    try:
        ours = parse(data)
    except FormatError:
        return
    theirs = aiocoap.Message.decode(data)
    assert (theirs.token, theirs.payload) == (ours["token"], ours["payload"])
