"""Faults for kits: a net that is there in the server must not hide what a test is to find."""

from __future__ import annotations

from lwm2m_fast.faults import Faults


class RaisingFaults(Faults):
    """Raises what it is told, when it is told."""

    def note(self, fault: BaseException, where: str) -> None:
        raise fault
