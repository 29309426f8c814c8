"""Content-format negotiation. Every row says why it must be so.

Formats are written as their numbers, as they are on the wire: 0 text, 40 link, 42 octets, 60 CBOR,
110 SenML JSON, 112 SenML CBOR, 320/322 SenML-ETCH, 11542 (1542) TLV, 11543 (1543) JSON,
11544 LwM2M CBOR.
"""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_fast.errors import RequestError
from lwm2m_fast.model import (
    Operation,
    ResourceType,
    binary_format,
    forced_format,
    negotiate,
    speaks,
    spelling,
)

READ, WRITE = Operation.READ, Operation.WRITE
INTEGER, OPAQUE, CORELNK = ResourceType.INTEGER, ResourceType.OPAQUE, ResourceType.CORELNK
EVERY = (0, 40, 42, 60, 110, 112, 11542, 11543, 11544)


def accept(**given):
    formats = negotiate(READ, **given)
    assert formats.content_format is None, "a Read carries nothing"
    return formats.accept


def sent(operation=WRITE, **given):
    formats = negotiate(operation, **given)
    assert formats.accept is None, "the answer to a Write carries nothing"
    return formats.content_format


@pytest.mark.parametrize(
    "version, offered, number, why",
    [
        ("1.0", (), 11542, "1.0 without ct uses TLV"),
        ("1.0", (11543,), 11542, "TLV is mandatory in 1.0 and needs no offer"),
        ("1.0", (1542,), 1542, "the device's own number for TLV"),
        ("1.0", (1542, 11542), 11542, "the registered number where both are offered"),
        ("1.0", (60,), 60, "what the device offers decides"),
        ("1.0", (110,), 110, "what the device offers decides"),
        ("1.1", (), 0, "text is what a 1.1 device speaks without an offer"),
        ("1.1", (11542,), 0, "one value needs no TLV"),
        ("1.1", (110,), 110, "SenML JSON before text"),
        ("1.1", (110, 112), 112, "SenML CBOR before SenML JSON"),
        ("1.1", (110, 112, 60), 60, "CBOR is the shortest for one value"),
        ("1.1", EVERY, 60, "order of the offer does not matter"),
        ("1.2", (11544,), 11544, "LwM2M CBOR keeps the type, text does not"),
        ("1.2", (11544, 110), 110, "one value: SenML before LwM2M CBOR"),
        ("1.2", (), 0, "1.2 as 1.1"),
        ("1.9", (), 0, "an unknown version as the newest rules"),
    ],
)
def test_one_value_is_read_and_written_in_the_best_format_the_device_speaks(
    version, offered, number, why
):
    given = {"lwm2m_version": version, "offered": offered, "is_single": True, "type": INTEGER}
    assert accept(**given) == number, why
    assert sent(**given) == number, why


@pytest.mark.parametrize(
    "version, offered, number, why",
    [
        ("1.0", (), 11542, "1.0 without ct uses TLV"),
        ("1.0", (11543,), 11542, "TLV before JSON"),
        ("1.0", (1542, 1543), 1542, "the device's own number for TLV"),
        ("1.1", (112, 110, 11542), 112, "SenML CBOR first: binary, and it carries times"),
        ("1.1", (110, 11542), 110, "then SenML JSON"),
        ("1.1", (11542, 11543), 11542, "then TLV"),
        ("1.1", (11543,), 11543, "then JSON"),
        ("1.1", (1543,), 1543, "the device's own number for JSON"),
        ("1.2", EVERY, 112, "SenML CBOR before LwM2M CBOR, which carries no times"),
        ("1.2", (110, 11544), 11544, "LwM2M CBOR before any text form"),
    ],
)
def test_many_values_are_read_and_written_in_the_best_format_the_device_speaks(
    version, offered, number, why
):
    assert accept(lwm2m_version=version, offered=offered) == number, why
    assert sent(lwm2m_version=version, offered=offered) == number, why


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("offered", [(), (0, 42, 60, 40)])
def test_without_a_format_for_many_values_the_device_chooses_and_we_write_tlv(version, offered):
    assert accept(lwm2m_version=version, offered=offered) is None
    assert sent(lwm2m_version=version, offered=offered) == 11542


@pytest.mark.parametrize(
    "type, version, offered, number, why",
    [
        (OPAQUE, "1.1", (60, 112), 42, "octets first for opaque; mandatory in 1.1"),
        (OPAQUE, "1.0", (42,), 42, "octets first for opaque, where offered"),
        (OPAQUE, "1.0", (), 11542, "a 1.0 device need not speak octets"),
        (CORELNK, "1.1", (60,), 60, "a GET that accepts the link format would be Discover"),
        (CORELNK, "1.1", (40,), 0, "also where that is offered"),
        (CORELNK, "1.0", (), 11542, "and in 1.0"),
    ],
)
def test_types_with_a_format_of_their_own_are_read_in_it(type, version, offered, number, why):
    given = {"type": type, "lwm2m_version": version, "offered": offered}
    assert accept(is_single=True, **given) == number, why


def test_many_opaque_values_are_read_as_many_values():
    assert accept(type=OPAQUE, lwm2m_version="1.1", offered=(112,)) == 112


@pytest.mark.parametrize("version, number", [("1.0", 11542), ("1.1", None)])
def test_an_unknown_resource_is_not_read_as_text_which_would_hide_its_type(version, number):
    assert accept(is_single=True, type=None, lwm2m_version=version) == number


NAMES = {
    "TLV": 11542,
    "JSON": 11543,
    "CBOR": 60,
    "TEXT": 0,
    "OPAQUE": 42,
    "SENML_JSON": 110,
    "SENML_CBOR": 112,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("type", [INTEGER, OPAQUE, CORELNK, None])
def test_a_forced_format_is_used_as_accept_and_as_content_format(name, version, type):
    given = {"forced": forced_format(name), "lwm2m_version": version, "type": type}
    assert accept(is_single=True, **given) == NAMES[name]
    assert sent(is_single=True, **given) == NAMES[name]


@pytest.mark.parametrize("name", ["TLV", "JSON", "SENML_JSON", "SENML_CBOR"])
def test_a_forced_format_that_holds_many_values_is_used_for_objects(name):
    assert accept(forced=forced_format(name), offered=EVERY) == NAMES[name]
    assert sent(forced=forced_format(name), offered=EVERY) == NAMES[name]


@pytest.mark.parametrize("name", ["CBOR", "TEXT", "OPAQUE"])
def test_a_forced_format_that_holds_one_value_leaves_objects_to_the_rules(name):
    given = {"forced": forced_format(name), "lwm2m_version": "1.1", "offered": (110,)}
    assert accept(**given) == 110
    assert sent(**given) == 110


@pytest.mark.parametrize("offered, name, number", [((1542,), "TLV", 1542), ((1543,), "JSON", 1543)])
def test_a_forced_format_goes_by_the_number_the_device_offers(offered, name, number):
    assert accept(offered=offered, forced=forced_format(name)) == number


@pytest.mark.parametrize("name", [None, "", "  ", "AUTO", "XML", "TLV2"])
def test_an_unset_or_invalid_serialization_format_is_automatic(name):
    assert forced_format(name) is None


@pytest.mark.parametrize(
    "name, number",
    [
        ("OPAQUE", 42),
        ("TLV", 11542),
        ("JSON", 11543),
        ("TEXT", 0),
        (" opaque ", 42),
        ("CBOR", None),
        ("SENML_CBOR", None),
        ("", None),
        (None, None),
        ("x", None),
    ],
)
def test_a_binary_delivery_encoding_is_one_of_four_or_the_default(name, number):
    assert binary_format(name) == number


@pytest.mark.parametrize(
    "binary, forced, number, why",
    [
        (None, None, 42, "octets are the default of binary delivery"),
        ("TLV", None, 11542, "the configured encoding"),
        ("JSON", None, 11543, "the configured encoding"),
        ("TEXT", None, 0, "the configured encoding"),
        (None, "CBOR", 60, "a forced format where no encoding is configured"),
        ("TEXT", "CBOR", 0, "the nearer setting wins"),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_opaque_value_is_written_in_the_binary_delivery_encoding(
    version, binary, forced, number, why
):
    given = {
        "type": OPAQUE,
        "is_single": True,
        "lwm2m_version": version,
        "offered": (60, 112),
        "binary": binary_format(binary),
        "forced": forced_format(forced),
    }
    assert sent(**given) == number, why
    assert sent(Operation.UPDATE, **given) == number, why


def test_the_binary_delivery_encoding_is_for_writing_opaque_values_only():
    assert accept(type=OPAQUE, is_single=True, lwm2m_version="1.1", binary=0) == 42
    assert sent(type=INTEGER, is_single=True, lwm2m_version="1.1", offered=(60,), binary=42) == 60


def test_many_opaque_values_are_written_in_an_encoding_that_holds_many():
    given = {"type": OPAQUE, "lwm2m_version": "1.1", "offered": (112,)}
    assert sent(binary=11542, **given) == 11542
    assert sent(binary=42, **given) == 112
    assert sent(**given) == 112


@pytest.mark.parametrize(
    "operation, formats",
    [
        (Operation.DISCOVER, (None, 40)),
        (Operation.EXECUTE, (0, None)),
        (Operation.DELETE, (None, None)),
        (Operation.WRITE_ATTRIBUTES, (None, None)),
    ],
)
@pytest.mark.parametrize("forced", [None, 110])
def test_some_operations_have_one_format_whatever_is_forced(operation, formats, forced):
    assert negotiate(operation, offered=EVERY, lwm2m_version="1.1", forced=forced) == formats


@pytest.mark.parametrize(
    "operation, as_operation",
    [
        (Operation.OBSERVE, READ),
        (Operation.UPDATE, WRITE),
        (Operation.CREATE, WRITE),
    ],
)
def test_observe_is_negotiated_as_read_and_every_write_alike(operation, as_operation):
    for offered, version in itertools.product([(), (112,), (11543,)], ["1.0", "1.1", "1.2"]):
        given = {"offered": offered, "lwm2m_version": version}
        assert negotiate(operation, **given) == negotiate(as_operation, **given)


@pytest.mark.parametrize(
    "offered, forced, number, answer, why",
    [
        ((112, 110), None, 112, 112, "SenML CBOR first"),
        ((110, 11542), None, 110, 110, "SenML JSON where that is offered"),
        ((112, 110), 110, 110, 110, "a forced SenML format"),
        ((), 112, 112, 112, "forced without an offer: whoever forces it knows the device"),
        ((110,), 11542, 110, 110, "a forced format that holds no paths leaves it to the rules"),
        ((322,), None, 322, 112, "the ETCH form where only that is offered; answers are packs"),
        ((320,), None, 320, 110, "the ETCH form where only that is offered; answers are packs"),
        ((110, 322), None, 110, 110, "packs before the ETCH forms"),
    ],
)
def test_composite_operations_use_senml(offered, forced, number, answer, why):
    given = {"offered": offered, "forced": forced, "lwm2m_version": "1.1"}
    assert negotiate(Operation.READ_COMPOSITE, **given) == (number, answer), why
    assert negotiate(Operation.OBSERVE_COMPOSITE, **given) == (number, answer), why
    assert negotiate(Operation.WRITE_COMPOSITE, **given) == (number, None), why


@pytest.mark.parametrize("offered", [(), (0, 60, 11542, 11544)])
@pytest.mark.parametrize("operation", [each for each in Operation if "composite" in each.value])
def test_composite_operations_need_a_device_that_offers_senml(operation, offered):
    with pytest.raises(RequestError, match=rf"{operation.value} needs .*\(112\).*\(110\)"):
        negotiate(operation, offered=offered, lwm2m_version="1.1", forced=11542)


@settings(deadline=None)
@given(
    st.sampled_from(Operation),
    st.sets(st.sampled_from(EVERY)),
    st.booleans(),
    st.sampled_from(["1.0", "1.1", "1.2"]),
    st.none() | st.sampled_from(ResourceType),
)
def test_nothing_is_chosen_that_the_device_does_not_speak_or_have_to_speak(
    operation, offered, is_single, version, type
):
    try:
        formats = negotiate(
            operation, offered=offered, lwm2m_version=version, is_single=is_single, type=type
        )
    except RequestError:
        assert "composite" in operation.value and not offered & {110, 112}
        return
    spoken = offered | {0, 40, 42, 11542} | {None}
    assert set(formats) <= spoken
    holds_one_only = {0, 42, 60}
    if not is_single and operation is not Operation.EXECUTE:
        assert not set(formats) & holds_one_only


@pytest.mark.parametrize(
    "number, offered, version, expected, why",
    [
        (110, (), "1.1", True, "a device that offers nothing may take anything"),
        (110, (112,), "1.1", False, "what is offered is all, but for the mandatory ones"),
        (112, (112,), "1.1", True, "offered"),
        (0, (112,), "1.1", True, "text is mandatory from 1.1 on"),
        (40, (112,), "1.2", True, "and so are links"),
        (0, (11543,), "1.0", False, "but not in 1.0"),
        (11542, (11543,), "1.0", True, "where TLV is"),
        (1542, (11542,), "1.1", True, "two numbers of one format"),
        (11543, (1543,), "1.1", True, "two numbers of one format"),
        (1543, (11542,), "1.1", False, "JSON is not TLV"),
    ],
)
def test_what_a_device_speaks(number, offered, version, expected, why):
    assert speaks(number, offered, version) is expected, why


@pytest.mark.parametrize(
    "number, offered, expected",
    [
        (11542, (1542,), 1542),
        (1542, (11542,), 11542),
        (1542, (1542, 11542), 1542),
        (1542, (), 1542),
        (11543, (), 11543),
        (112, (1542,), 112),
    ],
)
def test_a_format_has_the_number_that_the_device_offers(number, offered, expected):
    assert spelling(number, offered) == expected
