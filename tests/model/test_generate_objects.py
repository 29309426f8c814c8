"""The generator: same facts, same bytes; wrong facts are named."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_fast.errors import FormatError
from lwm2m_fast.model import BuiltIn, ResourceType
from lwm2m_fast.model.generate import build, main

SPEED = {
    "id": 1,
    "name": 'Speed, "fast"\n',
    "operations": "RW",
    "multiple": True,
    "mandatory": False,
    "type": "unsigned integer",
    "range": "0..9",
    "units": "m/s",
}
STOP = {
    "id": 0,
    "name": "Stop",
    "operations": "E",
    "multiple": False,
    "mandatory": True,
    "type": None,
    "range": None,
    "units": None,
}


def facts(number, version, *resources):
    return {
        "id": number,
        "name": f"Object {number}",
        "version": version,
        "lwm2m_version": "1.1",
        "urn": f"urn:oma:lwm2m:x:{number}",
        "multiple": True,
        "mandatory": False,
        "resources": list(resources),
    }


FIXTURE = [facts(40000, "1.10", STOP), facts(40000, "1.9", SPEED, STOP), facts(7, "2.0", STOP)]


def test_facts_come_back_from_the_file_as_they_went_in():
    layer = BuiltIn(build(FIXTURE))
    first = layer.get(40000, "1.9")
    assert (first.name, first.urn, first.lwm2m_version) == (
        "Object 40000",
        "urn:oma:lwm2m:x:40000",
        "1.1",
    )
    assert (first.multiple, first.mandatory) == (True, False)
    speed, stop = first.resources.values()
    assert (speed.name, speed.operations, speed.type) == (
        SPEED["name"],
        "RW",
        ResourceType.UNSIGNED_INTEGER,
    )
    assert (speed.multiple, speed.mandatory, speed.range, speed.units) == (
        True,
        False,
        "0..9",
        "m/s",
    )
    assert (stop.type, stop.multiple, stop.mandatory) == (ResourceType.NONE, False, True)
    assert (stop.range, stop.units) == (None, None)


def test_objects_are_ordered_by_id_and_by_version_as_a_number():
    assert build(FIXTURE).splitlines()[0] == b'[[7,"2.0"],[40000,"1.9"],[40000,"1.10"]]'


@settings(deadline=None)
@given(st.permutations(FIXTURE))
def test_the_order_of_the_facts_changes_nothing(shuffled):
    assert build(shuffled) == build(FIXTURE)


def test_the_committed_format_is_pinned_by_a_sample():
    assert build([facts(7, "2.0", STOP)]) == (
        b'[[7,"2.0"]]\n'
        b'[7,"2.0","Object 7","urn:oma:lwm2m:x:7","1.1",1,0,[[0,"Stop","E","NONE",0,1]]]\n'
    )


@pytest.mark.parametrize(
    "field, value, why",
    [
        ("type", "decimal", "type cannot be 'decimal'"),
        ("operations", "X", "operations cannot be 'X'"),
        ("id", -1, "id cannot be -1"),
        ("id", 65536, "id cannot be 65536"),
    ],
)
def test_a_wrong_resource_is_named(field, value, why):
    wrong = copy.deepcopy(FIXTURE)
    wrong[0]["resources"][0][field] = value
    with pytest.raises(FormatError, match=f"object 40000 version 1.10 resource .*{why}"):
        build(wrong)


def test_ids_at_the_limit_are_taken():
    highest = facts(65535, "1.0", {**STOP, "id": 65535})
    assert BuiltIn(build([highest])).get(65535, "1.0").resources[65535].name == "Stop"


@pytest.mark.parametrize(
    "wrong, why",
    [
        (facts(65536, "1.0", STOP), "id cannot be 65536"),
        (facts(7, "1", STOP), "version cannot be '1'"),
        (facts(7, "1.0", STOP, STOP), "one occurs twice"),
    ],
)
def test_a_wrong_object_is_named(wrong, why):
    with pytest.raises(FormatError, match=why):
        build([wrong])


def test_an_object_version_may_occur_once():
    with pytest.raises(FormatError, match=r"object 7 version 2\.0 occurs twice"):
        build([*FIXTURE, FIXTURE[2]])


def test_the_command_writes_the_file(tmp_path, capsys):
    source, target = tmp_path / "facts.json", tmp_path / "objects.jsonl"
    source.write_text(json.dumps(FIXTURE))
    assert main([str(source), str(target)]) == 0
    assert target.read_bytes() == build(FIXTURE)
    assert "3 object versions" in capsys.readouterr().out


def test_the_command_without_facts_says_how_it_is_used(capsys):
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
