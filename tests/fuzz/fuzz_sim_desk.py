# Invariant: whatever a server sends to a simulated device, nothing raises, each thing that it says
# is well-formed CoAP, and at the end it still answers a read and registers what it has.
"""Any datagrams, one behind the other, to a simulated device of LwM2M 1.2."""

from __future__ import annotations

from lwm2m_fast.sim.options import Options
from lwm2m_fast.sim.simulation import build_devices
from lwm2m_fast.wire.coap import build
from lwm2m_fast.wire.link import parse as parse_links
from tests.fuzz.plain_coap import read

STEP_NS = 700_000_000


def _path(text: str) -> list[tuple[int, bytes]]:
    return [(11, part.encode()) for part in text.split("/") if part]


def _packed(*datagrams: bytes) -> bytes:
    """Each behind its length."""
    return b"".join(len(each).to_bytes(2, "big") + each for each in datagrams)


def _asked(code: int, path: str, payload: bytes = b"", *options: tuple[int, bytes | int]) -> bytes:
    return build(0, code, len(path) * 31 + code, b"tk", [*_path(path), *options], payload)


SEEDS = (
    _packed(_asked(1, "3/0", b"", (17, 112)), _asked(3, "3/0/15", b"UTC", (12, 0))),
    _packed(
        _asked(1, "3442/0/120", b"", (6, 0)),
        _asked(3, "3442/0/120", b"", (15, b"pmin=1"), (15, b"pmax=2"), (15, b"gt=5")),
        _asked(3, "3442/0/120", b"9", (12, 0)),
        _asked(1, "3442/0/120", b"", (6, 1)),
    ),
    _packed(_asked(2, "3303", b"\x00\x09", (12, 11542)), _asked(4, "3303/9"), _asked(2, "3/0/4")),
    _packed(
        _asked(5, "", b'[{"n":"/3/0"},{"n":"/"}]', (12, 110), (6, 0)),
        _asked(7, "", b'[{"n":"/3/0/15","vs":"x"},{"n":"/3442/0/1120/0","v":null}]', (12, 320)),
    ),
    _packed(
        _asked(3, "5/0/0", bytes(64), (12, 42), (27, 0 << 4 | 8 | 2)),
        _asked(3, "5/0/0", bytes(9), (12, 42), (27, 1 << 4 | 2)),
        _asked(2, "5/0/2"),
    ),
    _packed(_asked(2, "3303/0/5605", b"0='a',1", (12, 0)), _asked(3, "1/0/1", b"60", (12, 0))),
    _packed(_asked(1, "3303", b"", (23, 2)), bytes.fromhex("60000001"), bytes.fromhex("70000002")),
)
WORDS = (
    b"\xb13", b"\x443442", b"\x010", b"pmin=", b"pmax", b"lt=1", b"\xff", b"[{", b"\x60", b"null",
)  # fmt: skip


def check(data: bytes) -> None:
    options = Options(devices=1, version="1.2", notify_every_s=2.0)
    fleet, desk = build_devices(options, 0, 1_700_000_000)
    fleet.load(1, [0], once=True)
    now, at = 0, 0
    while at + 2 <= len(data) and now < 64 * STEP_NS:
        size = int.from_bytes(data[at : at + 2], "big")
        fleet.receive_datagram(0, data[at + 2 : at + 2 + size], now)
        fleet.handle_turn(now)
        for _, said in fleet.take_output():
            read(said)
        at, now = at + 2 + size, now + STEP_NS
    fleet.receive_datagram(0, build(0, 1, 65535, b"end", _path("3/0/2")), now + 300 * 10**9)
    answers = [read(said) for _, said in fleet.take_output()]
    assert any(answer.payload == b"sim-000001" for answer in answers), answers
    parse_links(desk.links(0))
