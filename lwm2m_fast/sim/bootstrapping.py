"""Bootstrap of simulated devices (OMA TS Core, section 6.1), before they register.

A fleet of its own that sends POST /bs where another registers; the desk here answers what the
bootstrap server then asks, and keeps the accounts that it wrote. Knows no socket and no clock.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from lwm2m_fast.codec import FORMATS, Kind
from lwm2m_fast.errors import Error
from lwm2m_fast.sim.answers import Naming
from lwm2m_fast.sim.bodies import Bodies
from lwm2m_fast.sim.catalogue import Catalogue
from lwm2m_fast.sim.fleet import Fleet
from lwm2m_fast.sim.identities import Identity
from lwm2m_fast.sim.messages import ACK, BLOCK1, CON, CONTENT_FORMAT, CONTINUE
from lwm2m_fast.sim.options import Options
from lwm2m_fast.sim.refused import BAD_REQUEST, NOT_ALLOWED, NOT_FOUND, Refused
from lwm2m_fast.sim.report import ENDINGS, REQUESTS, code_text
from lwm2m_fast.sim.serving import Serving
from lwm2m_fast.wire.coap import build, parse

GET, POST, PUT, DELETE = 1, 2, 3, 4
DELETED, CHANGED, CONTENT = 66, 68, 69
NEW: Final = 0
REGISTER: Final = 1
LINK_FORMAT: Final = 40
PREFERRED: Final = {"1.0": 11542}
"""`pct` by version: TLV, of others SenML CBOR."""
SENML_CBOR: Final = 112

_TYPES: Final = {
    (0, 0): Kind.STRING, (0, 1): Kind.BOOLEAN, (0, 2): Kind.INTEGER, (0, 3): Kind.OPAQUE,
    (0, 4): Kind.OPAQUE, (0, 5): Kind.OPAQUE, (0, 10): Kind.INTEGER, (0, 11): Kind.INTEGER,
    (0, 12): Kind.INTEGER, (0, 15): Kind.UNSIGNED_INTEGER,
    (1, 0): Kind.INTEGER, (1, 1): Kind.INTEGER, (1, 2): Kind.INTEGER, (1, 3): Kind.INTEGER,
    (1, 5): Kind.INTEGER, (1, 6): Kind.BOOLEAN, (1, 7): Kind.STRING,
}  # fmt: skip
_PSK, _X509, _NO_SEC = 0, 2, 3
"""/0/x/2, security mode."""
_ANCHORS: Final = (0, 2)
"""/0/x/15: /0/x/4 is the certificate of an authority; else the server's own."""


class Account(NamedTuple):
    """The LwM2M server that a device was given."""

    uri: str
    identity: Identity


def bootstrap_fleet(options: Options, at_ns: int) -> Fleet:
    """Devices that have asked for nothing yet; each asks once, and again only as RFC 7252 says."""
    naming = Naming(options.prefix, options.digits)
    name = naming.stand_in(0)
    query = [f"ep={name}", f"pct={PREFERRED.get(options.version, SENML_CBOR)}"]
    head = build(0, POST, 0, bytes(4), [(11, b"bs"), *((15, each.encode()) for each in query)])
    fleet = Fleet(
        options.devices,
        Serving(Catalogue([])),
        head,
        head.index(f"ep={name}".encode()) + len(f"ep={naming.prefix}".encode()),
        options.digits,
        first_number=options.first,
        now_ns=at_ns,
        seed=options.seed,
        ack_timeout_s=options.ack_timeout_s,
    )
    fleet.quiet = True
    return fleet


class BootstrapDesk:
    """What the devices of `fleet` do with what their bootstrap server asks."""

    def __init__(self, fleet: Fleet, szx: int) -> None:
        self._fleet, self._bodies = fleet, Bodies(szx)
        self._answers: dict[int, tuple[int, bytes]] = {}
        self._instances: dict[int, dict[str, dict[int, Any]]] = {}
        self.finished: set[int] = set()
        fleet.attend(self, always=True)

    # sim/attended.pyx

    def receive(self, device: int, datagram: bytes, now_ns: int) -> None:
        m = parse(datagram)
        if m["type"] != CON:
            return
        known, answer = self._answers.get(device, (-1, b""))
        is_again = known == m["mid"]
        if not is_again:
            code, options, payload = self._answer(device, m)
            self._fleet.count_served(code)
            answer = build(ACK, code, m["mid"], m["token"], options, payload)
            self._answers[device] = m["mid"], answer
        else:
            self._fleet.count_served(answer[1], again=True)
        self._fleet.emit(device, answer, now_ns)

    def take_empty(self, device: int, type: int, mid: int, now_ns: int) -> bool:
        return False

    def handle_timers(self, now_ns: int) -> None:
        self._fleet.wake_desk_at(None)

    def registered(self, device: int) -> None:
        pass

    def links(self, device: int) -> bytes:
        return b""

    def lifetime_s(self, device: int) -> int:
        return 0

    # What is asked

    def _answer(self, device: int, m: dict[str, Any]) -> tuple[int, list[tuple[int, int]], bytes]:
        path = "/" + b"/".join(m["path"]).decode(errors="replace")
        try:
            if m["code"] == GET and path == "/":
                return CONTENT, [(CONTENT_FORMAT, LINK_FORMAT)], self._discovered(device)
            if m["code"] == DELETE:
                self._delete(device, path)
                return DELETED, [], b""
            if m["code"] == POST and path == "/bs":
                self.finished.add(device)
                return CHANGED, [], b""
            if m["code"] == PUT:
                return self._written(device, path, m)
        except Refused as refused:
            return refused.code, [], b""
        return NOT_ALLOWED, [], b""

    def _written(
        self, device: int, path: str, m: dict[str, Any]
    ) -> tuple[int, list[tuple[int, int]], bytes]:
        taken = self._bodies.take(device, m)
        echo = [] if taken.block1 is None else [(BLOCK1, taken.block1)]
        if taken.body is None:
            return CONTINUE, echo, b""
        chosen = FORMATS.get(taken.body.content_format or 0)
        if path.count("/") != 2 or chosen is None:
            raise Refused(BAD_REQUEST)
        try:
            nodes = chosen.decode(bytes(taken.body.data), path, _TYPES)
            values = {node.path.ids[2]: node.value for node in nodes}
        except (Error, IndexError):
            raise Refused(BAD_REQUEST) from None
        self._instances.setdefault(device, {})[path] = values
        return CHANGED, echo, b""

    def _discovered(self, device: int) -> bytes:
        """Its bootstrap server's account, and what was written (section 6.1.7.4)."""
        links = ["</>;lwm2m=1.1", "</0/0>"]
        for path, values in sorted(self._instances.get(device, {}).items()):
            links.append(f"<{path}>;ssid={values.get(10 if path.startswith('/0/') else 0)}")
        return ",".join(links).encode()

    def _delete(self, device: int, path: str) -> None:
        held = self._instances.get(device, {})
        gone = [each for each in held if path == "/" or f"{each}/".startswith(f"{path}/")]
        if not gone and path not in ("/", "/0", "/1"):
            raise Refused(NOT_FOUND)
        for each in gone:
            del held[each]

    # What came of it

    def account(self, device: int) -> Account | None:
        """What it was given; None: nothing that it could use."""
        for path, values in sorted(self._instances.get(device, {}).items()):
            if path.startswith("/0/") and not values.get(1) and isinstance(values.get(0), str):
                identity = _identity(values)
                if identity is not None and urlsplit(values[0]).scheme in ("coap", "coaps"):
                    return Account(values[0], identity)
        return None

    def outcomes(self) -> Counter[str]:
        """How many devices were refused, by code or reason, so far."""
        asked = self._fleet.counters()["requests"][REGISTER]
        assert REQUESTS[REGISTER] == "register"  # noqa: S101 - sent here to /bs
        return Counter({
            ENDINGS.get(code) or code_text(code): count
            for code, count in asked["endings"].items()
            if code != CHANGED
        })  # fmt: skip

    def started(self) -> int:
        return self._fleet.count_started(REGISTER)


def _identity(values: dict[int, Any]) -> Identity | None:
    mode, public, secret = values.get(2), values.get(3, b""), values.get(5, b"")
    if mode == _PSK and public and secret:
        return Identity(public, secret)
    if mode == _X509 and public and secret:
        server = values.get(4, b"")
        is_anchor = values.get(15) in _ANCHORS
        return Identity(chain=public, key=secret, **{"anchors" if is_anchor else "pinned": server})
    return Identity() if mode == _NO_SEC else None
