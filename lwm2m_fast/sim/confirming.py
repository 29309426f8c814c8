"""Confirmable messages that the desk sends: notifications and separate responses, until they are
acknowledged (RFC 7252, section 4.2).

Knows no request and no observation: whoever sends says what the end means.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from lwm2m_fast.sim.alarms import Alarms

MAX_RETRANSMIT: Final = 4
MOST_PENDING: Final = 1 << 20
"""Messages that wait for their acknowledgement, over all devices; one more is given up at once."""

Done = Callable[[str, int], None]
"""How it ended (acknowledged, reset, unanswered) and when."""


class Emit(Protocol):
    """Lets a datagram leave; False when there is no room for it now."""

    def __call__(self, device: int, datagram: bytes, now_ns: int) -> bool: ...


@dataclass(slots=True)
class _Pending:
    device: int
    mid: int
    datagram: bytes
    done: Done
    timeout_ns: int
    tries: int = 0


class Confirming:
    """Confirmable messages under way, by device and message id."""

    def __init__(self, emit: Emit, alarms: Alarms, ack_timeout_ns: int, seed: int) -> None:
        self._emit, self._alarms = emit, alarms
        self._ack_timeout = ack_timeout_ns
        self._random = random.Random(seed)  # noqa: S311 - dice, not secrets
        self._pending: dict[int, dict[int, _Pending]] = {}
        self._count = 0

    def send(self, device: int, mid: int, datagram: bytes, now_ns: int, done: Done) -> None:
        """`done` is called once, unless the device is forgotten before."""
        if self._count >= MOST_PENDING:
            done("unanswered", now_ns)
            return
        timeout = round(self._ack_timeout * self._random.uniform(1.0, 1.5))
        self._take(device, mid)
        pending = _Pending(device, mid, datagram, done, timeout)
        self._pending.setdefault(device, {})[mid] = pending
        self._count += 1
        self._emit(device, datagram, now_ns)
        self._alarms.at(now_ns + timeout, lambda now: self._unanswered(pending, now))

    def end(self, device: int, mid: int, outcome: str, now_ns: int) -> bool:
        """An acknowledgement or a reset has come; False when it is for none of these."""
        pending = self._take(device, mid)
        if pending is None:
            return False
        pending.done(outcome, now_ns)
        return True

    def forget(self, device: int) -> None:
        """The device was switched off: nothing of it is sent again, and nobody is told."""
        self._count -= len(self._pending.pop(device, {}))

    def _take(self, device: int, mid: int) -> _Pending | None:
        held = self._pending.get(device, {})
        pending = held.pop(mid, None)
        if pending is not None:
            self._count -= 1
            if not held:
                del self._pending[device]
        return pending

    def _unanswered(self, pending: _Pending, now_ns: int) -> None:
        if self._pending.get(pending.device, {}).get(pending.mid) is not pending:
            return
        if pending.tries == MAX_RETRANSMIT:
            self._take(pending.device, pending.mid)
            pending.done("unanswered", now_ns)
            return
        pending.tries += 1
        self._emit(pending.device, pending.datagram, now_ns)
        later = now_ns + (pending.timeout_ns << pending.tries)
        self._alarms.at(later, lambda now: self._unanswered(pending, now))
