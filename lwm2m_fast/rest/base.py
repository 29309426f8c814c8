"""What the HTTP interface is given: the service behind it, as protocols.

The server implements these; rest/ never imports it. Everything here is called on the event
loop's thread and does bounded work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

MAX_PAGE = 1000
MAX_BULK = 10_000
MAX_ENDPOINT_BYTES = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """A device's response. `code` is the CoAP code byte (69 is 2.05), also of a refusal."""

    code: int
    content_format: int | None
    payload: bytes
    etag: bytes | None = None


class Event(Protocol):
    """Something that happened to a device (core/events.py). `at` is in unix seconds."""

    @property
    def kind(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def at(self) -> float: ...
    @property
    def data(self) -> dict[str, Any]: ...


class Subscription(Protocol):
    """Events from now on, until close(). Never blocks the publisher: at its bound it drops."""

    dropped: int
    """Events lost so far because the reader was too slow."""

    def __aiter__(self) -> AsyncIterator[Event]: ...

    def close(self) -> None: ...


class Service(Protocol):
    """The running server."""

    def device(self, endpoint: str) -> dict[str, Any] | None:
        """The registration of `endpoint`, ready for JSON; None when there is none."""

    def devices(
        self, cursor: int, limit: int, contains: str = ""
    ) -> tuple[list[dict[str, Any]], int | None]:
        """A page of registrations whose endpoint name has `contains` in it, and where to go on.

        A page may be short, even empty, and still have a next cursor.
        """

    def device_count(self) -> int: ...

    async def read(self, endpoint: str, path: str, accept: int | None, timeout_s: float) -> Answer:
        """The device's answer to a Read of `path`, be it a refusal.

        Raises UnknownDevice, QueueFull, DeviceTimeout, DeviceError, RequestError.
        """

    async def deregister(self, endpoint: str) -> bool:
        """Remove the registration; the device's next Update gets 4.04. False when unknown.

        StoreError when the store could not keep that: then the device is still registered.
        """

    def subscribe(self, endpoint: str | None = None) -> Subscription:
        """Events of one device, or of all."""

    async def allow(self, endpoints: Iterable[str]) -> int:
        """Let these register; all of them or, with StoreError, none. Returns how many are new."""

    async def disallow(self, endpoint: str) -> bool:
        """Take one off the list. False when it was not on it."""

    def allowed(self, after: str | None, limit: int) -> list[str]:
        """Who may register, in order, beginning after a name."""

    def counters(self) -> dict[str, int]:
        """Every counter and gauge under a flat name."""

    def problems(self) -> list[str]:
        """Why the server is not ready; empty when it is."""
