from collections.abc import Callable
from typing import Any

from lwm2m_fast.core.forms import Forms
from lwm2m_fast.core.target import Target

class Judge:
    """Of one engine's devices; set it as Engine.judge_send. `forms`: core/forms."""

    malformed: int
    unregistered: int
    def __init__(self, forms: Forms) -> None: ...
    def report_to(self, known: dict[int, Any], first: Callable[[int, str, Target], None]) -> None:
        """Tell `first` of each Send that is taken and whose number is not in `known`: number,
        endpoint name, Target. Who hears of the report has to know by then whose it is, as its
        device may have left in the same turn."""

    def counters(self) -> dict[str, int]:
        """What was refused."""
