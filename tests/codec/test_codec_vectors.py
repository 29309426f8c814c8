"""Every example of the specifications decodes to what it says there."""

from __future__ import annotations

import json
import math
from typing import Any

import cbor2
import codec_vectors as v
import pytest

from lwm2m_fast.codec import Node, PayloadError, decode, encode
from lwm2m_fast.codec.cbor_tree import Map, read_cbor


def renamed(text: str, names: dict[str, str] = v.RENAMED) -> bytes:
    for name, path in names.items():
        text = text.replace(f'"{name}"', f'"{path}"')
    return text.encode()


def as_cbor(records: list[dict[str, Any]]) -> bytes:
    """SenML JSON as the SenML CBOR that means the same (RFC 8428, table 4)."""
    labels = {"bver": -1, "bn": -2, "bt": -3, "bu": -4, "n": 0, "u": 1, "v": 2, "vs": 3, "vb": 4,
              "t": 6, "vd": 8}  # fmt: skip
    return cbor2.dumps([{labels[k]: x for k, x in record.items()} for record in records])


@pytest.mark.parametrize("section, number, base, payload, nodes", v.OMA, ids=lambda x: str(x)[:40])
def test_an_example_of_oma_means_what_it_says(section, number, base, payload, nodes):
    assert decode(number, payload, base, v.TYPES).nodes() == nodes


@pytest.mark.parametrize("section, number, base, payload, nodes", v.OMA, ids=lambda x: str(x)[:40])
def test_an_example_of_oma_is_read_again_as_it_was_written(section, number, base, payload, nodes):
    assert decode(number, encode(number, nodes, base), base, v.TYPES).nodes() == nodes


@pytest.mark.parametrize("row", [r for r in v.OMA if r[1] in (11542, 112)], ids=lambda r: r[0])
def test_a_binary_example_of_oma_is_written_byte_by_byte(row):
    _, number, base, payload, nodes = row
    assert encode(number, nodes, base) == payload


@pytest.mark.parametrize("section, text, expected", v.RFC_8428, ids=lambda x: str(x)[:12])
def test_an_example_of_rfc_8428_means_what_it_says(section, text, expected):
    pack = decode(110, renamed(text), now_ns=v.NOW_NS)
    assert [(str(n.path), n.value, n.time_ns) for n in pack] == expected


@pytest.mark.parametrize("section, text, expected", v.RFC_8428[:4], ids=lambda x: str(x)[:12])
def test_an_example_of_rfc_8428_means_the_same_in_cbor(section, text, expected):

    pack = decode(112, as_cbor(json.loads(renamed(text))), now_ns=v.NOW_NS)
    assert [(str(n.path), n.value, n.time_ns) for n in pack] == expected


def test_names_of_other_systems_are_refused_with_the_reason():
    with pytest.raises(PayloadError, match="an id that is not a number"):
        decode(110, v.RFC_8428[0][1].encode())


def test_rfc_8428_section_5_1_3_tells_values_apart_by_unit_which_lwm2m_cannot():
    text = (
        '[{"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},'
        '{"u":"lon","v":24.30621}]'
    )
    with pytest.raises(PayloadError, match="is there already"):
        decode(110, renamed(text))


@pytest.mark.parametrize("number", [320, 322])
@pytest.mark.parametrize("section, text, expected", v.RFC_8790, ids=lambda x: str(x)[:12])
def test_an_example_of_rfc_8790_means_what_it_says(section, text, expected, number):

    payload = renamed(text, {"2001:db8::2/3311/0/": "/3311/0/"})
    if number == 322:
        payload = as_cbor(json.loads(payload))
    assert decode(number, payload).nodes() == [Node(p, value, kind) for p, value, kind in expected]


def plain(value: Any) -> Any:
    if isinstance(value, Map):
        return {entry.key: plain(entry.value) for entry in value}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("text, expected", v.RFC_8949, ids=lambda x: str(x)[:20])
def test_an_item_of_rfc_8949_appendix_a_is_read(text, expected):
    value = plain(read_cbor("CBOR", "/", bytes.fromhex(text)))
    assert type(value) is type(expected) or tuple(value) == expected
    if isinstance(expected, float):
        assert math.copysign(1, value) == math.copysign(1, expected)
        assert value == expected or (math.isnan(value) and math.isnan(expected))
    else:
        assert value == expected


@pytest.mark.parametrize("text", v.RFC_8949_REFUSED + v.RFC_8949_MALFORMED)
def test_an_item_of_rfc_8949_that_is_no_value_or_malformed_is_refused(text):
    with pytest.raises(PayloadError, match=r"^CBOR: "):
        read_cbor("CBOR", "/", bytes.fromhex(text))


# The same table through the compiled reader: as a SenML record's v, vs, vd or vb.
LABEL = {int: 2, float: 2, str: 3, bytes: 8, bool: 4}


@pytest.mark.parametrize(
    "text, expected",
    [row for row in v.RFC_8949 if type(row[1]) in LABEL and not row[0].startswith("d")],
    ids=lambda x: str(x)[:20],
)
def test_a_value_of_rfc_8949_appendix_a_is_read_in_a_senml_record(text, expected):
    payload = b"\x81\xa2\x00" + cbor2.dumps("/3/0/1") + bytes([LABEL[type(expected)]])
    payload += bytes.fromhex(text)
    if isinstance(expected, int) and not -(1 << 64) <= expected < 1 << 64:
        with pytest.raises(PayloadError, match="a number that no value can hold"):
            decode(112, payload)
    else:
        value = decode(112, payload)[0].value
        assert value == expected or (math.isnan(value) and math.isnan(expected))


@pytest.mark.parametrize("text", v.RFC_8949_MALFORMED)
def test_a_malformed_item_is_refused_where_an_unknown_field_is_passed_over(text):
    payload = b"\x81\xa3\x00" + cbor2.dumps("/3/0/1") + b"\x02\x01" + b"\x18\x63"
    assert decode(112, payload + b"\x00")[0].value == 1
    with pytest.raises(PayloadError, match=r"^SenML CBOR: "):
        decode(112, payload + bytes.fromhex(text))
