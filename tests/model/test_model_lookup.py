"""Which definition a device means: the four rules of lookup.py, layers, caching."""

import gc
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_fast.errors import RequestError
from lwm2m_fast.model import (
    Definitions,
    Model,
    ObjectDefinition,
    ResourceDefinition,
    ResourceType,
    built_in,
    parse_version,
)
from lwm2m_fast.model.lookup import MAX_CACHED_VIEWS, MAX_DEFINITIONS


def an_object(number, version="1.0", type=ResourceType.STRING, *, name="Own", multiple=False):
    resource = ResourceDefinition(0, "First", "R", type)
    return ObjectDefinition(
        number, version, name, "", multiple, False, "1.0", {resource.id: resource}
    )


STANDARD = Model(built_in())


def version_of(model, number, version=None, **more):
    found = model.find(number, version, **more)
    return found.version if found else None


# Rule 1: what a version that was not given means.


@pytest.mark.parametrize(
    "lwm2m_version, versions",
    [
        ("1.0", {0: "1.0", 1: "1.0", 2: "1.0", 3: "1.0", 4: "1.0", 5: "1.0", 6: "1.0", 7: "1.0"}),
        ("1.1", {0: "1.1", 1: "1.1", 2: "1.0", 3: "1.1", 4: "1.2", 5: "1.0", 6: "1.0", 7: "1.0"}),
        ("1.2", {0: "1.2", 1: "1.2", 2: "1.1", 3: "1.2", 4: "1.3", 5: "1.1", 6: "1.0", 7: "1.0"}),
    ],
)
def test_core_objects_have_the_version_of_the_devices_lwm2m_release(lwm2m_version, versions):
    for number, version in versions.items():
        assert version_of(STANDARD, number, lwm2m_version=lwm2m_version) == version


@pytest.mark.parametrize("lwm2m_version", ["1.0", "1.1", "1.2"])
def test_other_objects_are_1_0_unless_the_device_says_otherwise(lwm2m_version):
    assert version_of(STANDARD, 20, lwm2m_version=lwm2m_version) == "1.0"
    assert version_of(STANDARD, 20, "2.1", lwm2m_version=lwm2m_version) == "2.1"


def test_an_lwm2m_release_we_do_not_know_is_taken_for_the_newest_we_know():
    assert version_of(STANDARD, 3, lwm2m_version="1.9") == "1.2"


def test_a_configured_default_version_wins_over_the_release_but_not_over_the_device():
    assert version_of(STANDARD, 3, lwm2m_version="1.1", default_version="1.2") == "1.2"
    assert version_of(STANDARD, 3, "1.0", lwm2m_version="1.1", default_version="1.2") == "1.0"


@pytest.mark.parametrize("nonsense", ["", "x", "1", "1.", "1.0.0", "1.1000", "-1.0", "\u0661.0"])
def test_what_is_no_version_counts_as_not_given(nonsense):
    assert version_of(STANDARD, 3, nonsense, lwm2m_version="1.1") == "1.1"


# Rules 2 to 4: exact, nearest, oldest.


@pytest.mark.parametrize(
    "known, wanted, found",
    [
        (["1.0", "1.1", "1.2"], "1.1", "1.1"),
        (["1.0", "1.2", "1.3"], "1.1", "1.2"),
        (["1.0", "1.1"], "1.5", "1.1"),
        (["1.9", "1.10"], "1.10", "1.10"),
        (["1.2", "1.10"], "1.3", "1.10"),
        (["2.0", "3.0"], "1.0", None),
        (["1.0"], "2.0", None),
        (["2.1", "2.0"], None, "2.0"),
        (["1.1", "2.0"], None, "1.1"),
        ([], None, None),
        ([], "1.0", None),
    ],
)
def test_the_nearest_definition_of_the_same_major_version_is_taken(known, wanted, found):
    model = Model(Definitions(an_object(40000, version) for version in known))
    assert version_of(model, 40000, wanted) == found


versions = st.tuples(st.integers(0, 3), st.integers(0, 12)).map(lambda v: f"{v[0]}.{v[1]}")


@settings(deadline=None)
@given(st.sets(versions), st.none() | versions)
def test_a_given_version_is_never_answered_with_another_major_one(known, wanted):
    found = version_of(Model(Definitions(an_object(40000, each) for each in known)), 40000, wanted)
    if wanted in known:
        assert found == wanted
    elif found is not None and wanted is not None:
        assert parse_version(found)[0] == parse_version(wanted)[0]
    elif wanted is None:
        assert (found is None) == (not known)


# Layers.


def test_an_own_version_wins_over_the_inherited_and_the_built_in_one():
    own, inherited = Definitions(), Definitions([an_object(3, "1.0", name="Inherited")])
    model = Model(own, inherited, built_in())
    assert model.find(3).name == "Inherited"
    own.put([an_object(3, "1.0", name="Own")])
    assert model.find(3).name == "Own"
    assert own.remove(3, "1.0")
    assert model.find(3).name == "Inherited"


def test_an_exact_inherited_version_wins_over_a_near_own_one():
    model = Model(Definitions([an_object(3, "1.0", name="Own")]), built_in())
    assert model.find(3, "1.1").name == "Device"
    assert model.find(3, "1.0").name == "Own"


def test_two_versions_of_one_object_stay_beside_each_other():
    model = Model(Definitions([an_object(3, "1.0", name="A"), an_object(3, "1.2", name="B")]))
    assert [model.find(3, version).name for version in ("1.0", "1.2")] == ["A", "B"]


def test_another_tenants_layer_is_not_seen():
    Model(Definitions([an_object(40000)]), built_in())
    assert Model(Definitions(), built_in()).find(40000) is None


def test_every_visible_definition_is_listed_once_by_id_and_version():
    own = Definitions([an_object(3, "1.0"), an_object(3, "1.10"), an_object(40000)])
    listed = list(Model(own, built_in()).definitions())
    assert len(listed) == 424 + 2
    assert [each.version for each in listed if each.id == 3] == ["1.0", "1.1", "1.2", "1.10"]
    assert next(each for each in listed if each.id == 3).name == "Own"
    assert listed[-1].id == 40000


def test_removing_what_is_not_there_changes_nothing():
    own = Definitions([an_object(3, "1.0")])
    assert not own.remove(3, "1.1")
    assert not own.remove(4, "1.0")
    assert (len(own), own.revision) == (1, 1)


def test_replacing_a_definition_keeps_the_count():
    own = Definitions([an_object(3)])
    own.put([an_object(3, name="Newer")])
    assert len(own) == 1 and own.get(3, "1.0").name == "Newer"


def test_a_layer_takes_definitions_up_to_its_bound_and_none_past_it():
    own = Definitions(an_object(number) for number in range(MAX_DEFINITIONS))
    assert len(own) == MAX_DEFINITIONS
    own.put([an_object(0, name="Newer")])
    with pytest.raises(RequestError, match=f"at most {MAX_DEFINITIONS}"):
        own.put([an_object(1, name="Newer"), an_object(MAX_DEFINITIONS)])
    assert own.get(MAX_DEFINITIONS, "1.0") is None
    assert own.get(1, "1.0").name == "Own"
    assert own.remove(0, "1.0")
    own.put([an_object(MAX_DEFINITIONS)])
    assert len(own) == MAX_DEFINITIONS


# Views and types.


def test_the_types_of_a_device_follow_the_versions_it_registered():
    own = Definitions(
        [
            an_object(40000, "1.0", ResourceType.INTEGER),
            an_object(40000, "2.0", ResourceType.OPAQUE),
        ]
    )
    model = Model(own, built_in())
    assert model.types_for({40000: "1.0"}) == {(40000, 0): "INTEGER"}
    assert model.types_for({40000: "2.0"}) == {(40000, 0): "OPAQUE"}
    assert model.types_for({40000: "3.0"}) == {}


def test_types_name_every_resource_of_the_registered_objects_and_no_other():
    types = STANDARD.types_for({3: None, 6: None, 40000: None}, lwm2m_version="1.1")
    assert {number for number, _ in types} == {3, 6}
    assert types[3, 9] == "INTEGER" and types[3, 13] == "TIME" and types[6, 0] == "FLOAT"
    assert types[3, 4] == "NONE"
    assert type(types[3, 9]) is str


def test_a_view_knows_its_definitions_and_which_objects_have_several_instances():
    view = STANDARD.view({3: "1.1", 3303: None, 40000: None})
    assert set(view.objects) == {3, 3303} and view.objects[3].version == "1.1"
    assert view.multiple == {3303}
    assert view.resource(3, 9).name == "Battery Level"
    assert view.resource(3, 999) is None and view.resource(40000, 0) is None


def test_the_same_registered_set_gives_the_same_view_in_any_order():
    assert STANDARD.view({3: "1.1", 6: None}) is STANDARD.view({6: None, 3: "1.1"})


def test_a_view_depends_on_each_of_its_inputs():
    views = [
        STANDARD.view({3: None}),
        STANDARD.view({3: "1.1"}),
        STANDARD.view({3: None}, lwm2m_version="1.2"),
        STANDARD.view({3: None}, default_version="1.2"),
    ]
    assert [view.objects[3].version for view in views] == ["1.0", "1.1", "1.2", "1.2"]


def test_an_upload_in_any_layer_is_seen_by_the_next_lookup():
    own, inherited = Definitions(), Definitions()
    model = Model(own, inherited, built_in())
    assert model.types_for({40000: None}) == {}
    inherited.put([an_object(40000, type=ResourceType.TIME)])
    assert model.types_for({40000: None}) == {(40000, 0): "TIME"}
    own.put([an_object(40000, type=ResourceType.FLOAT)])
    assert model.types_for({40000: None}) == {(40000, 0): "FLOAT"}
    own.remove(40000, "1.0")
    assert model.types_for({40000: None}) == {(40000, 0): "TIME"}


def test_views_are_kept_up_to_the_bound_and_the_oldest_makes_room():
    model = Model(Definitions([an_object(1)]))
    first = model.view({1: "1.0"})
    for minor in range(1, MAX_CACHED_VIEWS):
        model.view({1: f"1.{minor}"})
    assert model.view({1: "1.0"}) is first
    model.view({1: f"1.{MAX_CACHED_VIEWS}"})
    assert model.view({1: "1.0"}) is not first
    assert len(model._views) == MAX_CACHED_VIEWS


def test_something_can_be_kept_beside_a_view_without_keeping_it_alive():
    model = Model(Definitions([an_object(1)]))
    beside = weakref.WeakKeyDictionary({model.view({1: None}): "codec types"})
    assert beside[model.view({1: None})] == "codec types"
    model._views.clear()
    gc.collect()
    assert not beside
