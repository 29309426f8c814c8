"""What all devices of a fleet start as, and what the registry says their resources may be.

Shared by the whole fleet and never changed: a device that is written to copies what it changes
(sim/replica.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lwm2m_fast.codec import Kind, Types
from lwm2m_fast.model import Model, ObjectDefinition, ResourceDefinition, built_in
from lwm2m_fast.sim.answers import OFFERED, SINGLE, STRUCTURED
from lwm2m_fast.sim.objects import Simulated, SimulatedObject, simulated_objects

Rows = dict[int, Simulated | dict[int, Simulated]]
"""Resource id to value, or to values by resource instance; None where nothing can be read."""

Tree = Mapping[int, Mapping[int, Rows]]
"""Object id to instance id to resources."""


class Blueprint:
    """The objects of one LwM2M version, with their definitions."""

    def __init__(self, version: str, lifetime_s: int, sensors: int) -> None:
        """`lifetime_s` is resource /1/0/1; `sensors` the instances of object 3303."""
        self.version: Final = version
        self.lifetime_s: Final = lifetime_s
        self.objects: Final[Sequence[SimulatedObject]] = simulated_objects(
            version, lifetime_s, sensors
        )
        self.versions: Final = {each.id: each.version for each in self.objects}
        self.tree: Final[Tree] = {
            each.id: {
                instance: {resource.id: resource.value for resource in resources}
                for instance, resources in each.instances.items()
            }
            for each in self.objects
        }
        self.offered: Final = OFFERED[version]
        self.structured: Final = STRUCTURED[version]
        self.single: Final = SINGLE[version]
        view = Model(built_in()).view(self.versions, lwm2m_version=version)
        self._definitions = view.objects
        self.types: Final = Types(view.types, multiple=view.multiple)
        self._supported = {
            id: {resource for rows in instances.values() for resource in rows}
            for id, instances in self.tree.items()
        }

    def object(self, object_id: int) -> ObjectDefinition | None:
        """None for an object that the devices do not have."""
        return self._definitions.get(object_id)

    def resource(self, object_id: int, resource_id: int) -> ResourceDefinition | None:
        """None for a resource that the devices do not have, or that nobody has defined."""
        definition = self._definitions.get(object_id)
        if definition is None or resource_id not in self._supported[object_id]:
            return None
        return definition.resources.get(resource_id)

    def resources(self, object_id: int) -> list[ResourceDefinition]:
        """What an instance of this object may hold on these devices."""
        every = sorted(self._supported[object_id])
        return [found for id in every if (found := self.resource(object_id, id))]


def kind_of(definition: ResourceDefinition) -> Kind:
    """The codec's word for the type of a resource."""
    return Kind[definition.type.value]
