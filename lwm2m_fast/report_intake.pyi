from typing import Any

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

def read_known(
    endpoints: list[str],
    results: list[Result],
    at: float,
    latest: dict[str, Heard],
    newest: dict[tuple[str, int, int], Heard],
    origin: Origin,
) -> list[Heard]:
    """Put the values of each Read, a Result, in the place of the newest ones of the same kind.

    `newest` has the items by their kind, `latest` the one that was renewed last by endpoint name
    (value_rows.py: Batch). Returns items of new kinds.
    """
