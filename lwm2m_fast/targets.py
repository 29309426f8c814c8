"""Targets: a registered device as the operations and the values see it (core/target.py).

Worked out once for all devices that registered the same objects, in the same words, with the same
settings: a fleet of one firmware has one. So nothing has to be dropped when a device registers
anew or changes its objects: it is then looked up under what it says now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from lwm2m_fast.core.target import Target, target_of
from lwm2m_fast.fleet.settings import UNSET, Settings
from lwm2m_fast.model import Layer, Model, binary_format, forced_format

MAX_NAMED = 16_384
"""Targets under their endpoint name kept ready: of devices that are asked again and again."""

MAX_FORMS = 4096
"""Distinct registrations kept ready; the oldest one makes room."""


class Registry(Protocol):
    """The part of the engine that is asked."""

    def device(self, endpoint: str) -> dict[str, Any] | None: ...

    def shape(self, endpoint: str) -> int: ...

    def shape_at(self, slot: int) -> int: ...


class SettingsSource(Protocol):
    """The part of the device settings that is asked."""

    @property
    def own(self) -> Mapping[str, Settings]: ...

    def get(self, endpoint: str) -> Settings: ...


_Key = int | tuple[int, str | None, str | None, str | None]


class Targets:
    """By endpoint name, as the device is registered at this moment."""

    def __init__(self, registry: Registry, model: Model, settings: SettingsSource) -> None:
        self._registry, self._model, self._settings = registry, model, settings
        self._forms: dict[_Key, Target] = {}
        self._named: dict[str, tuple[Target, Target]] = {}
        """Endpoint name to the form it had, and that form under its name."""
        self._revision = model.revision
        self.misses = 0

    @property
    def own(self) -> Mapping[str, Settings]:
        """By endpoint name: who is not like the others that registered the same."""
        return self._settings.own

    @property
    def revised(self) -> tuple[Layer, ...]:
        """Any target may change when the sum of their revisions does: for whoever asks often."""
        return self._model.layers

    def of(self, endpoint: str) -> Target | None:
        """The device's own target; None when it is not registered."""
        form = self.form_of(endpoint)
        if form is None:
            return None
        known = self._named.get(endpoint)
        if known is not None and known[0] is form:
            return known[1]
        named = replace(form, endpoint=endpoint)
        if len(self._named) >= MAX_NAMED:
            del self._named[next(iter(self._named))]
        self._named[endpoint] = (form, named)
        return named

    def form_of(self, endpoint: str) -> Target | None:
        """A target that differs from of() in nothing but its endpoint name: for reading what the
        device sent, and cheaper."""
        return self._form(self._registry.shape(endpoint), endpoint)

    def form_at(self, slot: int, endpoint: str) -> Target | None:
        """form_of() for a device whose slot is known, too."""
        return self._form(self._registry.shape_at(slot), endpoint)

    def _form(self, shape: int, endpoint: str) -> Target | None:
        if not shape:
            return None
        if self._revision != self._model.revision:
            self._revision = self._model.revision
            self._forms.clear()
        settings = self._settings.get(endpoint)
        key: _Key = shape
        if settings is not UNSET:
            key = (
                shape,
                settings.serialization_format,
                settings.binary_encoding,
                settings.default_object_version,
            )
        return self._forms.get(key) or self._make(endpoint, key, settings)

    def _make(self, endpoint: str, key: _Key, settings: Settings) -> Target | None:
        device = self._registry.device(endpoint)
        if device is None:
            return None
        self.misses += 1
        form = target_of(
            device,
            self._model,
            forced_format(settings.serialization_format),
            binary_format(settings.binary_encoding),
            settings.default_object_version,
        )
        if len(self._forms) >= MAX_FORMS:
            del self._forms[next(iter(self._forms))]
        self._forms[key] = form
        return form

    def counters(self) -> dict[str, int]:
        return {"target_forms_current": len(self._forms), "target_forms_made": self.misses}
