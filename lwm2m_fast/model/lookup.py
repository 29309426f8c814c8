"""Which definition is meant by an object id and the version a device registered.

A model is a stack of layers, nearest first: what a tenant uploaded, what it inherits, the built-in
facts. Knows nothing of devices or tenants: it is told ids, versions and the layers.

The rules (docs/model.md):
1. A version that was not given, or is not one, is the configured default, else the version that
   belongs to the device's LwM2M release (`CORE_VERSIONS`), else 1.0.
2. That exact version wins, in the first layer that has it.
3. Else the same major version: the nearest newer minor one (it still has everything the older one
   had), else the nearest older one.
4. Else, only if the device gave no version, the oldest there is. A major version that was given and
   is not known has no definition: its resources may mean anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from lwm2m_fast.errors import RequestError
from lwm2m_fast.model.definitions import ObjectDefinition, ResourceDefinition, parse_version

MAX_DEFINITIONS = 4096
"""Object versions that one layer of uploads may hold."""

MAX_CACHED_VIEWS = 256
"""Distinct registered sets of objects and versions kept ready; the oldest one makes room."""

Version = tuple[int, int]

_NEWEST_LWM2M = "1.2"

CORE_VERSIONS: Mapping[str, Mapping[int, str]] = {
    "1.0": {},
    "1.1": {0: "1.1", 1: "1.1", 3: "1.1", 4: "1.2"},
    "1.2": {0: "1.2", 1: "1.2", 2: "1.1", 3: "1.2", 4: "1.3", 5: "1.1"},
}
"""Versions of the core objects in each LwM2M release where they are not 1.0: a device need not
state them (LwM2M Core, section 7.2.3)."""


class Layer(Protocol):
    """A source of definitions. `revision` grows with every change of what it holds."""

    @property
    def revision(self) -> int: ...

    def object_ids(self) -> Iterable[int]: ...

    def versions(self, object_id: int) -> Iterable[str]: ...

    def get(self, object_id: int, version: str) -> ObjectDefinition | None: ...


class Definitions:
    """A layer of uploaded definitions."""

    def __init__(self, definitions: Iterable[ObjectDefinition] = ()) -> None:
        self.revision = 0
        self._objects: dict[int, dict[str, ObjectDefinition]] = {}
        self._count = 0
        self.put(definitions)

    def put(self, definitions: Iterable[ObjectDefinition]) -> None:
        """Add these; one with the same id and version is replaced. RequestError at the bound
        (MAX_DEFINITIONS), and then none of them is added."""
        new = {(each.id, each.version): each for each in definitions}
        added = sum(self.get(*key) is None for key in new)
        if self._count + added > MAX_DEFINITIONS:
            raise RequestError(
                f"{added} more object definitions beside {self._count}: "
                f"at most {MAX_DEFINITIONS} are kept"
            )
        for (object_id, version), each in new.items():
            self._objects.setdefault(object_id, {})[version] = each
        self._count += added
        self.revision += 1

    def remove(self, object_id: int, version: str) -> bool:
        """False when there was no such definition."""
        versions = self._objects.get(object_id, {})
        if versions.pop(version, None) is None:
            return False
        if not versions:
            del self._objects[object_id]
        self._count -= 1
        self.revision += 1
        return True

    def __len__(self) -> int:
        return self._count

    def object_ids(self) -> Iterable[int]:
        return self._objects.keys()

    def versions(self, object_id: int) -> Iterable[str]:
        return self._objects.get(object_id, {}).keys()

    def get(self, object_id: int, version: str) -> ObjectDefinition | None:
        return self._objects.get(object_id, {}).get(version)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class View:
    """The definitions that one set of registered objects and versions means.

    Shared by every device of that set, so read only; the same set gives the same View, until a
    layer changes: what is derived from one may be kept beside it.
    """

    objects: Mapping[int, ObjectDefinition]
    types: Mapping[tuple[int, int], str]
    """(object id, resource id) to type name, a plain dict: what a codec is given ..."""
    multiple: frozenset[int]
    """... and the ids of objects that may have several instances."""

    def resource(self, object_id: int, resource_id: int) -> ResourceDefinition | None:
        known = self.objects.get(object_id)
        return known.resources.get(resource_id) if known else None


_Key = tuple[frozenset[tuple[int, str | None]], str, str | None]


class Model:
    """Definitions by object id and version, looked up through layers, nearest first."""

    def __init__(self, *layers: Layer) -> None:
        self._layers = layers
        self._views: dict[_Key, View] = {}
        self._revision = self._layer_revisions()

    def find(
        self,
        object_id: int,
        version: str | None = None,
        *,
        lwm2m_version: str = "1.0",
        default_version: str | None = None,
    ) -> ObjectDefinition | None:
        """The definition that is meant, by the rules above; None where nothing sensible is known.

        `version` is what the registration says for this object, `lwm2m_version` what it says for
        the device, `default_version` what is configured for objects registered without one.
        """
        given = parse_version(version)
        target = given or _default(object_id, lwm2m_version, default_version)
        texts = {text for layer in self._layers for text in layer.versions(object_id)}
        known = {parsed: text for text in texts if (parsed := parse_version(text))}
        chosen = _nearest(known, target, is_given=given is not None)
        return self._exact(object_id, known[chosen]) if chosen else None

    def view(
        self,
        registered: Mapping[int, str | None],
        *,
        lwm2m_version: str = "1.0",
        default_version: str | None = None,
    ) -> View:
        """The definitions for a device's `registered` objects (id to version, None where the
        registration gives none). Objects without a definition are left out."""
        self._forget_stale_views()
        key = (frozenset(registered.items()), lwm2m_version, default_version)
        view = self._views.get(key)
        if view is None:
            view = self._build(registered, lwm2m_version, default_version)
            if len(self._views) >= MAX_CACHED_VIEWS:
                self._views.pop(next(iter(self._views)), None)
            self._views[key] = view
        return view

    def types_for(
        self,
        registered: Mapping[int, str | None],
        *,
        lwm2m_version: str = "1.0",
        default_version: str | None = None,
    ) -> Mapping[tuple[int, int], str]:
        """What a codec is given for a device: (object id, resource id) to type name."""
        view = self.view(registered, lwm2m_version=lwm2m_version, default_version=default_version)
        return view.types

    def definitions(self) -> Iterable[ObjectDefinition]:
        """Every (object id, version) that can be seen from here, by id and version."""
        for object_id in sorted({each for layer in self._layers for each in layer.object_ids()}):
            versions = {text for layer in self._layers for text in layer.versions(object_id)}
            for version in sorted(versions, key=lambda text: parse_version(text) or (0, 0)):
                found = self._exact(object_id, version)
                if found:
                    yield found

    def _exact(self, object_id: int, version: str) -> ObjectDefinition | None:
        found = (layer.get(object_id, version) for layer in self._layers)
        return next((each for each in found if each), None)

    def _build(self, registered: Mapping[int, str | None], lwm2m: str, default: str | None) -> View:
        objects: dict[int, ObjectDefinition] = {}
        types: dict[tuple[int, int], str] = {}
        for object_id, version in registered.items():
            found = self.find(object_id, version, lwm2m_version=lwm2m, default_version=default)
            if found:
                objects[object_id] = found
                types.update(found.types)
        multiple = frozenset(each.id for each in objects.values() if each.multiple)
        return View(objects, types, multiple)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Nearest first."""
        return self._layers

    @property
    def revision(self) -> int:
        """Changes whenever a definition does: what was derived from a View is then out of date."""
        return self._layer_revisions()

    def _layer_revisions(self) -> int:
        total = 0
        for layer in self._layers:  # asked for every report: quicker than sum()
            total += layer.revision
        return total

    def _forget_stale_views(self) -> None:
        revision = self._layer_revisions()
        if revision != self._revision:
            self._revision = revision
            self._views.clear()


def _default(object_id: int, lwm2m_version: str, configured: str | None) -> Version:
    release = CORE_VERSIONS.get(lwm2m_version, CORE_VERSIONS[_NEWEST_LWM2M])
    return parse_version(configured) or parse_version(release.get(object_id)) or (1, 0)


def _nearest(known: Iterable[Version], target: Version, *, is_given: bool) -> Version | None:
    ordered = sorted(known)
    same = [each for each in ordered if each[0] == target[0]]
    newer = [each for each in same if each >= target]
    if newer:
        return newer[0]
    if same:
        return same[-1]
    return None if is_given or not ordered else ordered[0]
