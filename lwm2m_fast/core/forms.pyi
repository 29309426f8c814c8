from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from lwm2m_fast.core.engine import Engine
from lwm2m_fast.core.target import Target

class HasRevision(Protocol):
    @property
    def revision(self) -> int: ...

class Targets(Protocol):
    """What makes the targets (targets.py)."""

    @property
    def revised(self) -> Iterable[HasRevision]: ...
    @property
    def own(self) -> Mapping[str, Any]: ...
    def form_at(self, slot: int, endpoint: str) -> Target | None: ...

class Form:
    """A Target, ready for use by compiled code."""

    target: Target
    ready: dict[Any, Any]
    def __init__(self, target: Target) -> None: ...

class Forms:
    """`targets` makes what is not known yet (targets.py: form_at, own, revision)."""

    made: int
    def __init__(self, engine: Engine, targets: Targets) -> None: ...
    def form(self, slot: int) -> Form | None:
        """The form of the device in this slot of the table; None when it is free."""
