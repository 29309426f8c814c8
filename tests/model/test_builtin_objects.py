"""The committed facts: complete, well formed, and opened lazily."""

import orjson
import pytest

from lwm2m_fast.model import BuiltIn, ResourceType, built_in
from lwm2m_fast.model.builtin import OBJECTS_FILE

EVERY = [
    (number, version)
    for number in built_in().object_ids()
    for version in built_in().versions(number)
]


def test_every_registered_object_with_every_version_is_there():
    assert len(list(built_in().object_ids())) == 327
    assert len(EVERY) == 424


def test_every_definition_can_be_read_and_is_what_was_asked_for():
    for number, version in EVERY:
        definition = built_in().get(number, version)
        assert (definition.id, definition.version) == (number, version)
        assert definition.name and definition.resources
        assert definition.urn.startswith("urn:oma:lwm2m:") and f":{number}" in definition.urn
        assert list(definition.resources) == [each.id for each in definition.resources.values()]


def test_the_device_object_is_as_the_core_specification_says():
    device = built_in().get(3, "1.1")
    assert (device.name, device.urn) == ("Device", "urn:oma:lwm2m:oma:3:1.1")
    assert (device.multiple, device.mandatory, device.lwm2m_version) == (False, True, "1.1")
    battery = device.resources[9]
    assert (battery.name, battery.type, battery.range) == (
        "Battery Level",
        ResourceType.INTEGER,
        "0..100",
    )
    assert battery.units == "%"
    assert battery.is_readable and not battery.is_writable and not battery.is_executable
    errors, reboot, clock = (device.resources[number] for number in (11, 4, 13))
    assert errors.multiple and errors.mandatory
    assert reboot.is_executable and reboot.type is ResourceType.NONE
    assert clock.is_readable and clock.is_writable and clock.type is ResourceType.TIME


def test_a_resource_only_a_bootstrap_server_sets_has_no_operations():
    uri = built_in().get(0, "1.0").resources[0]
    assert uri.operations == ""
    assert not (uri.is_readable or uri.is_writable or uri.is_executable)


@pytest.mark.parametrize("object_id, version", [(3, "9.9"), (65535, "1.0"), (-1, "1.0"), (3, "")])
def test_what_is_not_registered_is_none(object_id, version):
    assert built_in().get(object_id, version) is None


def test_a_definition_is_parsed_at_its_first_use_and_then_kept():
    fresh = BuiltIn(OBJECTS_FILE.read_bytes())
    assert not fresh._parsed
    assert fresh.get(3, "1.0") is fresh.get(3, "1.0")
    assert len(fresh._parsed) == 1


def test_definitions_cannot_be_changed():
    device = built_in().get(3, "1.0")
    with pytest.raises(AttributeError):
        device.name = "other"
    with pytest.raises(AttributeError):
        device.resources[0].type = ResourceType.OPAQUE
    with pytest.raises(TypeError):
        device.resources[0] = device.resources[1]


def test_the_package_carries_less_than_half_a_megabyte_of_facts():
    assert OBJECTS_FILE.stat().st_size < 512 * 1024


def test_the_file_has_an_index_and_one_line_for_each_version():
    index, *lines = OBJECTS_FILE.read_bytes().splitlines()
    assert [orjson.loads(line)[:2] for line in lines] == orjson.loads(index)


def test_a_readable_resource_without_a_type_is_unknown_to_codecs_and_an_executable_has_no_value():
    sample = built_in().get(10482, "1.0")
    assert sample.resources[5].type is ResourceType.NONE
    assert (10482, 5) not in sample.types
    assert sample.types[10482, 0] == "NONE"
