from typing import Protocol

from lwm2m_fast.sim.layer import Layer, Receiver

class Way(Protocol):
    def push(self, now_ns: int, item: tuple[int, bytes]) -> None: ...
    def due(self, now_ns: int, limit: int = ...) -> list[tuple[int, bytes]]: ...

class Ways(Layer):
    def __init__(self, above: Receiver, incoming: Way, outgoing: Way) -> None: ...
