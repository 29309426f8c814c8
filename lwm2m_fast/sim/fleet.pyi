from collections.abc import Iterable
from typing import Any

from lwm2m_fast.sim.attended import Attended
from lwm2m_fast.sim.catalogue import Catalogue
from lwm2m_fast.sim.histogram import Histogram
from lwm2m_fast.sim.serving import Serving

class Fleet(Attended):
    quiet: bool
    goal: int
    def __init__(
        self,
        size: int,
        serving: Serving,
        register: bytes,
        digits_at: int,
        digits: int,
        *,
        links: bytes = b"",
        update_every_s: float = 0.0,
        send_every_s: float = 0.0,
        sends: Catalogue | None = None,
        first_number: int = 1,
        now_ns: int = 0,
        seed: int = 0,
        ack_timeout_s: float = 2.0,
        max_retransmit: int = 4,
        response_timeout_s: float = 93.0,
    ) -> None: ...
    @property
    def outstanding(self) -> int: ...
    @property
    def settled(self) -> int: ...
    @property
    def registered(self) -> int: ...
    @property
    def missed(self) -> int: ...
    def load(
        self,
        request: int,
        states: Iterable[int],
        *,
        once: bool = False,
        outstanding: int = 64,
        rate: float = 0.0,
        now_ns: int = 0,
    ) -> None: ...
    def leave_out(self, device: int) -> None: ...
    def receive_datagram(self, device: int, datagram: bytes, now_ns: int) -> None: ...
    def handle_turn(self, now_ns: int) -> None: ...
    def take_output(self) -> list[tuple[int, bytes]]: ...
    def reached(self) -> bool: ...
    def count_started(self, request: int) -> int: ...
    def count_received(self) -> int: ...
    def latency(self, request: int) -> Histogram: ...
    def counters(self) -> dict[str, Any]: ...
