"""Ranges: what is clear becomes numbers, everything else stays text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_fast.model import Limits, built_in, parse_limits


@pytest.mark.parametrize(
    "text, type, spans",
    [
        ("0..100", "INTEGER", ((0, 100),)),
        ("0-100", "INTEGER", ((0, 100),)),
        ("1...15", "INTEGER", ((1, 15),)),
        ("-128..127", "INTEGER", ((-128, 127),)),
        ("-110..-48", "INTEGER", ((-110, -48),)),
        ("-10--5", "INTEGER", ((-10, -5),)),
        ("0 to 9", "INTEGER", ((0, 9),)),
        ("0..18446744073709551615", "UNSIGNED_INTEGER", ((0, 2**64 - 1),)),
        ("0.000001..1.0", "FLOAT", ((0.000001, 1.0),)),
        ("0..86399", "TIME", ((0, 86399),)),
        ("5, 10, 15", "INTEGER", ((5, 5), (10, 10), (15, 15))),
        ("0..247, 255", "INTEGER", ((0, 247), (255, 255))),
        ("0; 3.8..20.5", "FLOAT", ((0, 0), (3.8, 20.5))),
        ("0: off 1: on 255: DOUBLE-CLICK", "INTEGER", ((0, 0), (1, 1), (255, 255))),
    ],
)
def test_clear_numbers_are_spans_of_the_value(text, type, spans):
    assert parse_limits(text, type) == Limits(spans)


@pytest.mark.parametrize(
    "text, spans",
    [
        ("1-8 bytes", ((1, 8),)),
        ("0..64 Bytes", ((0, 64),)),
        ("6 bytes", ((6, 6),)),
        ("1 byte", ((1, 1),)),
        ("10 or 26 Bytes", ((10, 10), (26, 26))),
        ("16-32-48 bytes", ((16, 16), (32, 32), (48, 48))),
    ],
)
def test_bytes_are_spans_of_the_size(text, spans):
    assert parse_limits(text, "STRING") == parse_limits(text, "OPAQUE") == Limits(spans, True)


@pytest.mark.parametrize(
    "text, type",
    [
        ("255", "INTEGER"),
        ("16-bit", "INTEGER"),
        ("2 bytes", "INTEGER"),
        ("-30..-120", "INTEGER"),
        ("<7 to >12.5", "INTEGER"),
        ("[1:4]", "INTEGER"),
        ("ON;OFF", "FLOAT"),
        ("0..255", "STRING"),
        ("1..64", "OPAQUE"),
        ("1.5 bytes", "OPAQUE"),
        ("-1..5 bytes", "OPAQUE"),
        ("bytes", "OPAQUE"),
        ("0..1", "BOOLEAN"),
        ("0..1", "OBJLNK"),
        ("0,,1", "INTEGER"),
        ("", "INTEGER"),
        ("see section 5.3", "STRING"),
    ],
)
def test_what_is_not_clear_gives_no_limits(text, type):
    assert parse_limits(text, type) is None


def test_a_text_is_read_up_to_its_bound_and_not_past_it():
    at_bound = "0..1" + ",2" * 126
    assert len(at_bound) == 256
    assert parse_limits(at_bound, "INTEGER") is not None
    assert parse_limits(at_bound + " ", "INTEGER") is None


@pytest.mark.parametrize(
    "value, is_allowed",
    [
        (-1, False),
        (0, True),
        (100, True),
        (101, False),
        (99.5, True),
        (100.5, False),
        (float("nan"), False),
        (True, False),
        ("5", False),
        (None, False),
    ],
)
def test_both_ends_are_allowed_and_one_past_them_is_not(value, is_allowed):
    assert parse_limits("0..100", "INTEGER").allows(value) is is_allowed


@pytest.mark.parametrize(
    "value, is_allowed",
    [
        (b"", False),
        (b"1", True),
        (b"12345678", True),
        (b"123456789", False),
        ("1234567\u00e9", False),
        ("123456\u00e9", True),
        (5, False),
    ],
)
def test_sizes_count_bytes(value, is_allowed):
    assert parse_limits("1-8 bytes", "STRING").allows(value) is is_allowed


def test_a_resource_gives_its_limits():
    device = built_in().get(3, "1.0")
    assert device.resources[9].limits == Limits(((0, 100),))
    assert device.resources[0].limits is None


@settings(deadline=None)
@given(
    st.integers(-(10**9), 10**9),
    st.integers(0, 10**9),
    st.sampled_from(["..", "...", " .. ", " to "]),
)
def test_every_written_span_is_read_back(low, width, between):
    limits = parse_limits(f"{low}{between}{low + width}", "INTEGER")
    assert limits.spans == ((low, low + width),)
    assert limits.allows(low) and limits.allows(low + width)
    assert not limits.allows(low - 1) and not limits.allows(low + width + 1)


@settings(deadline=None)
@given(st.text(max_size=300), st.sampled_from(["INTEGER", "FLOAT", "STRING", "OPAQUE", "NONE"]))
def test_no_text_is_an_error(text, type):
    limits = parse_limits(text, type)
    assert limits is None or all(low <= high for low, high in limits.spans)
