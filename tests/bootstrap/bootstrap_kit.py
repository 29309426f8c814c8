"""A world whose engine bootstraps: a scripted device, the core, and a clock that is a number."""

from __future__ import annotations

from lwm2m_fast.bootstrap.sessions import Bootstraps, Limits
from lwm2m_fast.core.accounts import Account, Configuration, SecurityMode, ServerTerms
from lwm2m_fast.core.events import Event
from lwm2m_fast.errors import RequestError
from tests.raising_faults import RaisingFaults
from tests.scenario.scripted import (
    CONTENT_FORMAT,
    POST,
    Device,
    Heard,
    World,
    number_bytes,
)

ACCOUNT = Account(
    "coaps://s:5784",
    SecurityMode.PSK,
    1,
    ServerTerms(300),
    identity=b"id-1",
    secret=bytes(range(200, 216)),
)


class Offers:
    """What devices are given, by name."""

    def __init__(self) -> None:
        self.modes: dict[str, str] = {"dev-1": "NO_SEC", "dev-2": "NO_SEC"}
        self.configurations: dict[str, Configuration] = {}
        self.versions: dict[str, str] = {}
        self.error: str | None = None

    def knows(self, endpoint: str) -> bool:
        return endpoint in self.modes

    def mode(self, endpoint: str) -> str | None:
        return self.modes.get(endpoint)

    def configuration(self, endpoint: str) -> Configuration:
        if self.error is not None:
            raise RequestError(self.error)
        return self.configurations.get(endpoint, Configuration((ACCOUNT,)))

    def version(self, endpoint: str) -> str | None:
        return self.versions.get(endpoint)


class Bench(World):
    """A world whose engine bootstraps, with what drives it."""

    def __init__(self, **settings: object) -> None:
        self.driver: Bootstraps | None = None
        super().__init__(serves="bootstrap", **settings)  # type: ignore[arg-type]
        self.engine.tells = False
        self.offers = Offers()
        self.told: list[Event] = []  # type: ignore[assignment]
        self.driver = Bootstraps(
            self.engine, self.offers, Limits(session_s=60.0, request_s=30.0), self.told.extend,
            lambda: self.now, lambda: self.now + self.wall, lambda: None,
            faults=RaisingFaults(),
        )  # fmt: skip

    def finish_turn(self) -> None:
        super().finish_turn()
        if self.driver is None:
            return
        while self.answers or self.contacts:
            answers, self.answers = self.answers, []
            contacts, self.contacts = self.contacts, []
            self.driver.resolve([tuple(answer) for answer in answers])
            self.driver.contacts(contacts)
            super().finish_turn()

    def kinds(self) -> list[str]:
        return [event.kind for event in self.told]

    def reason(self) -> str:
        return str(self.told[-1].data.get("reason"))


def begin(device: Device, endpoint: str = "dev-1", *query: str, expected: str = "2.04") -> None:
    answer = device.ask(POST, "bs", query=[f"ep={endpoint}", *query])
    assert answer.code == expected, answer


def asked(device: Device) -> Heard:
    """The next request of the server."""
    heard = device.hear()
    assert heard.code.startswith("0."), heard
    return heard


def shown(heard: Heard) -> str:
    return f"{heard.code} /{b'/'.join(heard.path).decode()}"


def serve(device: Device, links: bytes = b"</0/0>", code: str = "") -> list[str]:
    """Answer everything as a willing device; what was asked."""
    names = []
    while device.inbox:
        heard = asked(device)
        names.append(shown(heard))
        if heard.code == "0.01":
            device.answer(heard, options=[(CONTENT_FORMAT, number_bytes(40))], payload=links)
        else:
            device.answer(heard, code or {"0.04": "2.02"}.get(heard.code, "2.04"))
    return names
