"""One bootstrap of one device, as a table of steps: what is asked next, what an answer means.

No clock and no way to the device: next() gives a request, answered() takes how it ended. The order
is that of OMA Core, section 6.1.7: Discover, Delete, Write, Read, Finish. A device that refuses one
of them is not lost; what came of each step is kept, so that a person can see where it went wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from lwm2m_fast.codec import FORMATS, Path
from lwm2m_fast.codec.link import decode_links
from lwm2m_fast.core.accounts import Configuration
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.bootstrap_plan import Known, Plan, Write, known_of, plan
from lwm2m_fast.errors import FormatError
from lwm2m_fast.wire.numbers import Code, ContentFormat

MAX_STEPS: Final = 256
"""Requests of one bootstrap; a configuration that needs more is refused before the first."""
MAX_KEPT_PAYLOAD: Final = 1024

_TLV: Final = int(ContentFormat.TLV)
_SENML_CBOR: Final = int(ContentFormat.SENML_CBOR)
WRITABLE: Final = (
    _SENML_CBOR,
    int(ContentFormat.SENML_JSON),
    int(ContentFormat.LWM2M_CBOR),
    _TLV,
    int(ContentFormat.LWM2M_JSON),
)
"""Content formats that hold a whole instance; a device may ask for any of them (`pct`)."""

PACKABLE: Final = WRITABLE[:3]
"""Those that hold instances of several objects, as a pack does (OMA Core 1.2, section 6.1.8)."""

_UNANSWERED: Final = {
    "no_response": "the device acknowledged it and then did not answer",
    "malformed": "the device answered with an unusable message",
    "too_large": "the answer is larger than coap.max_body_bytes",
}
"""For a person, by core/ask.Answered's word; of those that are not here the word says it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a refusal (4.xx, 5.xx) of a step ends; no answer at all ends a bootstrap always."""

    discover: bool = False
    delete: bool = False
    write: bool = False
    read: bool = False
    finish: bool = True


class StepResult(NamedTuple):
    """What came of one request."""

    step: str
    """"WRITE /0/1"; never a value."""
    result: str
    """"2.04", "4.00", or why there was no answer: "timeout", "reset"."""


def chosen_format(preferred: int | None, version: str | None, forced: int | None) -> int:
    """The content format of Writes: configured, asked for (`pct`), else by the LwM2M version.

    A device that says nothing speaks TLV, as every 1.0 device does; 1.2 made SenML CBOR the format
    that each has.
    """
    for wanted in (forced, preferred):
        if wanted in WRITABLE:
            return int(wanted)
    return _SENML_CBOR if version is not None and version >= "1.2" else _TLV


def _segments(path: str) -> tuple[bytes, ...]:
    return tuple(part.encode() for part in path.split("/") if part)


class Session:
    """A bootstrap under way. `preferred` is `pct`, `version` what the device last registered with.

    `ended` becomes "finished" or "failed", with `reason` for a person. RequestError from the start
    when the configuration cannot be carried out.
    """

    def __init__(
        self,
        configuration: Configuration,
        preferred: int | None = None,
        version: str | None = None,
        policy: Policy | None = None,
    ) -> None:
        self._configuration = configuration
        self._policy = policy or Policy()
        self.content_format = chosen_format(preferred, version, configuration.content_format)
        self._may_change_format = configuration.content_format is None
        self.steps: list[StepResult] = []
        self.ended: str | None = None
        self.reason: str | None = None
        self._steps = self._all_steps()
        self._current: _Step | None = next(self._steps)
        self._plan: Plan | None = None
        plan(configuration, Known())  # what cannot be placed is known before the device is asked

    def next(self) -> CoapRequest | None:
        """The request to send now; None: it has ended."""
        if self.ended is not None or self._current is None:
            return None
        return self._current.request(self)

    @property
    def step(self) -> str:
        """What is under way, "WRITE /0/1"; empty after the end."""
        return self._current.name if self._current is not None and self.ended is None else ""

    def answered(self, outcome: str, code: int, payload: bytes = b"") -> None:
        """How the request of next() ended, in the words of core/ask.Answered."""
        step = self._current
        if step is None or self.ended is not None:
            return
        result = f"{code >> 5}.{code & 31:02}" if outcome == "answered" else outcome
        self.steps.append(StepResult(step.name, result))
        if outcome != "answered":
            why = _UNANSWERED.get(outcome, "the device did not answer")
            self._fail(f"{step.name}: {why} ({outcome})")
        elif code >> 5 == 2:
            step.take(self, payload)
            self._advance()
        elif code == Code.UNSUPPORTED_CONTENT_FORMAT and step.kind == "write" and self._reformat():
            pass  # the same step again
        elif step.kind in self._configuration.ends_at or getattr(self._policy, step.kind):
            self._fail(f"{step.name} was refused with {result}")
        else:
            self._advance()

    def fail(self, reason: str) -> None:
        """End it from outside: too slow, or a newer bootstrap of the same device."""
        if self.ended is None:
            self._fail(reason)

    @property
    def refused(self) -> list[StepResult]:
        """The steps that the device did not do, though the bootstrap went on."""
        return [step for step in self.steps if not step.result.startswith("2.")]

    def _fail(self, reason: str) -> None:
        self.ended, self.reason = "failed", reason

    def _advance(self) -> None:
        if len(self.steps) >= MAX_STEPS:
            self._fail(f"more than {MAX_STEPS} steps")
            return
        self._current = next(self._steps, None)
        if self._current is None:
            self.ended = "finished"

    def _reformat(self) -> bool:
        """Go on in the other format that devices commonly have, once."""
        if not self._may_change_format:
            return False
        self._may_change_format = False
        self.content_format = _SENML_CBOR if self.content_format == _TLV else _TLV
        return True

    def _all_steps(self) -> Iterator[_Step]:
        yield _Step("discover", "/", _discover, _take_discovered)
        made = self._plan or plan(self._configuration, None)
        for path in made.deletes:
            yield _Step("delete", path, _delete)
        for write in made.writes:
            yield _Step("write", write.path, _write, write=write)
        for path in self._configuration.reads:
            yield _Step("read", path, _read, _take_read)
        yield _Step("finish", "/bs", _finish)

    def known(self, known: Known) -> None:
        self._plan = plan(self._configuration, known)

    def note(self, payload: bytes) -> None:
        """Keep what a Read brought with its step."""
        step, result = self.steps[-1]
        self.steps[-1] = StepResult(step, f"{result} {payload[:MAX_KEPT_PAYLOAD].hex()}")


def _ignore(_session: Session, _payload: bytes) -> None:
    """Nothing to learn from this answer."""


class _Step(NamedTuple):
    kind: str
    path: str
    build: Callable[[Session, _Step], CoapRequest]
    take: Callable[[Session, bytes], None] = _ignore
    write: Write | None = None

    @property
    def name(self) -> str:
        return f"{self.kind.upper()} {self.path}"

    def request(self, session: Session) -> CoapRequest:
        return self.build(session, self)


def _discover(_: Session, step: _Step) -> CoapRequest:
    return CoapRequest(Code.GET, _segments(step.path), accept=int(ContentFormat.LINK))


def _take_discovered(session: Session, payload: bytes) -> None:
    try:
        session.known(known_of(decode_links(payload)))
    except FormatError as error:  # as if it had not answered: all accounts are then replaced
        step, result = session.steps[-1]
        session.steps[-1] = StepResult(step, f"{result}, unusable: {error}")


def _delete(_: Session, step: _Step) -> CoapRequest:
    return CoapRequest(Code.DELETE, _segments(step.path))


def _write(session: Session, step: _Step) -> CoapRequest:
    assert step.write is not None  # noqa: S101 - the table above gives it
    path = Path.parse(step.path)
    payload = FORMATS[session.content_format].encode(step.write.nodes, path)
    return CoapRequest(
        Code.PUT, _segments(step.path), content_format=session.content_format, payload=payload
    )


def _read(session: Session, step: _Step) -> CoapRequest:
    return CoapRequest(Code.GET, _segments(step.path), accept=session.content_format)


def _take_read(session: Session, payload: bytes) -> None:
    session.note(payload)


def _finish(_: Session, step: _Step) -> CoapRequest:
    return CoapRequest(Code.POST, _segments(step.path))


def pack(configuration: Configuration, content_format: int) -> bytes:
    """The answer to a Bootstrap-Pack-Request: all instances at once (OMA Core 1.2, section 6.1.8).

    A device that asks for a pack applies it to an empty place, so ids begin at the offset.
    """
    made = plan(configuration, Known())
    nodes = [node for write in made.writes for node in write.nodes]
    return FORMATS[content_format].encode(nodes, Path())
