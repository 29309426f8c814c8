"""What a device is observed for because its profile says so: asked for after each full Register.

First the attributes of the profile, then one observation for each path, for all, or for each
object. What the device is observed for already, or will be again because it was (reestablish.py),
is not asked for; nor is what it has not registered. Knows profiles and registrations; queues and
sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lwm2m_fast.core.orders import MAX_PATHS, Order
from lwm2m_fast.core.strategies import SINGLE, paths_apart
from lwm2m_fast.errors import RequestError, StoreError, UnknownDevice
from lwm2m_fast.fleet.profile_fields import RESERVED, Profile, ids_of
from lwm2m_fast.queue.reestablish import observe_order


class Profiles(Protocol):
    """Whose profile is which."""

    @property
    def uses_profiles(self) -> bool:
        """False: no device has one, and nobody need be asked."""
        ...

    def profile_of(self, endpoint: str) -> Profile | None:
        """RequestError, StoreError: it cannot be had."""
        ...


class Engine(Protocol):
    """The part of core/engine that knows registrations and observations."""

    def device(self, endpoint: str) -> dict[str, Any] | None: ...
    def observations(self, endpoint: str) -> list[dict[str, Any]]: ...


class ProfileObserving:
    """The orders of a device's profile. Loop's thread only."""

    def __init__(self, profiles: Profiles, engine: Engine) -> None:
        self._profiles, self._engine = profiles, engine
        self.not_read = 0

    @property
    def is_on(self) -> bool:
        return self._profiles.uses_profiles

    def orders(self, endpoint: str) -> list[Order]:
        """What a device that has registered now gets; nothing without a profile."""
        try:
            profile = self._profiles.profile_of(endpoint)
        except (RequestError, StoreError):
            self.not_read += 1
            return []
        device = self._engine.device(endpoint)
        if profile is None or device is None:
            return []
        return orders_of(profile, device["objects"], self._held(endpoint))

    def _held(self, endpoint: str) -> set[frozenset[str]]:
        try:
            known = self._engine.observations(endpoint)
        except UnknownDevice:
            return set()
        orders = [observe_order(each["context"]) for each in known]
        return {frozenset(each.paths or (each.path or "",)) for each in orders if each is not None}

    def counters(self) -> dict[str, int]:
        return {"profiles_not_read": self.not_read}


def orders_of(
    profile: Profile, objects: Mapping[str, Any], held: set[frozenset[str]]
) -> list[Order]:
    """The orders for a device with these objects that is observed for these sets of paths."""
    own = profile.observe_attr
    wanted = [path for path in own.observe if _is_there(objects, path)]
    strategy = own.observe_strategy
    groups = [
        part
        for each in paths_apart(wanted, strategy)
        for part in _parts(each)
        if frozenset(part) not in held
    ]
    if not groups:
        return []
    attributes = [
        Order("write_attributes", path, attributes=each.model_dump(exclude_none=True),
              is_unchecked=True)
        for path, each in own.attribute_lwm2m.items()
        if _is_there(objects, path) and each.model_fields_set
    ]  # fmt: skip
    if strategy == SINGLE:
        return attributes + [Order("observe", path, is_unchecked=True) for (path,) in groups]
    return attributes + [
        Order("observe_composite", paths=group, is_unchecked=True) for group in groups
    ]


def _parts(paths: tuple[str, ...]) -> list[tuple[str, ...]]:
    """As many requests as it takes: one has MAX_PATHS at most."""
    return [paths[at : at + MAX_PATHS] for at in range(0, len(paths), MAX_PATHS)]


def _is_there(objects: Mapping[str, Any], path: str) -> bool:
    """Whether a device has registered what a path is of; without instances it may be. What is of
    the reserved instance never is, and would have all that is asked for beside it refused."""
    object_id, *rest = ids_of(path)
    if rest and rest[0] == RESERVED:
        return False
    found = objects.get(str(object_id))
    return found is not None and (
        not rest or not found["instances"] or rest[0] in found["instances"]
    )
