"""Targets: one per set of words that devices register with, and never out of date."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "scenario"))

from scripted import World, reachable

from lwm2m_fast import targets as targets_module
from lwm2m_fast.codec import Kind
from lwm2m_fast.codec import Path as Place
from lwm2m_fast.fleet.settings import Settings
from lwm2m_fast.model import Definitions, Model, ObjectDefinition, built_in
from lwm2m_fast.targets import Targets
from tests.value_kit import MODEL, OBJECTS, Registry, SettingsTable


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.register("dev-1")
    registry.register("dev-2")
    return registry


def test_a_target_is_the_registration_with_its_definitions(registry: Registry) -> None:
    target = Targets(registry, MODEL, SettingsTable()).of("dev-1")
    assert target is not None
    assert (target.endpoint, target.lwm2m_version, target.root) == ("dev-1", "1.1", "/")
    assert target.objects[3303] == (None, (0, 1))
    assert target.kind(Place.parse("/3303/0/5700")) is Kind.FLOAT
    assert (target.forced, target.binary) == (None, None)


def test_devices_of_one_firmware_share_one(registry: Registry) -> None:
    targets = Targets(registry, MODEL, SettingsTable())
    first, second = targets.of("dev-1"), targets.of("dev-2")
    assert first is not None and second is not None
    assert (first.endpoint, second.endpoint) == ("dev-1", "dev-2")
    assert first.types is second.types
    assert targets.form_of("dev-1") is targets.form_of("dev-2")
    assert registry.asked == ["dev-1"], "worked out once"
    assert targets.counters() == {"target_forms_current": 1, "target_forms_made": 1}


def test_what_a_device_registers_anew_counts_at_once(registry: Registry) -> None:
    targets = Targets(registry, MODEL, SettingsTable())
    targets.of("dev-1")
    registry.register("dev-1", {3: [0]})
    changed, other = targets.of("dev-1"), targets.of("dev-2")
    assert changed is not None and set(changed.objects) == {3}
    assert other is not None and set(other.objects) == set(OBJECTS)


def test_a_device_that_has_left_has_no_target(registry: Registry) -> None:
    targets = Targets(registry, MODEL, SettingsTable())
    assert targets.of("dev-1") is not None
    del registry.objects["dev-1"]
    assert targets.of("dev-1") is None
    assert targets.form_of("dev-3") is None


def test_settings_count_at_once(registry: Registry) -> None:
    settings = SettingsTable()
    targets = Targets(registry, MODEL, settings)
    targets.of("dev-1")
    settings.by_endpoint["dev-1"] = Settings(
        serialization_format="SENML_CBOR", binary_encoding="TLV", default_object_version="1.1"
    )
    target, other = targets.of("dev-1"), targets.of("dev-2")
    assert target is not None and other is not None
    assert (target.forced, target.binary) == (112, 11542)
    assert (other.forced, other.binary) == (None, None)


def test_an_uploaded_definition_counts_at_once(registry: Registry) -> None:
    uploads = Definitions()
    targets = Targets(registry, Model(uploads, built_in()), SettingsTable())
    before = targets.of("dev-1")
    known = built_in().get(3303, "1.0")
    assert before is not None and known is not None
    uploads.put(
        [
            ObjectDefinition(
                3303, "1.0", "Mine", known.urn, True, False, "1.0", dict(known.resources)
            )
        ]
    )
    after = targets.of("dev-1")
    assert before.view.objects[3303].name == "Temperature"
    assert after is not None and after.view.objects[3303].name == "Mine"
    assert targets.counters()["target_forms_current"] == 1, "what is out of date has gone"


def test_the_number_of_forms_is_bounded(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets_module, "MAX_FORMS", 2)
    targets = Targets(registry, MODEL, SettingsTable())
    for instance in range(3):
        registry.register("dev-1", {3: [instance]})
        targets.of("dev-1")
    assert targets.counters() == {"target_forms_current": 2, "target_forms_made": 3}
    registry.register("dev-1", {3: [0]})  # the oldest had to go
    targets.of("dev-1")
    assert targets.misses == 4


def test_the_shape_of_a_device_is_that_of_all_with_the_same_words() -> None:
    world, device = reachable(World(), "dev-1")
    reachable(world, "dev-2", "192.0.2.2:5683")
    engine = world.engine
    shape = engine.shape("dev-1")
    assert shape != 0
    assert shape == engine.shape("dev-2") == engine.shape_at(0) == engine.shape_at(1)
    device.register("dev-1", payload=b"</3/0>,</4/0>")
    assert engine.shape("dev-1") not in (0, shape)
    device.register("dev-1", version="1.2")
    assert engine.shape("dev-1") not in (0, shape), "the same words, another version"
    device.register("dev-1")
    assert engine.shape("dev-1") == engine.shape("dev-2") == shape
    assert engine.shape("nobody") == engine.shape("\ud800") == 0
    assert engine.shape_at(2) == engine.shape_at(2**32 - 1) == 0


def test_targets_of_the_real_engine() -> None:
    world, _ = reachable(World(), "dev-1")
    targets = Targets(world.engine, MODEL, SettingsTable())
    target = targets.of("dev-1")
    assert target is not None
    assert target.endpoint == "dev-1"
    assert 3 in target.objects
