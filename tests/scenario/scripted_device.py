"""A device that does what a test says: it sends bytes from one address, and hears what comes back.

Knows the world as what takes its datagrams; what the core makes of them it does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.scenario.scripted_messages import (
    ACK,
    CON,
    CONTENT_FORMAT,
    DELETE,
    NON,
    OBSERVE,
    POST,
    RST,
    Heard,
    code_byte,
    number_bytes,
    read,
    register_parts,
    request,
    write,
)

if TYPE_CHECKING:
    from tests.scenario.scripted_world import World


class Device:
    """A script at one address. Its message ids count up from `mid`."""

    def __init__(self, world: World, address: str) -> None:
        self.world, self.address = world, address
        self.inbox: deque[tuple[float, bytes]] = deque()
        self.mid = 100

    # Sending

    def send(self, *messages: bytes) -> Device:
        """Each in a batch of its own."""
        for message in messages:
            self.world.receive((self.address, message))
        return self

    def next_mid(self) -> int:
        self.mid = (self.mid + 1) & 0xFFFF
        return self.mid

    def ask(self, code: int, path: str, **parts: Any) -> Heard:
        """Send a request and hear its answer, which must be its own."""
        parts.setdefault("mid", self.next_mid())
        message = request(code, path, **parts)
        answer = self.send(message).hear()
        assert answer.token == read(message).token
        if parts.get("kind", CON) == CON:
            assert (answer.type, answer.mid) == (ACK, parts["mid"])
        else:
            assert answer.type == NON
        return answer

    def register(self, endpoint: str = "dev-1", expected: str = "2.01", **parts: Any) -> str:
        """The location, "rd/..."; `query` comes behind ep, lt and lwm2m."""
        answer = self.ask(POST, "rd", **register_parts(endpoint, **parts))
        assert answer.code == expected, answer
        return answer.location

    def update(self, location: str, expected: str = "2.04", **parts: Any) -> Heard:
        answer = self.ask(POST, location, **parts)
        assert answer.code == expected, answer
        return answer

    def leave(self, location: str, expected: str = "2.02", **parts: Any) -> Heard:
        answer = self.ask(DELETE, location, **parts)
        assert answer.code == expected, answer
        return answer

    def answer(
        self,
        to: Heard,
        code: str = "2.05",
        *,
        kind: int = ACK,
        mid: int | None = None,
        token: bytes | None = None,
        options: Iterable[tuple[int, bytes]] = (),
        payload: bytes = b"",
    ) -> Device:
        """A response to a request of the server; an ACK carries the request's message id."""
        if mid is None:
            mid = to.mid if kind == ACK else self.next_mid()
        token = to.token if token is None else token
        return self.send(write(kind, code_byte(code), mid, token, options, payload))

    def acknowledge(self, to: Heard) -> Device:
        return self.send(write(ACK, 0, to.mid))

    def reset(self, to: Heard) -> Device:
        return self.send(write(RST, 0, to.mid))

    def agree(self, asked: Heard, sequence: int = 1, payload: bytes = b"20.0") -> Device:
        """The answer to an Observe: 2.05 with an Observe option."""
        options = [(OBSERVE, number_bytes(sequence)), (CONTENT_FORMAT, b"")]
        return self.answer(asked, options=options, payload=payload)

    def observed(self, path: str = "3303/0/5700", sequence: int = 1, **parts: Any) -> Heard:
        """Be asked to report `path`, and agree; the request."""
        call = self.world.observe(path=path, **parts)
        asked = self.hear()
        self.agree(asked, sequence)
        answered = self.world.answers.pop()
        assert answered.call == call and answered.observation > 0, answered
        return asked

    def notify(
        self,
        token: bytes,
        sequence: int | None,
        payload: bytes = b"21.0",
        *,
        code: str = "2.05",
        kind: int = NON,
        mid: int | None = None,
        options: Iterable[tuple[int, bytes]] = ((CONTENT_FORMAT, b""),),
    ) -> Device:
        """A notification; `sequence` None: without an Observe option."""
        options = list(options)
        if sequence is not None:
            options.append((OBSERVE, number_bytes(sequence)))
        mid = self.next_mid() if mid is None else mid
        return self.send(write(kind, code_byte(code), mid, token, options, payload))

    # Hearing

    def hear(self) -> Heard:
        """The next message from the server."""
        assert self.inbox, f"{self.address} hears nothing"
        return read(self.inbox.popleft()[1])

    def hear_all(self) -> list[tuple[float, Heard]]:
        heard = [(moment, read(data)) for moment, data in self.inbox]
        self.inbox.clear()
        return heard

    def hear_nothing(self) -> None:
        assert not self.inbox, [read(data) for _, data in self.inbox]
