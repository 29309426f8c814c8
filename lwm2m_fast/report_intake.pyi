from typing import Any

from lwm2m_fast.core.ask import ReportTuple

def take_known(
    reports: list[ReportTuple], items: dict[int, Any], bound: dict[int, Any], error: int
) -> tuple[list[ReportTuple], int]:
    """Put each report whose number is in `bound`, and whose code is below `error`, into `items`.

    Returns the rest in their order, and the bytes of all payloads.
    """
