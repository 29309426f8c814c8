"""What servers observe on the devices of a fleet, and when a notification is due (RFC 7641;
OMA TS Core 6.4 and 7.3).

A relation is looked at when its values may have become worth telling: after pmin and then every
second or epmin, at pmax, and when something was written. (So epmax is always kept.) Until a
confirmable notification is acknowledged no other leaves; what would have left is kept by hqmax
(sim/history.py). Says what is to be sent and to whom; how a message is confirmed is the desk's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lwm2m_fast.sim.alarms import Alarms
from lwm2m_fast.sim.attributes import Ids, is_consistent
from lwm2m_fast.sim.history import History
from lwm2m_fast.sim.operations import Operations, Reply
from lwm2m_fast.sim.refused import INTERNAL_ERROR, Refused

MOST_PER_DEVICE: Final = 64
"""Relations of one device; another observe is answered as a plain read (RFC 7641, section 4.1)."""

MOST_WAITING: Final = 1 << 17
"""Values kept by all devices together; beyond, the newest of a relation takes the place of its
oldest, if it has any."""

SECOND: Final = 1_000_000_000
_NEVER: Final = 1 << 62
NEVER_YET: Final = -_NEVER


@dataclass(slots=True)
class Relation:
    """One observation, known by its token."""

    device: int
    token: bytes
    paths: tuple[Ids, ...]
    is_composite: bool
    content_format: int
    sequence: int = 0
    told_at: int = 0
    """Moment of the last notification, or of the first answer."""
    told: int = 0
    """Hash of what was told last ..."""
    measure: float | bool | None = None
    """... and its value, where gt, lt, st or edge may ask for it."""
    looked_at: int = NEVER_YET
    """Moment of the last evaluation, which epmin counts from."""
    mid: int = -1
    """Of the last notification, which a Reset may name."""
    looks_at: int = 0
    is_over: bool = False
    awaits_ack: bool = False
    history: History | None = None
    """From the first value on that had to be kept: a fleet has a million relations."""


Notify = Callable[[Relation, Reply, int], None]
"""Send this now; a Reply that is no success has ended the relation."""


class Observing:
    """The relations of a fleet. `every_ns` sends at that pace whatever the values; 0 = by value."""

    def __init__(
        self,
        operations: Operations,
        alarms: Alarms,
        notify: Notify,
        second: Callable[[int], int],
        every_ns: int = 0,
        started_at_s: int = 0,
    ) -> None:
        """`second(now_ns)` is what values are a function of; `started_at_s` is Unix time at 0."""
        self._operations, self._alarms, self._notify = operations, alarms, notify
        self._second, self._every, self._started_at = second, every_ns, started_at_s
        self._relations: dict[int, dict[bytes, Relation]] = {}
        self.count = 0
        self.kept = self.lost = 0
        """Values of histories, and how many had to go for newer ones or for want of room."""
        self.waiting = 0

    def begin(
        self,
        device: int,
        token: bytes,
        paths: tuple[Ids, ...],
        is_composite: bool,
        reply: Reply,
        now_ns: int,
    ) -> int | None:
        """A relation whose first answer is `reply`: the number for its Observe option.

        None when there is no room for one. Refused (5.00) when the attributes that `paths` inherit
        contradict each other.
        """
        held = self._relations.get(device, {})
        if token not in held and len(held) >= MOST_PER_DEVICE:
            return None
        if not is_composite and not is_consistent(self._operations.attributes(device, paths[0])):
            raise Refused(INTERNAL_ERROR, "attributes contradict each other")
        self.cancel(device, token)
        relation = Relation(device, token, paths, is_composite, reply.content_format or 0)
        self._relations.setdefault(device, {})[token] = relation
        self.count += 1
        self._told(relation, reply, now_ns)
        self._look_later(relation, now_ns)
        return relation.sequence

    def cancel(self, device: int, token: bytes) -> bool:
        """False when there is no such relation."""
        held = self._relations.get(device, {})
        relation = held.pop(token, None)
        if relation is None:
            return False
        if not held:
            del self._relations[device]
        relation.is_over = True
        self.count -= 1
        self.waiting -= len(relation.history or ())
        relation.history = None
        return True

    def cancel_mid(self, device: int, mid: int) -> bool:
        """A Reset of the notification with this message id; False when there was none."""
        for relation in self._relations.get(device, {}).values():
            if relation.mid == mid:
                return self.cancel(device, relation.token)
        return False

    def forget(self, device: int) -> None:
        """The device registered anew or was switched off."""
        for token in list(self._relations.get(device, {})):
            self.cancel(device, token)

    def is_observed(self, device: int) -> bool:
        return device in self._relations

    def look_soon(self, device: int, now_ns: int) -> None:
        """Something was written: values, instances or attributes."""
        for relation in self._relations.get(device, {}).values():
            self._look_later(relation, now_ns, is_changed=True)

    def confirmed(self, relation: Relation, now_ns: int) -> None:
        """The acknowledgement has come; what was kept may leave, and then the next notification."""
        relation.awaits_ack = False
        if relation.is_over:  # given up meanwhile: nothing of it is told any longer
            return
        while relation.history and not relation.awaits_ack:
            relation.sequence += 1
            self.waiting -= 1
            self._notify(relation, relation.history.oldest(), now_ns)
        if not relation.awaits_ack or self._keeps(relation):
            self._look_later(relation, now_ns)

    def confirms(self, relation: Relation) -> bool | None:
        """What the con attribute says of its notifications; None: nothing."""
        con = self._own(relation).get("con")
        return None if con is None else con == 1

    # When.

    def _periods(self, relation: Relation) -> tuple[int, int]:
        """pmin and pmax in nanoseconds."""
        least, most = self._operations.periods(relation.device)
        own = self._own(relation)
        if self._every and not own.keys() & {"pmin", "pmax"}:
            return self._every, self._every
        pmin = int(own.get("pmin", least)) * SECOND
        pmax = int(own.get("pmax", most)) * SECOND
        return pmin, max(pmax, pmin) if pmax else _NEVER

    def _own(self, relation: Relation) -> dict[str, float]:
        if relation.is_composite:
            return {}
        return self._operations.attributes(relation.device, relation.paths[0])

    def _look_later(self, relation: Relation, now_ns: int, *, is_changed: bool = False) -> None:
        pmin, pmax = self._periods(relation)
        soonest = relation.told_at + pmin
        after = now_ns if is_changed else now_ns + SECOND
        evaluated = relation.looked_at + int(self._own(relation).get("epmin", 0)) * SECOND
        at = max(soonest, after, evaluated)
        relation.looks_at = min(at, max(relation.told_at + pmax, now_ns))
        self._alarms.at(relation.looks_at, lambda now: self._look(relation, now))

    def _look(self, relation: Relation, now_ns: int) -> None:
        if relation.is_over or now_ns < relation.looks_at:
            return
        if relation.awaits_ack and not self._keeps(relation):
            return
        relation.looks_at = _NEVER  # any other alarm for this relation is stale
        relation.looked_at = now_ns
        try:
            reply = self._reply(relation, now_ns)
        except Refused as refused:
            self.cancel(relation.device, relation.token)
            self._notify(relation, Reply(refused.code), now_ns)
            return
        if self._is_worth(relation, reply, now_ns):
            self._tell(relation, reply, now_ns)
        if not relation.is_over and (not relation.awaits_ack or self._keeps(relation)):
            self._look_later(relation, now_ns)

    def _tell(self, relation: Relation, reply: Reply, now_ns: int) -> None:
        """Now, or when the server is there again."""
        if not relation.awaits_ack:
            self._told(relation, reply, now_ns)
            self._notify(relation, reply, now_ns)
            return
        self._noted(relation, reply, now_ns)
        self.kept += 1
        moment = self._started_at + self._second(now_ns)
        if relation.history is None:
            relation.history = History()
        most = self._keeps(relation)
        if self.waiting >= MOST_WAITING:
            most = min(most, len(relation.history))
        lost = relation.history.keep(moment, reply, most)
        self.lost += lost
        self.waiting += 1 - lost

    def _keeps(self, relation: Relation) -> int:
        """How many values are kept that cannot be told; none where /1/0/6 forbids it."""
        if not self._operations.stores_notifications(relation.device):
            return 0
        return int(self._own(relation).get("hqmax", 0))

    def _reply(self, relation: Relation, now_ns: int) -> Reply:
        second = self._second(now_ns)
        if relation.is_composite:
            return self._operations.read_composite(
                relation.device, relation.paths, relation.content_format, second
            )
        return self._operations.read(
            relation.device, relation.paths[0], relation.content_format, second
        )

    def _told(self, relation: Relation, reply: Reply, now_ns: int) -> None:
        relation.sequence += 1
        self._noted(relation, reply, now_ns)

    def _noted(self, relation: Relation, reply: Reply, now_ns: int) -> None:
        """What the next value is compared with."""
        relation.told_at, relation.told = now_ns, hash(reply.payload)
        if self._own(relation).keys() & _CONDITIONS:
            relation.measure = self._measure(relation, now_ns)

    def _measure(self, relation: Relation, now_ns: int) -> float | bool | None:
        second = self._second(now_ns)
        return self._operations.measure_at(relation.device, relation.paths[0], second)

    def _is_worth(self, relation: Relation, reply: Reply, now_ns: int) -> bool:
        pmin, pmax = self._periods(relation)
        since = now_ns - relation.told_at
        if since >= pmax:
            return True
        if since < pmin:
            return False
        own = self._own(relation)
        now = self._measure(relation, now_ns) if own.keys() & _CONDITIONS else None
        kind = bool if isinstance(now, bool) else float
        conditions = {name: own[name] for name in own if _CONDITIONS.get(name) is kind}
        if now is None or not conditions:
            return hash(reply.payload) != relation.told
        before, relation.measure = relation.measure, now if kind is bool else relation.measure
        if before is None:
            relation.measure = now
            return False
        return any(_MEETS[name](before, now, limit) for name, limit in conditions.items())


_CONDITIONS: Final[dict[str, type]] = {"gt": float, "lt": float, "st": float, "edge": bool}
"""What makes a value worth telling, and of which kind of value."""

_MEETS: Final[dict[str, Callable[[float, float, float], bool]]] = {
    "gt": lambda before, now, limit: (before > limit) != (now > limit),
    "lt": lambda before, now, limit: (before < limit) != (now < limit),
    "st": lambda before, now, limit: now != before and abs(now - before) >= limit,
    "edge": lambda before, now, limit: before != now and now == limit,
}
