"""The numbers, their derived properties, and that both spellings of them agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lwm2m_fast.wire import numbers
from lwm2m_fast.wire.numbers import RESPONSES, Code, ContentFormat, Option, Type, code_text

PXD = Path(numbers.__file__).with_suffix(".pxd").read_text()


@pytest.mark.parametrize(
    "family, prefix", [(Code, ""), (Option, "OPTION_"), (ContentFormat, "FORMAT_")]
)
def test_the_compiled_rooms_use_the_same_names_and_numbers(family, prefix):
    part = {"": 1, "OPTION_": 2, "FORMAT_": 3}[prefix]
    block = PXD.split("cdef enum:")[part]
    compiled = {
        name: int(value, 0) for name, value in re.findall(r"^    (\w+) = (\w+)", block, re.M)
    }
    assert compiled == {prefix + member.name: int(member) for member in family}


@pytest.mark.parametrize("family", [Type, Code, Option, ContentFormat])
def test_every_number_names_its_section_and_occurs_once(family):
    assert all(member.section for member in family)
    assert len(family.__members__) == len(list(family))
    assert all(family(int(member)) is member for member in family)


@pytest.mark.parametrize(
    "code, text",
    [(0, "0.00"), (1, "0.01"), (69, "2.05"), (95, "2.31"), (132, "4.04"), (255, "7.31")],
)
def test_a_code_is_written_as_class_and_detail(code, text):
    assert code_text(code) == text


@pytest.mark.parametrize("code", [-1, 256])
def test_a_code_is_one_byte(code):
    with pytest.raises(ValueError, match=f"code {code} is not one byte"):
        code_text(code)


@pytest.mark.parametrize(
    "code, text",
    [
        (Code.GET, "0.01"),
        (Code.IPATCH, "0.07"),
        (Code.CREATED, "2.01"),
        (Code.CONTENT, "2.05"),
        (Code.CONTINUE, "2.31"),
        (Code.BAD_REQUEST, "4.00"),
        (Code.REQUEST_ENTITY_INCOMPLETE, "4.08"),
        (Code.PRECONDITION_FAILED, "4.12"),
        (Code.REQUEST_ENTITY_TOO_LARGE, "4.13"),
        (Code.UNSUPPORTED_CONTENT_FORMAT, "4.15"),
        (Code.SERVICE_UNAVAILABLE, "5.03"),
        (Code.PROXYING_NOT_SUPPORTED, "5.05"),
    ],
)
def test_codes_have_the_values_of_their_standards(code, text):
    assert code.text == text


# RFC 7252, table 4; RFC 7641, section 2; RFC 7959, table 1: number, C, U, N (- for unsafe ones).
@pytest.mark.parametrize(
    "option, number, critical, unsafe, no_cache_key",
    [
        (Option.IF_MATCH, 1, True, False, False),
        (Option.URI_HOST, 3, True, True, False),
        (Option.ETAG, 4, False, False, False),
        (Option.IF_NONE_MATCH, 5, True, False, False),
        (Option.OBSERVE, 6, False, True, False),
        (Option.URI_PORT, 7, True, True, False),
        (Option.LOCATION_PATH, 8, False, False, False),
        (Option.URI_PATH, 11, True, True, False),
        (Option.CONTENT_FORMAT, 12, False, False, False),
        (Option.MAX_AGE, 14, False, True, False),
        (Option.URI_QUERY, 15, True, True, False),
        (Option.ACCEPT, 17, True, False, False),
        (Option.LOCATION_QUERY, 20, False, False, False),
        (Option.BLOCK2, 23, True, True, False),
        (Option.BLOCK1, 27, True, True, False),
        (Option.SIZE2, 28, False, False, True),
        (Option.PROXY_URI, 35, True, True, False),
        (Option.PROXY_SCHEME, 39, True, True, False),
        (Option.SIZE1, 60, False, False, True),
    ],
)
def test_what_an_unknown_option_asks_for_is_in_its_number(
    option, number, critical, unsafe, no_cache_key
):
    assert int(option) == number
    assert (option.is_critical, option.is_unsafe) == (critical, unsafe)
    assert option.is_no_cache_key == no_cache_key


def test_the_content_formats_are_those_of_the_registry():
    assert [int(member) for member in ContentFormat] == [
        0, 40, 42, 50, 60, 110, 112, 310, 320, 322, 1542, 1543, 11542, 11543, 11544,
    ]  # fmt: skip
    assert ContentFormat.OLD_TLV.media_type == ContentFormat.TLV.media_type
    assert ContentFormat(112).media_type == "application/senml+cbor"


def test_message_types_have_the_two_bits_of_the_header():
    assert [(member.name, int(member)) for member in Type] == [
        ("CON", 0), ("NON", 1), ("ACK", 2), ("RST", 3),
    ]  # fmt: skip


def test_a_response_code_is_found_by_what_people_write():
    assert RESPONSES["2.01"] is Code.CREATED
    assert RESPONSES["5.08"] is Code.HOP_LIMIT_REACHED
    assert RESPONSES.keys().isdisjoint({"0.00", "0.01", "0.07", "4.07"})
    assert len(RESPONSES) == sum(code.text[0] in "245" for code in Code)
