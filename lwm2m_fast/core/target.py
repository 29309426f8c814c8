"""What an order is worked out against: what one device speaks and has, at one moment.

A value, made of a registration and the object model; it knows neither the device table nor how
long it is true: who keeps one drops it when the device registers anew or changes its objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from lwm2m_fast.codec import Kind, Path, Types
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.model import Model, ResourceDefinition, View, parse_version

_FIRST: Final = (1, 0)
_RESOURCE: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One device, as its registration and the object model have it."""

    endpoint: str
    lwm2m_version: str
    """"1.0", "1.1" or "1.2"."""
    content_formats: tuple[int, ...]
    """What it offers (`ct`); empty: it does not say."""
    objects: Mapping[int, tuple[str | None, tuple[int, ...]]]
    """Object id to (version, None where the registration has none; instance ids)."""
    view: View
    types: Types
    forced: int | None = None
    """The `serializationFormat` configured for the device, None: automatic."""
    binary: int | None = None
    """Its `binaryDeliveryEncoding`, None: octets."""
    root: str = "/"
    """Its alternate root path; the engine puts it before Uri-Paths, we before names in payloads."""
    ready: dict[Any, CoapRequest] = field(default_factory=dict, repr=False)
    """Requests worked out before, for devices that are alike; bounded by who fills it."""
    version: tuple[int, int] = field(init=False, repr=False)
    """`lwm2m_version` in numbers."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", parse_version(self.lwm2m_version) or _FIRST)

    def resource(self, path: Path) -> ResourceDefinition | None:
        """What is known of the resource at or above `path`; None for a shorter path, too."""
        if path.depth < _RESOURCE:
            return None
        ids = path.ids
        return self.view.resource(ids[0], ids[2])

    def kind(self, path: Path) -> Kind | None:
        """The kind of the resource at or above `path`, None when nobody knows it."""
        ids = path.ids
        name = self.view.types.get((ids[0], ids[2])) if len(ids) >= _RESOURCE else None
        return Kind.__members__.get(name) if name else None


@lru_cache(maxsize=256)
def _types_of(view: View) -> Types:
    return Types(view.types, view.multiple)


@lru_cache(maxsize=256)
def _ready_for(*alike: Any) -> dict[Any, CoapRequest]:
    """One memory for all devices that have the same definitions, formats and settings."""
    return {}


def target_of(
    device: Mapping[str, Any],
    model: Model,
    forced: int | None = None,
    binary: int | None = None,
    default_version: str | None = None,
) -> Target:
    """The target that `device` is, as Engine.device() describes it. `forced` and `binary` are the
    content formats configured for it, `default_version` that of objects registered without one."""
    version = device["lwm2m_version"]
    objects = {
        int(number): (each["version"], tuple(each["instances"]))
        for number, each in device["objects"].items()
    }
    registered = {number: given for number, (given, _) in objects.items()}
    view = model.view(registered, lwm2m_version=version, default_version=default_version)
    offered = tuple(device["content_formats"])
    return Target(
        endpoint=device["endpoint"],
        lwm2m_version=version,
        content_formats=offered,
        objects=objects,
        view=view,
        types=_types_of(view),
        forced=forced,
        binary=binary,
        root=device["root"],
        ready=_ready_for(view, offered, version, forced, binary),
    )
