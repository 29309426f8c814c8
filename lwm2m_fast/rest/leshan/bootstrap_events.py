"""Bootstraps as Leshan's bootstrap server tells them: BSSESSION, one for each thing that happened.

Ours are told at the begin and at the end, with all steps: the requests and answers of a bootstrap
come together with its end, and have its moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from lwm2m_fast.rest.base import Event
from lwm2m_fast.rest.leshan.events import Told
from lwm2m_fast.rest.leshan.registrations import milliseconds
from lwm2m_fast.rest.routes import Context

SENT: Final = {"DISCOVER": "send discover", "DELETE": "send delete", "WRITE": "send write"}


def told(ctx: Context, event: Event) -> Iterator[Told]:
    """An event of ours as those that Leshan would tell."""
    for name, message in _messages(event):
        data = {
            "name": name,
            "endpoint": event.endpoint,
            "time": milliseconds(event.at),
            "message": message,
        }
        yield Told("BSSESSION", data)


def _messages(event: Event) -> Iterator[tuple[str, str | None]]:
    if event.kind == "bootstrap_started":
        yield "new session", None
        yield "authorized", None
    elif event.kind in ("bootstrap_finished", "bootstrap_failed"):
        yield from _ended(event.kind.removeprefix("bootstrap_"), event.data)


def _ended(state: str, data: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    reason = data.get("reason")
    if data.get("refused"):
        yield "new session", None
        yield "unauthorized", reason
        return
    for each in data.get("steps", ()):
        step, result = each["step"], each["result"]
        yield SENT.get(step.partition(" ")[0], "send request"), step
        yield _answered(result), f"{step}: {result}"
    yield state, reason


def _answered(result: str) -> str:
    if not result[:1].isdigit():
        return "request failure"
    return "receive success response" if result.startswith("2.") else "receive error response"
