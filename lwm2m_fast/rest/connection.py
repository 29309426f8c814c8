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
TAKEN_S = 90.0
"""While an answer waits in our buffers for its client, it takes TAKEN_BYTES of it in this time.
More than event streams have, which see to it themselves (events.py)."""
TAKEN_BYTES = 16 << 10


class Connection(H11Protocol):
    """One connection; counted when it is closed because its client was too slow."""

    slow: ClassVar[int] = 0
    _deadline: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None
    _left = 0
    """Bytes in our buffers when the present TAKEN_S began."""
    _is_slow = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._let()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._wait(HEAD_S)
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._take()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._let()
        if self.transport.is_closing():  # else more may come into the buffers meanwhile
            self._take()

    def _wait(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        """No request has come; or the connection is closing, and an answer still leaves."""
        if not self.transport.is_closing():
            if self.cycle is not None and not self.cycle.response_complete:
                return
            self._count()
            self.transport.close()
        if self._taking is None:
            self._take()

    def _take(self) -> None:
        """The client has TAKEN_S from here on, if anything waits for it."""
        self._let()
        self._left = self.transport.get_write_buffer_size()
        if self._left:
            self._taking = self.loop.call_later(TAKEN_S, self._untaken)

    def _let(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _untaken(self) -> None:
        if self.transport.get_write_buffer_size() > self._left - TAKEN_BYTES:
            self._count()
            self.transport.abort()
        else:
            self._take()

    def _count(self) -> None:
        Connection.slow += not self._is_slow
        self._is_slow = True
