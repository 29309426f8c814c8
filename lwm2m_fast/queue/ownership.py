"""Whose operations are: of the tenant that had the device's name when they were asked for.

A name can be freed and become another tenant's. What was asked of it before is then neither shown
to the new owner nor done to its device. Knows no store: who owns a name is asked of whoever does.
"""

from __future__ import annotations

from collections.abc import Callable

from lwm2m_fast.core.operation import Operation
from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.tenants import MANAGEMENT


def managements(endpoint: str) -> str:
    """The owner of every name on a server without tenants."""
    return MANAGEMENT


class Ownership:
    """`owner` tells the tenant of a name, quickly; MANAGEMENT where it is nobody's."""

    def __init__(self, owner: Callable[[str], str]) -> None:
        self._owner = owner

    def tenant(self, endpoint: str) -> str | None:
        """What an operation keeps of its owner (Operation.tenant). StoreError."""
        found = self._owner(endpoint)
        return None if found == MANAGEMENT else found

    def has(self, operation: Operation) -> bool:
        """Whether it is of who has the name now. StoreError."""
        return self.tenant(operation.endpoint) == operation.tenant

    def may_tell(self, operation: Operation) -> bool:
        """has(), and no error: what cannot be known is not told."""
        try:
            return self.has(operation)
        except StoreError:
            return False
