"""Values that a device could not tell yet, as later notifications: the attribute hqmax (OMA TS Core
1.2, 7.3).

While a confirmable notification waits for its acknowledgement nothing else leaves for that
observation. With hqmax what became worth telling meanwhile is kept, the newest so many, and told
when the server is there again, oldest first and with its moment where the format can say one. Knows
no relation and no clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final

from lwm2m_fast.codec import Node, decode, encode
from lwm2m_fast.sim.operations import Reply

MOST_KEPT: Final = 64
"""Values that one observation keeps, however large hqmax is."""

_TELL_TIME: Final = frozenset({110, 112})
"""SenML JSON and SenML CBOR."""


class History:
    """What waits to be told by one observation."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: deque[tuple[int, Reply]] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, second: int, reply: Reply, hqmax: int) -> int:
        """Keep a value of this second (Unix time); how many older ones had to go for it."""
        self._kept.append((second, reply))
        lost = max(0, len(self._kept) - min(hqmax, MOST_KEPT))
        for _ in range(lost):
            self._kept.popleft()
        return lost

    def oldest(self) -> Reply:
        """The oldest, which is kept no longer. IndexError when there is none."""
        second, reply = self._kept.popleft()
        return _timed(reply, second)


def _timed(reply: Reply, second: int) -> Reply:
    if reply.content_format not in _TELL_TIME:
        return reply
    moment = second * 1_000_000_000
    told = decode(reply.content_format, reply.payload, now_ns=moment)
    nodes = [Node(each.path, each.value, each.kind, moment) for each in told]
    return replace(reply, payload=encode(reply.content_format, nodes), is_from_catalogue=False)
