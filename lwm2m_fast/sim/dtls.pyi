from typing import TypedDict

from lwm2m_fast.sim.fleet import Fleet
from lwm2m_fast.sim.histogram import Histogram
from lwm2m_fast.sim.identities import Identify
from lwm2m_fast.sim.layer import Layer

SUITES: dict[str, int]
"""LF_DTLS_* bit by IANA name."""

class Shown(TypedDict):
    suite: str
    cid: bool

class Dtls(Layer):
    def __init__(
        self,
        fleet: Fleet,
        identify: Identify,
        *,
        suites: int = ...,
        cid_size: int = -1,
        retransmit_first_s: float = 1.0,
        retransmit_most_s: float = 16.0,
        most_live: int = 16384,
        resumes: bool = True,
        now_ns: int = 0,
        seed: int = 0,
    ) -> None: ...
    @property
    def live(self) -> int: ...
    @property
    def failures(self) -> dict[str, int]: ...
    @property
    def handshake(self) -> Histogram: ...
    def receive_datagram(self, device: int, datagram: bytes, now_ns: int) -> None: ...
    def handle_turn(self, now_ns: int) -> None: ...
    def take_output(self) -> list[tuple[int, bytes]]: ...
    def close_some(self, now_ns: int) -> int: ...
    def is_ready(self, device: int) -> bool: ...
    def shown(self, device: int) -> Shown | None: ...
    def counters(self) -> dict[str, int]: ...
