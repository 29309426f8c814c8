"""Every bound, at it and one past it; and work that grows no faster than the payload."""

from __future__ import annotations

import cbor2
import pytest

from lwm2m_fast.codec import FORMATS, Node, Path, PayloadError, decode, encode
from lwm2m_fast.codec.cbor_tree import MAX_ITEMS, read_cbor
from lwm2m_fast.codec.kinds import MAX_DEPTH, MAX_PAYLOAD_BYTES, MAX_RECORDS
from lwm2m_fast.errors import FormatError


@pytest.mark.parametrize("number", sorted(FORMATS))
def test_a_payload_may_be_as_long_as_the_limit_and_no_longer(number):
    longest = bytes(MAX_PAYLOAD_BYTES)
    with pytest.raises(PayloadError, match="16777216 bytes: the limit is 16777215"):
        decode(number, longest + b"\0", "/3/0/1")
    if number == 42:
        assert decode(number, longest, "/3/0/1")[0].value == longest


def json_records(count: int) -> bytes:
    return b"[%b]" % b",".join(
        b'{"n":"/3/0/%d/%d","v":1}' % divmod(i, 60_000) for i in range(count)
    )


def cbor_records(count: int) -> bytes:
    rows = [divmod(i, 60_000) for i in range(count)]
    return cbor2.dumps([{0: f"/3/0/{r}/{i}", 2: 1} for r, i in rows])


def tlv_records(count: int) -> bytes:
    ids = [i.to_bytes(2, "big") for i in range(60_000)]
    single = b"".join(b"\xe1" + i + b"\1" for i in ids)
    multiple = b"".join(b"\x61" + i + b"\1" for i in ids[: count - 60_000])
    return single + b"\xb0\xff\x00" + len(multiple).to_bytes(2, "big") + multiple


def oma_records(count: int) -> bytes:
    e = b",".join(b'{"n":"%d/%d","v":1}' % divmod(i, 60_000) for i in range(count))
    return b'{"bn":"/3/0/","e":[%b]}' % e


def lwm2m_records(count: int) -> bytes:
    rows = [divmod(i, 60_000) for i in range(count)]
    return cbor2.dumps({3: {0: {r: {i: 1 for q, i in rows if q == r} for r in (0, 1)}}})


@pytest.mark.parametrize(
    "number, make",
    [(110, json_records), (112, cbor_records), (320, json_records), (322, cbor_records),
     (11542, tlv_records), (11543, oma_records), (11544, lwm2m_records)],
)  # fmt: skip
def test_a_payload_may_hold_as_many_records_as_the_limit_and_no_more(number, make):
    assert len(decode(number, make(MAX_RECORDS), "/3/0")) == MAX_RECORDS
    with pytest.raises(PayloadError, match=f"more than {MAX_RECORDS} records"):
        decode(number, make(MAX_RECORDS + 1), "/3/0")


@pytest.mark.parametrize("number", [110, 112, 11542, 11543, 11544])
def test_as_many_records_as_the_limit_are_written_and_no_more(number):
    nodes = [Node(Path(3, 0, *divmod(i, 60_000)), 1) for i in range(MAX_RECORDS)]
    assert len(decode(number, encode(number, nodes, "/3/0"), "/3/0")) == MAX_RECORDS
    with pytest.raises(FormatError, match=f"{MAX_RECORDS}"):
        encode(number, [*nodes, Node("/3/0/9/1", 1)], "/3/0")


@pytest.mark.parametrize("nested", ["[{}]", '{{"a":{}}}'])
def test_unknown_fields_of_json_may_be_nested_as_deep_as_the_limit(nested):
    def payload(depth: int) -> bytes:
        inner = "1"
        for _ in range(depth):
            inner = nested.format(inner)
        return ('[{"n":"/3/0/1","v":1,"x":%s}]' % inner).encode()  # noqa: UP031 - braces inside

    assert decode(110, payload(MAX_DEPTH - 2))[0].value == 1
    with pytest.raises(PayloadError, match="nested too deeply"):
        decode(110, payload(MAX_DEPTH - 1))
    with pytest.raises(PayloadError, match="nested too deeply"):
        decode(110, payload(100_000))


@pytest.mark.parametrize("nested", ["81", "9f", "a101", "bf01", "c7"])
def test_unknown_fields_of_cbor_may_be_nested_as_deep_as_the_limit(nested):
    def payload(depth: int) -> bytes:
        ends = b"\xff" * depth if nested in ("9f", "bf01") else b""
        start = bytes.fromhex("81a300662f332f302f310201" + "1863")
        return start + bytes.fromhex(nested) * depth + b"\x01" + ends

    assert decode(112, payload(MAX_DEPTH - 2))[0].value == 1
    with pytest.raises(PayloadError, match="nested too deeply"):
        decode(112, payload(MAX_DEPTH - 1))
    with pytest.raises(PayloadError, match="nested too deeply"):
        decode(112, payload(100_000))


def test_a_cbor_item_may_be_nested_as_deep_as_the_limit():
    assert read_cbor("CBOR", "/", b"\x81" * MAX_DEPTH + b"\x01")
    with pytest.raises(PayloadError, match=f"nested deeper than {MAX_DEPTH}"):
        read_cbor("CBOR", "/", b"\x81" * (MAX_DEPTH + 1) + b"\x01")
    with pytest.raises(PayloadError, match=f"nested deeper than {MAX_DEPTH}"):
        read_cbor("CBOR", "/", b"\x81" * 100_000 + b"\x01")


def test_a_cbor_tree_may_have_as_many_items_as_the_limit():
    def payload(items: int) -> bytes:
        return b"\x9a" + (items - 1).to_bytes(4, "big") + b"\x01" * (items - 1)

    assert len(read_cbor("CBOR", "/", payload(MAX_ITEMS))) == MAX_ITEMS - 1
    with pytest.raises(PayloadError, match=f"more than {MAX_ITEMS} items"):
        read_cbor("CBOR", "/", payload(MAX_ITEMS + 1))


@pytest.mark.parametrize("size", [512, 513])
def test_a_name_with_escapes_is_bounded(size):
    name = "\\u002f3/0/1" + "\\u0031" * ((size - 11) // 6)
    name += "1" * (size - len(name))
    why = "the limit is 512" if size > 512 else "an id above 65535"
    with pytest.raises(PayloadError, match=why):
        decode(110, f'[{{"n":"{name}","v":1}}]'.encode())


# Payloads that would be slow if any step looked at what it has done before. The count of executed
# lines cannot be seen from here, so the sizes are such that quadratic work would take minutes.
def test_many_records_in_the_worst_order_are_still_read():
    count = MAX_RECORDS - 1
    shuffled = [(i * 40_503) % 65_536 for i in range(count)]
    tlv = b"".join(b"\xe1" + i.to_bytes(2, "big") + b"\1" for i in shuffled)
    assert len(decode(11542, tlv, "/3/0")) == count
    json = b",".join(b'{"n":"/3/0/%d","v":1}' % i for i in shuffled)
    assert len(decode(110, b"[%b]" % json)) == count
    nodes = [Node(Path(3, 0, i), 1) for i in shuffled]
    assert decode(11542, encode(11542, nodes, "/3/0"), "/3/0")[0].path == Path(3, 0, 0)


def test_base_names_without_values_do_not_count_as_records():
    payload = b"[%b]" % b",".join([b'{"bn":"/3/0/"}'] * (MAX_RECORDS + 1))
    assert len(decode(110, payload)) == 0
