# Invariant: the compiled parser accepts exactly the datagrams that a plain reading of RFC 7252
# accepts, and sees the same type, code, message id, token, path, queries and payload in them.
"""Any bytes as a CoAP datagram."""

from __future__ import annotations

from lwm2m_fast.errors import FormatError
from lwm2m_fast.wire.coap import build, parse
from tests.fuzz import plain_coap

SEEDS = (
    b"\x40\0\0\1", b"\x70\0\0\1", plain_coap.register(),
    build(2, 69, 7, b"12345678", [(4, b"tag"), (12, 0), (23, 8), (28, 4096)], b"x" * 16),
    build(0, 1, 1, b"", [(11, b".well-known"), (11, b"core"), (6, 0), (17, 40), (60, 9)]),
    build(0, 2, 1, b"", [(11, b"rd"), (27, 0x1E), (3, b"host"), (7, 5683), (14, 60)], b"\xff"),
    build(0, 2, 1, b"", [(11, b"p")] * 20 + [(15, b"q")] * 40 + [(1, b""), (300, b"y" * 300)]),
)  # fmt: skip
WORDS = (b"\xff", b"\xd0", b"\xd1\0", b"\xe0\0\0", b"\xe1\xff\xff", b"\x0d\xff", b"\xb2rd")
MOST_PATH, MOST_QUERY = 8, 32
mutate = plain_coap.mutate


def check(data: bytes) -> None:
    try:
        plain = plain_coap.read(data)
    except plain_coap.Malformed:
        plain = None
    try:
        message = parse(data)
    except FormatError:
        assert plain is None, plain
        return
    assert plain is not None, message
    assert (message["type"], message["code"], message["mid"]) == (plain.type, plain.code, plain.mid)
    assert (message["token"], message["payload"]) == (plain.token, plain.payload)
    number = 11 if 0 < plain.code < 32 else 8
    path = [text for text in plain.texts(number) if len(text) <= 255]
    assert message["path"] == path[:MOST_PATH]
    assert bool(message.get("more_path")) == (len(path) > MOST_PATH)
    queries = [text for text in plain.texts(15) if len(text) <= 258]
    assert message["query"] == queries[:MOST_QUERY]
    assert bool(message.get("more_query")) == (len(queries) > MOST_QUERY)
    assert message["bad_option"] == 0 or message["bad_option"] in dict(plain.options)
