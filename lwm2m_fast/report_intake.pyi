from typing import Any, Protocol

from lwm2m_fast.codec import Pack
from lwm2m_fast.core.ask import ReportTuple
from lwm2m_fast.core.last_values import Gone, Origin
from lwm2m_fast.core.operations import Result

def take_known(
    reports: list[ReportTuple], items: dict[int, Any], bound: dict[int, Any], error: int
) -> tuple[list[ReportTuple], int]:
    """Put each report whose number is in `bound`, and whose code is below `error`, into `items`.

    Returns the rest in their order, and the bytes of all payloads.
    """

class Heard:
    """Something about a device's values that is not yet in the store, unless it is a report.

    `at` is unix time in seconds; `gone`, instead of a pack: which values are to be forgotten.
    """

    endpoint: str
    at: float
    origin: Origin
    pack: Pack | None
    gone: Gone | None
    def __init__(
        self, endpoint: str, at: float, origin: Origin, pack: Pack | None, gone: Gone | None = None
    ) -> None: ...
    @property
    def kind(self) -> tuple[str, int, int]:
        """Endpoint name, origin and shape: an item of the same kind can stand in its place."""

    def renew(self, later: Heard) -> None:
        """Be what a later one of the same kind is."""

class Batch(Protocol):
    """Where values wait for a flush (value_rows.py)."""

    @property
    def latest(self) -> dict[str, Heard]: ...
    @property
    def newest(self) -> dict[tuple[str, int, int], Heard]: ...
    @property
    def items(self) -> dict[int, ReportTuple | Heard]: ...
    @property
    def keys(self) -> dict[str, list[int]]: ...

def read_known(
    endpoints: list[str], results: list[Result], at: float, batch: Batch, origin: Origin, key: int
) -> int:
    """Put the values of each Read, a Result, into a Batch (value_rows.py): in the place of the
    newest item of the same kind, else as one more under `key` and those below it. Returns the next
    key."""
