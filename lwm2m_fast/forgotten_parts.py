"""Everything of a running server that holds something under endpoint names, in the order in which
it is forgotten (forgetting.py): the registration first, with its observations and the requests that
are under way, then what else could show or do to the next owner of a name what was the former's.

What is not here is of a tenant, and not of a name: uploaded files, profiles, commands after a
registration, batches, ended operations. Credentials and settings go in the transaction that frees
the name; a log level goes with the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lwm2m_fast.bootstrap.outcome_rows import OutcomeRows
from lwm2m_fast.bootstrap.switch import BootstrapSwitch
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.errors import StoreError
from lwm2m_fast.forgetting import Part, Why
from lwm2m_fast.provisioning.device_rows import LISTED
from lwm2m_fast.queue.durable import Durable
from lwm2m_fast.queue.operating import Operating
from lwm2m_fast.secure import SecureSide
from lwm2m_fast.store.base import FleetStore
from lwm2m_fast.values import Values


class Parts:
    """The parts of one server."""

    def __init__(
        self,
        engine: Engine,
        side: SecureSide,
        bootstrap: BootstrapSwitch,
        outcome_rows: OutcomeRows,
        operating: Operating,
        durable: Durable,
        fleet: FleetStore,
        values: Values,
    ) -> None:
        self._engine, self._side, self._fleet = engine, side, fleet
        self._bootstrap, self._outcome_rows = bootstrap, outcome_rows
        self._operating, self._durable, self._values = operating, durable, values

    def all(self) -> list[Part]:
        """In their order."""
        return [
            Part("registrations", self._registrations),
            Part("places on the list", self._places),
            Part("bootstraps", self._bootstraps),
            Part("operations", self._operations),
            Part("last values", self._last_values),
        ]

    async def _registrations(self, names: Sequence[str], why: Why) -> int:
        """A device of the same name that registers meanwhile is another registration, and stays."""
        engine, ended = self._engine, []
        for name in names:
            found = None if engine.heard_at(name) is None else engine.device(name)
            if found is not None:
                ended.append(found["registration_id"])
                self._side.end_registration(name, why.registration)
        if ended:
            await self._side.until_ended()
            left = sum(engine.endpoint_by_id(number) is not None for number in ended)
            if left:
                raise StoreError(f"the store cannot let go of {left} registrations now")
        return len(ended)

    async def _places(self, names: Sequence[str], why: Why) -> int:
        """Those whose row has gone in the transaction (provisioning/handover.py)."""
        return _each(names, self._unlisted)

    def _unlisted(self, name: str) -> None:
        if self._fleet.get(LISTED, name.encode()) is None:
            self._engine.disallow(name)

    async def _bootstraps(self, names: Sequence[str], why: Why) -> int:
        """One under way ends with the configuration; of a name that another has it is his."""
        outcomes = self._bootstrap.outcomes
        _each(names, self._bootstrap.forget if why.is_gone else outcomes.forget)
        unwritten = outcomes.unwritten  # rows that are to go, among others
        await self._outcome_rows.flush()
        return unwritten

    async def _operations(self, names: Sequence[str], why: Why) -> int:
        """What waits, and the attributes that would be written anew. Ended ones are of a tenant."""
        operating, refused = self._operating, []

        def kept(error: StoreError | None) -> None:
            if error is not None:
                refused.append(error)

        end = operating.forget if why.is_gone else operating.disown
        before = self._durable.given
        try:
            _each(names, lambda name: end(name, why.operation, kept))
        finally:
            given = self._durable.given - before
            if given:
                await self._durable.put(())  # in the order of the calls: all before is kept, or not
        if refused:
            raise refused[0]
        return given

    async def _last_values(self, names: Sequence[str], why: Why) -> int:
        return await self._values.forget_devices(names)


def _each(names: Sequence[str], forget: Callable[[str], object]) -> int:
    """Forget each, although one before it cannot be; the first error is raised then."""
    first: Exception | None = None
    for name in names:
        try:
            forget(name)
        except Exception as error:  # raised below, when all others have been told
            first = first or error
    if first is not None:
        raise first
    return 0
