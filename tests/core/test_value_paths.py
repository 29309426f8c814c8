"""The rows of a device as they are after some changes; what is read once for many is nobody's."""

from lwm2m_fast.core.last_values import DeviceValues, read_paths, write_paths

PATHS = [0x0003_0000_0009_0000, 0x0CE7_0000_1644_0000]


def test_devices_with_the_same_list_of_paths_change_none_but_their_own() -> None:
    row = write_paths(PATHS)
    one, other = DeviceValues(read_paths(row)), DeviceValues(read_paths(bytes(row)))
    one.remove(lambda packed: packed == PATHS[0])
    assert one.is_reshaped
    assert list(one.paths()) == PATHS[1:]
    assert not other.is_reshaped
    assert list(other.paths()) == list(read_paths(row)) == PATHS


def test_a_device_is_reshaped_by_a_path_more_or_less_and_not_by_a_newer_value() -> None:
    stored = dict.fromkeys(PATHS)
    for changes, expected in (
        ({}, False),
        ({PATHS[1]: b"newer"}, False),
        ({PATHS[1]: b"newer", PATHS[0]: None}, True),
        ({PATHS[0]: b"newer", 5: b"of a new path"}, True),
    ):
        values = DeviceValues(stored)
        values.changes.update(changes)
        assert values.is_reshaped is expected
