# Invariant: the judge of Sends (core/judge) takes what the reader of Sends can read and the device
# has registered, and refuses what it cannot, 4.00 or 4.04, whatever it was given before; what is
# taken has the same number exactly when it is of the same paths.
"""Any bytes as Sends, one after the other, in any format: (format, size, payload) each."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from lwm2m_fast.codec import Kind, Node, Path, encode
from lwm2m_fast.config import Config, RegistrationConfig
from lwm2m_fast.core.answers import decode_send
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.core.forms import Forms
from lwm2m_fast.core.judge import Judge
from lwm2m_fast.datagram import Inbox
from lwm2m_fast.errors import FormatError
from lwm2m_fast.fleet.settings import UNSET, Settings
from lwm2m_fast.model import Model, built_in
from lwm2m_fast.targets import Targets
from tests.fuzz import plain_coap
from tests.fuzz.fuzz_codec_table import CBOR_WORDS
from tests.fuzz.plain_coap import CON, Plain

FORMATS = (112, 110, 11544)
ADDRESS = "192.0.2.1:5683"
UNIX = 1_700_000_000.0
WORDS = (*CBOR_WORDS, b"/3303/0/5700", b'"bn":', b'"n":', b'"v":', b'"t":', b'"vs":')


class Nobody:
    """No device has settings of its own."""

    own: Mapping[str, Settings] = MappingProxyType({})

    def get(self, endpoint: str) -> Settings:
        return UNSET


@cache
def court() -> tuple[Engine, Targets]:
    config = Config(registration=RegistrationConfig(policy="open"))
    engine = Engine(config, (1, 2), random.Random(7).randbytes, 1.0, UNIX)
    m = Plain(CON, 2, 1, b"t", [(11, b"rd"), (15, b"ep=a"), (15, b"lwm2m=1.1")])
    m.payload = b"</3/0>,</3303/0>,</3303/1>"
    receive(engine, plain_coap.write(m))
    engine.wants_reports = True
    return engine, Targets(engine, Model(built_in()), Nobody())


def receive(engine: Engine, data: bytes) -> Any:
    inbox = Inbox()
    inbox.load([(ADDRESS, data)])
    engine.receive(inbox, 1.0)
    output = engine.take_output()
    if output is not None and output.turn:
        engine.committed(output.turn)
    return output


def expected(target: Any, number: int, payload: bytes) -> tuple[int, tuple[Path, ...]]:
    """Code and paths by way of the reader."""
    try:
        pack = decode_send(target, number, payload, UNIX)
    except FormatError:
        return 0x80, ()
    instances = {i << 16 | n for i, (_, all_) in target.objects.items() for n in all_}
    if pack.unregistered(instances) is not None:
        return 0x84, ()
    return 68, tuple(node.path for node in pack)


def sends(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at + 2 <= len(data) and len(found) < 16:
        size = data[at + 1]
        found.append((FORMATS[data[at] % 3], data[at + 2 : at + 2 + size]))
        at += 2 + size
    return found


def check(data: bytes) -> None:
    engine, targets = court()
    target = targets.form_of("a")
    engine.judge_send = judge = Judge(Forms(engine, targets))
    told: dict[int, str] = {}
    judge.report_to({}, lambda number, endpoint, form: told.setdefault(number, endpoint))
    numbers: dict[tuple[Path, ...], int] = {}
    for content_format, payload in sends(data):
        if not payload:
            continue
        code, paths = expected(target, content_format, payload)
        check.mid = (check.mid + 1) % 65536  # type: ignore[attr-defined]
        token = check.mid.to_bytes(2, "big")  # type: ignore[attr-defined]
        options = [(11, b"dp"), (12, content_format.to_bytes(2, "big"))]
        m = Plain(CON, 2, check.mid, token, options, payload)  # type: ignore[attr-defined]
        output = receive(engine, plain_coap.write(m))
        assert engine.fault is None, engine.fault
        [(_, answer)] = engine.outbox.drain()
        assert answer[1] == code, (answer[1], code, payload)
        if code == 68:
            [report] = output.reports
            assert report[4] == payload
            assert numbers.setdefault(paths, report[1]) == report[1]
            assert report[1] <= -(2**62) and told[report[1]] == "a"
    assert len(set(numbers.values())) == len(numbers)


check.mid = 1  # type: ignore[attr-defined]


def _pack(*given: tuple[int, bytes]) -> bytes:
    return b"".join(bytes([FORMATS.index(n), len(payload)]) + payload for n, payload in given)


_NODES = [
    [Node("/3303/0/5700", 21.5, Kind.FLOAT)],
    [Node("/3303/0/5700", 1.0, Kind.FLOAT, 10**18), Node("/3303/1/5700", 1.0, Kind.FLOAT, 10**18)],
    [Node("/3/0/9", 50, Kind.INTEGER), Node("/3303/0/5701", "Cel", Kind.STRING)],
    [Node("/3303/7/5700", 21.5, Kind.FLOAT)],
]
SEEDS = (
    *(_pack(*((n, encode(n, nodes)) for nodes in _NODES)) for n in (112, 110)),
    _pack((11544, encode(11544, _NODES[0])), (11544, encode(11544, _NODES[2]))),
    _pack((110, b'[{"bn":"/3303/0/","bt":16e8,"bv":1,"n":"5700","v":1}]'), (112, b"\x81\xa0")),
    _pack((112, b"\x9f\xbf\x00\x7f\x63/33\x6903/0/5700\xff\x02\x01\xff\xff"), (110, b"[{}]")),
)
