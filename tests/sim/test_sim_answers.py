"""What a simulated device answers, read back through the codecs."""

from __future__ import annotations

import json

import pytest

from lwm2m_fast import codec
from lwm2m_fast.sim.answers import LINKS, OCTETS, SENML_JSON, TEXT, TLV, Naming, catalogue
from lwm2m_fast.sim.catalogue import Catalogue
from lwm2m_fast.sim.objects import Source, simulated_objects

NAMING = Naming("sim-", 6)
STARTED = 1_763_690_000


def answers(version="1.1"):
    return catalogue(simulated_objects(version, 300), version, NAMING, STARTED)


def types(version="1.1"):
    return {
        (each.id, resource.id): resource.kind
        for each in simulated_objects(version, 300)
        for resources in each.instances.values()
        for resource in resources
    }


def decoded(content_format, payload, path):
    kinds = codec.Types(types(), multiple={1, 3303})
    return {str(n.path): n.value for n in codec.decode(content_format, payload, path, kinds)}


@pytest.mark.parametrize(
    "source, text",
    [
        (Source.NUMBER, b"7"),
        (Source.UNIX_TIME, b"1763690042"),
    ],
)
def test_a_source_of_the_tables_is_the_same_number_in_the_engine(source, text):
    one = Catalogue([((3, 0, 0), True, False, [(0, [(source, 0, 0, 0)])])], STARTED)
    assert one.read((3, 0, 0), number=7, second=42) == (0, text)


@pytest.mark.parametrize("source", [0, len(Source) + 1])
def test_a_source_that_is_not_there_is_refused(source):
    with pytest.raises(ValueError, match="source"):
        Catalogue([((3, 0, 0), True, False, [(0, [(source, 0, 0, 0)])])])


def test_the_serial_number_is_the_endpoint_name():
    assert answers().read((3, 0, 2), number=42) == (TEXT, b"sim-000042")


@pytest.mark.parametrize("path", [(1,), (3,), (3, 0), (4, 0), (5, 0), (6,), (3303,), (3303, 2)])
@pytest.mark.parametrize("number, second", [(1, 0), (999_999, 86_400)])
def test_tlv_and_senml_json_tell_the_same(path, number, second):
    text = "/" + "/".join(map(str, path))
    told = [decoded(f, answers().read(path, number, second, f)[1], text) for f in (TLV, SENML_JSON)]
    assert told[0] == told[1]
    assert len(told[0]) > 6


@pytest.mark.parametrize("number, second", [(1, 0), (123_456, 999), (999_999, 86_400)])
def test_an_instance_tells_what_its_resources_tell(number, second):
    have = answers()
    inside = decoded(SENML_JSON, have.read((3303, 1), number, second, SENML_JSON)[1], "/3303/1")
    for path, value in inside.items():
        ids = tuple(map(int, path.strip("/").split("/")))
        text = have.read(ids, number, second, TEXT)[1].decode()
        assert text == str(value) or float(text) == value


def test_a_temperature_drifts_within_what_it_has_measured():
    have = answers()
    least, most = (float(have.read((3303, 0, r), 5)[1]) for r in (5601, 5602))
    seen = {float(have.read((3303, 0, 5700), 5, second)[1]) for second in range(0, 3000, 30)}
    assert least <= min(seen) < max(seen) <= most
    assert len(seen) > 20
    assert have.read((3303, 0, 5700), 5)[1] != have.read((3303, 0, 5700), 6)[1]


def test_the_answer_of_a_second_can_be_made_again():
    have = answers()
    assert have.read((3303,), 8, 77) == have.read((3303,), 8, 77) == answers().read((3303,), 8, 77)


@pytest.mark.parametrize(
    "version, path, default",
    [
        ("1.0", (3, 0), TLV),
        ("1.1", (3, 0), SENML_JSON),
        ("1.2", (3,), SENML_JSON),
        ("1.0", (3, 0, 11), TLV),
        ("1.1", (3, 0, 11), SENML_JSON),
        ("1.1", (3, 0, 11, 0), TEXT),
        ("1.1", (3, 0, 0), TEXT),
        ("1.1", (6, 0, 4), OCTETS),
    ],
)
def test_the_format_without_accept_depends_on_version_and_level(version, path, default):
    assert answers(version).read(path)[0] == default


@pytest.mark.parametrize(
    "version, path, accept",
    [
        ("1.0", (3, 0), SENML_JSON),
        ("1.1", (3, 0), TEXT),
        ("1.1", (3, 0, 0), OCTETS),
        ("1.1", (6, 0, 4), TEXT),
    ],
)
def test_a_format_that_does_not_fit_has_no_answer(version, path, accept):
    assert answers(version).read(path, accept=accept) is None


@pytest.mark.parametrize("path", [(0,), (0, 0), (2,), (3, 1), (3, 0, 99), (3303, 3), (3, 0, 11, 1)])
def test_what_a_device_does_not_have_has_no_answer(path):
    assert answers().read(path) is None


def test_discover_lists_every_resource_with_dimension_and_version():
    links = answers().read((3,), accept=LINKS)[1].decode().split(",")
    assert links[:3] == ["</3>;ver=1.1", "</3/0>", "</3/0/0>"]
    assert "</3/0/6>;dim=2" in links
    assert "</3/0/4>" in links


def test_senml_json_is_json_whatever_the_value():
    have = answers()
    for number in range(1, 200):
        records = json.loads(have.read((3303,), number, number * 31, SENML_JSON)[1])
        assert len(records) == 3 * 8
