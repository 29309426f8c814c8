"""The desk of a fleet: what its devices do that the catalogue cannot do for all of them alike.

Requests that change something, observations, and devices that are slow or misbehave end here: a
datagram in, at most a few out. What a request means is sim/operations.py's, when a notification
is due sim/observing.py's; here is the message layer of both (RFC 7252, section 4). Speaks to the
fleet through attended.pyx and knows no socket.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from lwm2m_fast.sim.alarms import Alarms
from lwm2m_fast.sim.attributes import Ids
from lwm2m_fast.sim.blueprint import Blueprint
from lwm2m_fast.sim.bodies import Bodies
from lwm2m_fast.sim.confirming import Confirming
from lwm2m_fast.sim.fleet import Fleet
from lwm2m_fast.sim.messages import ACK, CON, CONTINUE, NON, RST, is_long, message
from lwm2m_fast.sim.misbehaviour import Misbehaviour, spoilt
from lwm2m_fast.sim.objects import registration_links
from lwm2m_fast.sim.observing import Observing, Relation
from lwm2m_fast.sim.operations import (
    CONTENT,
    CREATED,
    DELETE,
    FETCH,
    GET,
    IPATCH,
    POST,
    PUT,
    After,
    Operations,
    Reply,
    Request,
    ids_of,
)
from lwm2m_fast.sim.refused import BAD_OPTION, NOT_FOUND, Refused
from lwm2m_fast.wire.coap import build, parse

# Bits of device.pxd's Flag; a test holds the two together.
TOUCHED, OBSERVED, OWN_LINKS, NEWS, OWN_LIFETIME = 1, 2, 4, 8, 16

MOST_HEARD: Final = 65_536
"""Answers kept for duplicates, over all devices; the oldest makes room."""
MOST_LONG: Final = 1024
"""Answers kept for their further blocks; the oldest makes room."""
_EXCHANGE_LIFETIME_NS: Final = 247_000_000_000
_ROOM: Final = 8

_NAMES: Final = {
    PUT: "writes", DELETE: "deletes", FETCH: "composite_reads", IPATCH: "composite_writes",
}  # fmt: skip


@dataclass(frozen=True)
class Manners:
    """How the devices of a fleet behave towards their server."""

    szx: int = 6
    """The largest block they take and make is 16 << szx bytes."""
    slow_ns: int = 0
    """They acknowledge at once and answer so much later."""
    confirm_every: int = 16
    """Every so manyth notification is confirmable."""
    ack_timeout_ns: int = 2_000_000_000


@dataclass(slots=True)
class _Heard:
    at: int
    answers: list[bytes]


class Desk:
    """Attends to the devices of one fleet that differ from the others."""

    def __init__(
        self,
        fleet: Fleet,
        blueprint: Blueprint,
        operations: Operations,
        manners: Manners,
        misbehaviour: Misbehaviour,
        *,
        notify_every_s: float = 0.0,
        seed: int = 0,
        started_at_s: int = 0,
    ) -> None:
        """`started_at_s` is Unix time at the beginning of the fleet's clock."""
        self._fleet, self._blueprint, self._operations = fleet, blueprint, operations
        self._manners, self._misbehaviour = manners, misbehaviour
        self._alarms = Alarms()
        self._bodies = Bodies(manners.szx)
        self._confirming = Confirming(fleet.emit, self._alarms, manners.ack_timeout_ns, seed)
        every = round(notify_every_s * 1e9)
        self._observing = Observing(
            operations, self._alarms, self._notify, fleet.second, every, started_at_s
        )
        self._heard: dict[tuple[int, int], _Heard] = {}
        self._long: dict[tuple[int, int, tuple[bytes, ...]], tuple[int, Reply]] = {}
        self._counts: Counter[str] = Counter()
        fleet.attend(self, always=manners.slow_ns > 0 or bool(misbehaviour) or manners.szx < 6)

    def counters(self) -> dict[str, int]:
        """What was done here since the start, by name."""
        misbehaved = {f"misbehaved_{kind}": n for kind, n in self._misbehaviour.counts.items()}
        seen = self._observing
        history = {"history_kept": seen.kept, "history_lost": seen.lost} if seen.kept else {}
        return {**self._counts, **misbehaved, **history, "observations": seen.count}

    # What the fleet tells and asks.

    def receive(self, device: int, datagram: bytes, now_ns: int) -> None:
        """A request of the server."""
        m = parse(datagram)
        if not self._is_duplicate(device, m, now_ns):
            self._attend(device, m, now_ns)
        self._plan()

    def take_empty(self, device: int, type: int, mid: int, now_ns: int) -> bool:
        """An empty ACK or RST; False when it is for nothing that was sent here."""
        outcome = "acknowledged" if type == ACK else "reset"
        known = self._confirming.end(device, mid, outcome, now_ns)
        if not known and type == RST:
            known = self._observing.cancel_mid(device, mid)
            self._counts["cancelled_by_reset"] += known
        self._plan()
        return known

    def handle_timers(self, now_ns: int) -> None:
        """Everything due, as far as there is room for datagrams."""
        self._alarms.run(now_ns, lambda: self._fleet.room() > _ROOM)
        self._plan()

    def registered(self, device: int) -> None:
        """Nothing is observed any more."""
        self._observing.forget(device)
        self._confirming.forget(device)
        self._fleet.set_flags(device, OBSERVED, False)

    def links(self, device: int) -> bytes:
        """The object list of a device that has its own."""
        replica = self._operations.touched(device)
        return registration_links(replica.instances(), self._blueprint.offered).encode()

    def lifetime_s(self, device: int) -> int:
        """Resource /1/0/1."""
        return max(1, min(self._operations.touched(device).lifetime_s, 0xFFFFFFFF))

    def _plan(self) -> None:
        self._fleet.wake_desk_at(self._alarms.next_at())

    # Requests.

    def _is_duplicate(self, device: int, m: dict[str, Any], now_ns: int) -> bool:
        """The same answers again, and nothing is done twice (RFC 7252, section 4.5)."""
        key = (device, m["mid"])
        known = self._heard.pop(key, None)
        if known is not None and now_ns - known.at <= _EXCHANGE_LIFETIME_NS:
            self._heard[key] = known
            self._fleet.count_served(0, again=True)
            for datagram in known.answers if m["type"] == CON else ():
                self._fleet.emit(device, datagram, now_ns)
            return True
        if len(self._heard) >= MOST_HEARD:
            del self._heard[next(iter(self._heard))]
        self._heard[key] = _Heard(now_ns, [])
        return False

    def _attend(self, device: int, m: dict[str, Any], now_ns: int) -> None:
        if m["bad_option"] and m["type"] == NON:  # RFC 7252, section 5.4.1: rejected
            return
        kind = self._misbehaviour.draw() if self._misbehaviour else None
        without_answer = self._WITHOUT_ANSWER.get(kind or "")
        if without_answer is not None:
            without_answer(self, device, m, now_ns)
            return
        reply, block1, observe, second = self._reply(device, m, now_ns)
        self._fleet.count_served(reply.code)
        self._count(m, reply)
        answer = _Answer(m["token"], reply, block1, m.get("block2"), observe, second, kind)
        self._mark(device)
        if self._manners.slow_ns and reply.code != CONTINUE:
            self._answer_later(device, m, answer, now_ns)
        else:
            mid = m["mid"] if m["type"] == CON else self._fleet.take_mid(device)
            self._say(
                device, m, self._written(ACK if m["type"] == CON else NON, mid, answer), now_ns
            )
            self._then(device, reply.after, now_ns)
        if m["code"] != GET and reply.code < 0x80:
            self._observing.look_soon(device, now_ns)

    def _count(self, m: dict[str, Any], reply: Reply) -> None:
        if reply.code >= 0x80:
            self._counts["refused"] += 1
        elif m["code"] == POST and reply.code != CONTINUE:
            created = reply.code == CREATED
            is_write = len(m["path"]) == 2 or m.get("content_format", 0) not in (0, None)
            self._counts["creates" if created else "writes" if is_write else "executes"] += 1
        elif m["code"] in _NAMES and reply.code != CONTINUE:
            is_about_attributes = m["code"] == PUT and bool(m["query"])
            self._counts["attributes" if is_about_attributes else _NAMES[m["code"]]] += 1

    def _mark(self, device: int) -> None:
        """Where the next request of this device goes."""
        if self._operations.replica(device) is not None:
            self._fleet.set_flags(device, TOUCHED)
        self._fleet.set_flags(device, OBSERVED, self._observing.is_observed(device))

    def _written(self, type: int, mid: int, answer: _Answer) -> bytes:
        bad = spoilt(answer.kind, type, mid, answer.token, answer.reply)
        return bad or message(
            type, mid, answer.token, answer.reply, szx=self._manners.szx, block2=answer.block2,
            block1=answer.block1, observe=answer.observe, second=answer.second,
        )  # fmt: skip

    def _say(self, device: int, m: dict[str, Any], datagram: bytes, now_ns: int) -> None:
        """One datagram of the answer, kept for duplicates of the request."""
        known = self._heard.get((device, m["mid"]))
        if known is not None:
            known.answers.append(datagram)
        self._fleet.emit(device, datagram, now_ns)

    def _answer_later(self, device: int, m: dict[str, Any], answer: _Answer, now_ns: int) -> None:
        """A separate response (RFC 7252, section 5.2.2)."""
        is_confirmable = m["type"] == CON
        if is_confirmable:
            self._say(device, m, build(ACK, 0, m["mid"]), now_ns)

        def respond(now: int) -> None:
            mid = self._fleet.take_mid(device)
            datagram = self._written(CON if is_confirmable else NON, mid, answer)
            if is_confirmable:
                self._confirming.send(device, mid, datagram, now, lambda outcome, at: None)
            else:
                self._fleet.emit(device, datagram, now)
            self._then(device, answer.reply.after, now)

        self._alarms.at(now_ns + self._manners.slow_ns, respond)

    def _reply(
        self, device: int, m: dict[str, Any], now_ns: int
    ) -> tuple[Reply, int | None, int | None, int]:
        """(reply, Block1 to echo, Observe number, second of the values)."""
        second = self._fleet.second(now_ns)
        path = ids_of(m["path"])
        if m["bad_option"]:
            return Reply(BAD_OPTION), None, None, second
        if path is None:
            return Reply(NOT_FOUND), None, None, second
        number = m["block2"][0] if "block2" in m else 0
        key = (device, m["code"], tuple(m["path"]))
        if number and key in self._long:
            second, reply = self._long[key]
            return reply, None, None, second
        block1 = None
        try:
            taken = self._bodies.take(device, m)
            block1 = taken.block1
            if taken.body is None:
                return Reply(CONTINUE), block1, None, second
            request = Request(
                device, m["code"], path, tuple(m["query"]), m.get("content_format"),
                m.get("accept"), taken.body, second,
            )  # fmt: skip
            reply = self._operations.answer(request)
            observe = self._observe(request, m, reply, now_ns)
        except Refused as refused:
            return Reply(refused.code), block1, None, second
        if is_long(reply, self._largest(m)):
            self._keep_long(key, path, second, reply)
        return reply, block1, observe, second

    def _largest(self, m: dict[str, Any]) -> int:
        asked = m["block2"][2] if "block2" in m else 6
        return min(asked, self._manners.szx)

    def _keep_long(
        self, key: tuple[int, int, tuple[bytes, ...]], path: Ids, second: int, reply: Reply
    ) -> None:
        if reply.is_from_catalogue and reply.content_format is not None:
            self._fleet.note_block(key[0], path, reply.content_format, second)
        self._long.pop(key, None)
        if len(self._long) >= MOST_LONG:
            del self._long[next(iter(self._long))]
        self._long[key] = (second, reply)

    # Observations.

    def _observe(
        self, request: Request, m: dict[str, Any], reply: Reply, now_ns: int
    ) -> int | None:
        """What an Observe option asks for; the number that the answer carries."""
        wish = m.get("observe")
        if wish is None or request.code not in (GET, FETCH):
            return None
        if wish == 1:
            self._counts["cancelled"] += self._observing.cancel(request.device, m["token"])
        if wish != 0 or reply.code != CONTENT:
            return None
        is_composite = request.code == FETCH
        paths = self._operations.composite_paths(request) if is_composite else (request.path,)
        number = self._observing.begin(
            request.device, m["token"], paths, is_composite, reply, now_ns
        )
        self._counts["observed"] += number is not None
        return number

    def _notify(self, relation: Relation, reply: Reply, now_ns: int) -> None:
        device = relation.device
        if not self._fleet.is_registered(device):
            return
        mid = relation.mid = self._fleet.take_mid(device)
        is_error = reply.code != CONTENT
        self._counts["notifications"] += 1
        is_confirmable = is_error or self._is_confirmable(relation)
        second = self._fleet.second(now_ns)
        if is_long(reply, self._manners.szx):
            method = FETCH if relation.is_composite else GET
            path = () if relation.is_composite else relation.paths[0]
            self._keep_long((device, method, tuple(b"%d" % id for id in path)), path, second, reply)
        datagram = message(
            CON if is_confirmable else NON, mid, relation.token, reply, szx=self._manners.szx,
            observe=None if is_error else relation.sequence, second=second,
        )  # fmt: skip
        if not is_confirmable:
            self._fleet.emit(device, datagram, now_ns)
            return
        self._counts["confirmable_notifications"] += 1
        relation.awaits_ack = True
        self._confirming.send(
            device, mid, datagram, now_ns, lambda outcome, at: self._told(relation, outcome, at)
        )

    def _is_confirmable(self, relation: Relation) -> bool:
        """The con attribute asks for more than the manners, never for less: a server that is gone
        is noticed (RFC 7641, section 4.5)."""
        every = self._manners.confirm_every
        return self._observing.confirms(relation) or (every > 0 and relation.sequence % every == 0)

    def _told(self, relation: Relation, outcome: str, now_ns: int) -> None:
        if outcome == "acknowledged":
            self._observing.confirmed(relation, now_ns)
        elif self._observing.cancel(relation.device, relation.token):
            name = "cancelled_by_reset" if outcome == "reset" else "cancelled_unanswered"
            self._counts[name] += 1

    # What follows an answer, and what comes instead of one.

    def _then(self, device: int, after: After, now_ns: int) -> None:
        bits = _NEWS.get(after, 0)
        if bits:
            self._fleet.set_flags(device, bits)
        if bits or after is After.UPDATE:
            self._fleet.contact_now(device, now_ns)
        if after in (After.REBOOT, After.FORGET):
            self._counts["reboots"] += 1
            if after is After.FORGET:
                self._operations.forget(device)
                self._fleet.set_flags(device, TOUCHED | OWN_LINKS | NEWS | OWN_LIFETIME, False)
            self._reboot(device, now_ns)

    def _reboot(self, device: int, now_ns: int) -> None:
        """What is not in permanent memory is lost; the device registers anew."""
        self.registered(device)
        self._bodies.forget(device)
        self._fleet.reboot(device, now_ns)

    def _reset(self, device: int, m: dict[str, Any], now_ns: int) -> None:
        self._say(device, m, build(RST, 0, m["mid"]), now_ns)

    def _only_acknowledge(self, device: int, m: dict[str, Any], now_ns: int) -> None:
        if m["type"] == CON:
            self._say(device, m, build(ACK, 0, m["mid"]), now_ns)

    def _start_anew(self, device: int, m: dict[str, Any], now_ns: int) -> None:
        self._reboot(device, now_ns)

    _WITHOUT_ANSWER: Final[dict[str, Callable[[Desk, int, dict[str, Any], int], None]]] = {
        "reset": _reset,
        "empty-ack": _only_acknowledge,
        "reboot": _start_anew,
    }


_NEWS: Final = {After.TELL_LINKS: OWN_LINKS | NEWS, After.TELL_LIFETIME: OWN_LIFETIME | NEWS}


@dataclass(frozen=True)
class _Answer:
    """One response on its way to becoming a datagram."""

    token: bytes
    reply: Reply
    block1: int | None
    block2: tuple[int, bool, int] | None
    observe: int | None
    second: int
    kind: str | None
    """How it is spoilt."""
