"""DDF files: what is read, what is refused, and that a refusal names element and line."""

import codecs
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_fast.errors import FormatError
from lwm2m_fast.model import Definitions, Model, ResourceType, built_in, ddf
from lwm2m_fast.model.ddf import DdfError, parse_ddf


def item(number=0, **changes):
    texts = {
        "Name": "Speed",
        "Operations": "RW",
        "MultipleInstances": "Single",
        "Mandatory": "Mandatory",
        "Type": "Float",
        "RangeEnumeration": "0..9",
        "Units": "m/s",
        "Description": "How fast.",
    } | changes
    return f'<Item ID="{number}">\n{elements(texts)}\n</Item>'


def an_object(*items, **changes):
    texts = {
        "Name": "Vehicle",
        "Description1": "What drives.",
        "ObjectID": "40000",
        "ObjectURN": "urn:oma:lwm2m:x:40000",
        "LWM2MVersion": "1.1",
        "ObjectVersion": "1.2",
        "MultipleInstances": "Multiple",
        "Mandatory": "Optional",
    } | changes
    resources = "\n".join(items or [item()])
    return (
        f'<Object ObjectType="MODefinition">\n{elements(texts)}\n'
        f"<Resources>\n{resources}\n</Resources>\n<Description2></Description2></Object>"
    )


def elements(texts):
    return "\n".join(
        f"<{name}>{escape(text)}</{name}>" for name, text in texts.items() if text is not None
    )


def a_file(*objects, head='<?xml version="1.0" encoding="UTF-8"?>\n', attributes=""):
    return f"{head}<LWM2M{attributes}>\n" + "\n".join(objects or [an_object()]) + "\n</LWM2M>"


def parse(text):
    return parse_ddf(text.encode())


def refusal(data):
    with pytest.raises(DdfError) as caught:
        parse_ddf(data if isinstance(data, bytes) else data.encode())
    return caught.value


def line_of(text, fragment, occurrence=1):
    """The line of the file on which `fragment` stands for the given time."""
    start = -1
    for _ in range(occurrence):
        start = text.index(fragment, start + 1)
    return text[:start].count("\n") + 1


# What is read.


def test_every_fact_of_an_object_is_read():
    (vehicle,) = parse(a_file())
    assert (vehicle.id, vehicle.version, vehicle.name) == (40000, "1.2", "Vehicle")
    assert (vehicle.urn, vehicle.lwm2m_version) == ("urn:oma:lwm2m:x:40000", "1.1")
    assert (vehicle.multiple, vehicle.mandatory) == (True, False)
    assert vehicle.description == "What drives."
    (speed,) = vehicle.resources.values()
    assert (speed.id, speed.name, speed.operations) == (0, "Speed", "RW")
    assert (speed.type, speed.multiple, speed.mandatory) == (ResourceType.FLOAT, False, True)
    assert (speed.range, speed.units, speed.description) == ("0..9", "m/s", "How fast.")


def test_a_file_of_the_1_0_schema_has_no_versions_and_means_1_0():
    (vehicle,) = parse(a_file(an_object(LWM2MVersion=None, ObjectVersion=None)))
    assert (vehicle.version, vehicle.lwm2m_version) == ("1.0", "1.0")
    (vehicle,) = parse(a_file(an_object(LWM2MVersion="", ObjectVersion="")))
    assert (vehicle.version, vehicle.lwm2m_version) == ("1.0", "1.0")


def test_a_file_may_have_several_objects_and_several_versions_of_one():
    text = a_file(an_object(), an_object(ObjectVersion="2.0"), an_object(ObjectID="7"))
    assert [(each.id, each.version) for each in parse(text)] == [
        (40000, "1.2"),
        (40000, "2.0"),
        (7, "1.2"),
    ]


@pytest.mark.parametrize(
    "word, type",
    [
        ("String", ResourceType.STRING),
        ("Integer", ResourceType.INTEGER),
        ("Unsigned Integer", ResourceType.UNSIGNED_INTEGER),
        ("Float", ResourceType.FLOAT),
        ("Boolean", ResourceType.BOOLEAN),
        ("Opaque", ResourceType.OPAQUE),
        ("Time", ResourceType.TIME),
        ("Objlnk", ResourceType.OBJLNK),
        ("Corelnk", ResourceType.CORELNK),
        ("", ResourceType.NONE),
        ("  unsigned\n integer ", ResourceType.UNSIGNED_INTEGER),
    ],
)
def test_every_type_of_the_schemas_is_known(word, type):
    assert parse(a_file(an_object(item(Type=word))))[0].resources[0].type is type


@pytest.mark.parametrize("operations", ["", "R", "W", "RW", "E"])
def test_every_operation_of_the_schemas_is_known(operations):
    text = a_file(an_object(item(Operations=operations)))
    assert parse(text)[0].resources[0].operations == operations


def test_absent_or_empty_range_and_units_are_none():
    for nothing in (None, "", " \n"):
        text = a_file(an_object(item(RangeEnumeration=nothing, Units=nothing, Description=nothing)))
        speed = parse(text)[0].resources[0]
        assert (speed.range, speed.units, speed.description) == (None, None, "")


def test_spaces_and_line_ends_inside_names_and_ranges_are_one_space():
    text = a_file(an_object(item(Name=" Top \t speed\n", RangeEnumeration="0: off\n\t1: on")))
    speed = parse(text)[0].resources[0]
    assert (speed.name, speed.range) == ("Top speed", "0: off 1: on")


def test_character_data_sections_comments_and_references_are_text():
    text = a_file().replace("How fast.", "<!-- c --><![CDATA[a <b>]]> &amp; &#233;")
    assert parse(text)[0].resources[0].description == "a <b> & \u00e9"


@pytest.mark.parametrize(
    "attributes",
    [
        ' xmlns="urn:any"',
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xsi:noNamespaceSchemaLocation="http://openmobilealliance.org/tech/profiles/LWM2M.xsd"',
    ],
)
def test_namespaces_do_not_matter(attributes):
    assert parse(a_file(attributes=attributes))[0].name == "Vehicle"


def test_prefixed_elements_are_read_by_their_local_name():
    text = a_file(attributes=' xmlns:d="urn:any"')
    prefixed = text.replace("</", "\0").replace("<?", "\1").replace("<", "<d:")
    prefixed = prefixed.replace("\0", "</d:").replace("\1", "<?")
    assert parse(prefixed) == parse(text)


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + a_file().encode(),
        a_file(head="").encode(),
        a_file(head='<?xml version="1.0" encoding="UTF-16"?>').encode("utf-16"),
        a_file(head='<?xml version="1.0" encoding="UTF-16"?>')
        .encode("utf-16-be")
        .join([codecs.BOM_UTF16_BE, b""]),
        a_file(head='<?xml version="1.0" encoding="iso-8859-1"?>').encode("latin-1"),
        a_file(head='<?xml version="1.0" encoding="windows-1252"?>').encode("cp1252"),
    ],
    ids=["utf-8 bom", "no declaration", "utf-16", "utf-16-be", "latin-1", "windows-1252"],
)
def test_the_declared_encoding_or_bom_is_followed(data):
    assert parse_ddf(data)[0].name == "Vehicle"


@pytest.mark.parametrize(
    "encoding, text",
    [
        ("iso-8859-1", "Stra\u00dfe"),
        ("windows-1252", "5 \u20ac"),
        ("utf-16", "\u901f\u5ea6"),
    ],
)
def test_letters_outside_ascii_survive_their_encoding(encoding, text):
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    data = a_file(an_object(Name=text), head=head).encode(encoding)
    assert parse_ddf(data)[0].name == text


def test_elements_of_a_newer_schema_are_passed_over():
    text = a_file().replace("<Units>", "<New><Name>not this</Name></New><Units>")
    text = text.replace("How fast.", "How <b>very</b>fast.")
    speed = parse(text)[0].resources[0]
    assert (speed.name, speed.description) == ("Speed", "How fast.")


def test_an_uploaded_file_overrides_the_built_in_object():
    own = Definitions(parse(a_file(an_object(ObjectID="3", ObjectVersion="1.0"))))
    model = Model(own, built_in())
    assert model.find(3, "1.0").name == "Vehicle" and model.find(3, "1.1").name == "Device"
    assert model.types_for({3: "1.0"}) == {(3, 0): "FLOAT"}


names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
ids = st.integers(0, 65535)


@settings(deadline=None)
@given(st.dictionaries(ids, names, min_size=1, max_size=8), ids, names)
def test_any_names_and_ids_are_read_as_they_were_written(resources, number, name):
    items = [item(each, Name=text) for each, text in resources.items()]
    (found,) = parse(a_file(an_object(*items, ObjectID=str(number), Name=name)))
    assert (found.id, found.name) == (number, name)
    assert {each.id: each.name for each in found.resources.values()} == resources
    assert list(found.resources) == list(resources)


# What is refused, with its element and line.


@pytest.mark.parametrize(
    "field, value, why",
    [
        ("Type", "Decimal", "'Decimal' is not one of 'string', 'integer'"),
        ("Type", "None", "is not one of"),
        ("Operations", "X", "'X' is not one of"),
        ("Operations", "RE", "'RE' is not one of"),
        ("MultipleInstances", "Many", "'Many' is not one of 'multiple', 'single'"),
        ("Mandatory", "", "'' is not one of 'mandatory', 'optional'"),
        ("Name", " ", "'' is not a name"),
    ],
)
def test_a_wrong_word_in_a_resource_is_refused_at_its_line(field, value, why):
    text = a_file(an_object(item(0), item(1, **{field: value})))
    error = refusal(text)
    occurrence = {"Name": 3, "MultipleInstances": 3, "Mandatory": 3}.get(field, 2)
    assert (error.element, error.line) == (field, line_of(text, f"<{field}>", occurrence))
    assert why in str(error) and f"line {error.line}, element {field}" in str(error)


@pytest.mark.parametrize(
    "field, value, why",
    [
        ("ObjectID", "65536", "'65536' is not a number from 0 to 65535"),
        ("ObjectID", "-1", "is not a number"),
        ("ObjectID", "", "'' is not a number"),
        ("ObjectID", "\u0663", "is not a number"),
        ("ObjectVersion", "1", "'1' is not a version"),
        ("ObjectVersion", "1.1000", "'1.1000' is not a version"),
        ("LWM2MVersion", "new", "'new' is not a version"),
        ("MultipleInstances", "Both", "is not one of"),
        ("Mandatory", "yes", "is not one of"),
        ("Name", "", "is not a name"),
    ],
)
def test_a_wrong_word_in_an_object_is_refused_at_its_line(field, value, why):
    text = a_file(an_object(**{field: value}))
    error = refusal(text)
    assert (error.element, error.line) == (field, line_of(text, f"<{field}>"))
    assert why in str(error)


@pytest.mark.parametrize("number", ["65535", "0", " 7 "])
def test_ids_at_the_limit_are_taken(number):
    (found,) = parse(a_file(an_object(item(number), ObjectID=number)))
    assert found.id == int(number) and list(found.resources) == [int(number)]


@pytest.mark.parametrize("number", ["65536", "-1", "", "x", "1.0", "0x10", "9" * 5000])
def test_a_wrong_resource_id_is_refused_at_its_line(number):
    text = a_file(an_object(item(0), item(number)))
    error = refusal(text)
    assert (error.element, error.line) == ("Item", line_of(text, "<Item", 2))
    assert "not a number from 0 to 65535" in str(error) and len(str(error)) < 250


def test_a_resource_without_id_is_refused():
    text = a_file().replace('<Item ID="0">', "<Item>")
    error = refusal(text)
    assert (error.element, error.line) == ("Item", line_of(text, "<Item>"))


@pytest.mark.parametrize("field", ["Name", "Operations", "MultipleInstances", "Mandatory", "Type"])
def test_a_missing_part_of_a_resource_is_named_at_the_resource(field):
    text = a_file(an_object(item(**{field: None})))
    error = refusal(text)
    assert (error.element, error.line) == ("Item", line_of(text, "<Item"))
    assert error.problem == f"has no element {field}"


@pytest.mark.parametrize("field", ["Name", "ObjectID", "MultipleInstances", "Mandatory"])
def test_a_missing_part_of_an_object_is_named_at_the_object(field):
    text = a_file(an_object(**{field: None}))
    error = refusal(text)
    assert (error.element, error.line) == ("Object", line_of(text, "<Object"))
    assert error.problem == f"has no element {field}"


@pytest.mark.parametrize(
    "text, element, why",
    [
        (a_file(an_object(item(5), item(5))), "Item", "ID 5 occurs twice"),
        (a_file(an_object(), an_object()), "ObjectID", "object 40000 version 1.2 occurs twice"),
        (
            a_file().replace("<Units>", "<Name>Again</Name><Units>"),
            "Name",
            "occurs twice in one Item",
        ),
        (
            a_file().replace("<Item", "<Thing").replace("</Item", "</Thing"),
            "Object",
            "no resources",
        ),
        ("<LWM2M></LWM2M>", "LWM2M", "has no element Object"),
        ("<LWM2M><Things/></LWM2M>", "LWM2M", "has no element Object"),
        ("<Object/>", "Object", "outermost element is not LWM2M"),
        ("<html><body/></html>", "html", "outermost element is not LWM2M"),
    ],
)
def test_a_wrong_structure_is_refused(text, element, why):
    error = refusal(text)
    assert error.element == element and why in str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"not xml",
        b"\xff\xfe",
        a_file().encode()[:-3],
        a_file().encode() + b"<LWM2M/>",
        a_file().replace("</Units>", "</Unit>").encode(),
        a_file().replace("Speed", "&unknown;").encode(),
        a_file().encode().replace(b"Speed", b"\xff"),
        b"\n" + a_file().encode(),
    ],
)
def test_what_is_not_xml_is_a_format_error_that_says_so(data):
    assert "not XML" in str(refusal(data))


# Fuzzing found unicode_escape: the parser hands any name to Python's codecs.
@pytest.mark.parametrize(
    "encoding", ["unicode_escape", "no-such", "shift_jis", "utf-7", "rot13", "hex", "idna", ""]
)
@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("written_in", ["ascii", "utf-8-sig", "utf-16", "utf-16-le"])
def test_an_encoding_that_is_no_plain_character_set_is_refused(encoding, quote, written_in):
    head = f"<?xml version='1.0'\n encoding = {quote}{encoding}{quote} ?>"
    error = refusal(a_file(head=head).encode(written_in))
    assert f"encoding '{encoding}' is not allowed" in str(error)
    assert error.line == 1


@pytest.mark.parametrize("length, is_read", [(512, True), (513, False)])
def test_an_xml_declaration_ends_within_its_bound(length, is_read):
    head = '<?xml version="1.0"?>'
    data = a_file(head=head.replace("?>", " " * (length - len(head)) + "?>")).encode()
    if is_read:
        assert parse_ddf(data)[0].name == "Vehicle"
    else:
        assert "declaration has no end" in str(refusal(data))


def test_broken_xml_names_the_open_element_and_the_line():
    text = a_file().replace("</Units>", "</Unit>")
    error = refusal(text)
    assert (error.element, error.line) == ("Units", line_of(text, "<Units>"))


LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))

HOSTILE = {
    "entity bomb": f'<!DOCTYPE LWM2M [<!ENTITY a0 "ha">{LAUGHS}]>',
    "quadratic": f'<!DOCTYPE LWM2M [<!ENTITY a11 "{"x" * 10000}">]>',
    "external entity": '<!DOCTYPE LWM2M [<!ENTITY a11 SYSTEM "file:///etc/hostname">]>',
    "parameter entity": '<!DOCTYPE LWM2M [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]>',
    "external document type": '<!DOCTYPE LWM2M SYSTEM "http://127.0.0.1:9/x.dtd">',
    "public document type": '<!DOCTYPE LWM2M PUBLIC "-//X//X" "http://127.0.0.1:9/x.dtd">',
    "empty document type": "<!DOCTYPE LWM2M>",
}


@pytest.mark.parametrize("doctype", HOSTILE.values(), ids=HOSTILE)
def test_document_types_and_entities_are_refused_before_anything_is_expanded(doctype):
    text = a_file(an_object(Name="NAME"), head=f"<?xml version='1.0'?>\n{doctype}\n")
    error = refusal(text.replace("NAME", "&a11;"))
    assert error.line == 2 and "are not allowed" in str(error)


def test_an_xinclude_is_an_unknown_element_and_fetches_nothing():
    include = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/hostname"/>'
    text = a_file().replace("How fast.", f"How {include}fast.")
    assert parse(text)[0].resources[0].description == "How fast."


# Bounds, each at it and one past it.


def test_a_file_is_read_up_to_its_bound_in_bytes():
    data = a_file().encode()
    padding = ddf.MAX_BYTES - len(data)
    assert parse_ddf(data + b" " * padding)[0].name == "Vehicle"
    error = refusal(data + b" " * (padding + 1))
    assert f"the limit is {ddf.MAX_BYTES}" in str(error)


def test_a_file_is_read_up_to_its_bound_of_objects():
    objects = [an_object(ObjectID=str(number)) for number in range(ddf.MAX_OBJECTS + 1)]
    assert len(parse(a_file(*objects[:-1]))) == ddf.MAX_OBJECTS
    assert f"more than {ddf.MAX_OBJECTS} objects" in str(refusal(a_file(*objects)))


def test_an_object_is_read_up_to_its_bound_of_resources():
    items = [item(number) for number in range(ddf.MAX_RESOURCES + 1)]
    assert len(parse(a_file(an_object(*items[:-1])))[0].resources) == ddf.MAX_RESOURCES
    assert f"more than {ddf.MAX_RESOURCES} resources" in str(refusal(a_file(an_object(*items))))


def test_a_file_is_read_up_to_its_bound_of_elements():
    used = a_file().count("</")
    text = a_file().replace("<Resources>", "FILL<Resources>")
    at_bound = "<x/>" * (ddf.MAX_ELEMENTS - used)
    assert parse(text.replace("FILL", at_bound))[0].name == "Vehicle"
    error = refusal(text.replace("FILL", at_bound + "<x/>"))
    assert f"more than {ddf.MAX_ELEMENTS} elements" in str(error)


def test_elements_are_followed_up_to_the_bound_of_depth():
    def nested(depth):
        inside = depth - 2
        return a_file().replace("<Resources>", "<x>" * inside + "</x>" * inside + "<Resources>")

    assert parse(nested(ddf.MAX_DEPTH))[0].name == "Vehicle"
    error = refusal(nested(ddf.MAX_DEPTH + 1))
    assert error.element == "x" and f"deeper than {ddf.MAX_DEPTH}" in str(error)


@pytest.mark.parametrize(
    "field, limit",
    [
        ("Name", ddf.MAX_TEXT_CHARS),
        ("RangeEnumeration", ddf.MAX_TEXT_CHARS),
        ("Units", ddf.MAX_TEXT_CHARS),
        ("Description", ddf.MAX_DESCRIPTION_CHARS),
    ],
)
def test_a_text_is_read_up_to_its_bound(field, limit):
    parse(a_file(an_object(item(**{field: "x" * limit}))))
    error = refusal(a_file(an_object(item(**{field: "x" * (limit + 1)}))))
    assert error.element == field and f"more than {limit} characters" in str(error)


def test_a_refusal_shows_no_more_than_a_piece_of_what_is_wrong():
    error = refusal(a_file(an_object(item(Type="x" * ddf.MAX_TEXT_CHARS))))
    assert len(str(error)) < 300
    assert len(str(refusal(f"<{'x' * 10000}/>"))) < 300


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_cause_anything_but_a_format_error(data):
    with pytest.raises(FormatError):
        parse_ddf(data)


@settings(deadline=None)
@given(st.integers(0, len(a_file()) - 1), st.binary(min_size=1, max_size=4))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(where, damage):
    data = a_file().encode()
    try:
        found = parse_ddf(data[:where] + damage + data[where + len(damage) :])
    except DdfError as error:
        assert error.element in str(error) or len(error.element) > 60
    else:
        assert len(found) == 1
