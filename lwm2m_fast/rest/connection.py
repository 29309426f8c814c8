"""How long an HTTP client may take over what is not its turn to wait: its request, and taking the
answer.

uvicorn bounds neither, and a connection without a request costs its client nothing: some thousand
would leave no room for others. Knows no route; bodies are the gate's (limits.py).
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 20.0
"""From the connection, or the answer before, until a request's head is whole."""
TAKEN_S = 60.0
"""How long an answer may wait in our buffers for its client, once the connection is to close."""


class Connection(H11Protocol):
    """One connection; counted when it is closed because its client was too slow."""

    slow: ClassVar[int] = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._wait(HEAD_S)
        super().on_response_complete()

    def _wait(self, seconds: float) -> None:
        self._stop()
        self._deadline = self.loop.call_later(seconds, self._late)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _late(self) -> None:
        if self.transport.is_closing():  # what is answered is not taken
            Connection.slow += 1
            self.transport.abort()
        elif self.cycle is None or self.cycle.response_complete:
            Connection.slow += 1
            self.transport.close()
            self._deadline = self.loop.call_later(TAKEN_S, self._late)
