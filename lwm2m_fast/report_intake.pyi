from typing import Any, TypeVar

from lwm2m_fast.core.ask import ReportTuple

T = TypeVar("T")

def take_known(
    reports: list[ReportTuple], items: dict[int, Any], bound: dict[int, Any], error: int
) -> tuple[list[ReportTuple], int]:
    """Put each report whose number is in `bound`, and whose code is below `error`, into `items`.

    Returns the rest in their order, and the bytes of all payloads.
    """

def read_known(
    done: list[Any], items: dict[int, Any], newest: dict[Any, int], heard: type[T], origin: int
) -> list[T]:
    """Put the values of each Read into `items`, in the place of the newest of the same kind.

    `done` has (endpoint, order, Result, unix seconds) of each, `heard` is the type of an item, and
    `newest` has the keys of the kinds (value_rows.py: Batch). Returns the items of new kinds.
    """
