"""The shell's grammar: requirements' commands, one row each."""

from __future__ import annotations

from typing import Any

import pytest

from lwm2m_fast.core.orders import order_json
from lwm2m_fast.core.shell import (
    COMMANDS,
    MAX_LINES,
    MAX_TEXT_CHARACTERS,
    find_command,
    help_text,
    parse_shell,
)
from lwm2m_fast.errors import RequestError


def one(text: str) -> dict[str, Any]:
    """The order of a text of one line, as JSON."""
    (line,) = parse_shell(text)
    assert line.order is not None and line.setting is None and line.help is None
    return order_json(line.order)


LINES: list[tuple[str, dict[str, Any]]] = [
    ("read /3/0/9", {"op": "read", "path": "/3/0/9"}),
    ("read /3", {"op": "read", "path": "/3"}),
    ("observe /3/0", {"op": "observe", "path": "/3/0"}),
    ("cancelobservation /3/0/9", {"op": "cancel_observe", "path": "/3/0/9"}),
    (
        "cancelobservation /3/0/9 /1",
        {"op": "cancel_composite", "paths": ["/3/0/9", "/1"]},
    ),
    ("cancelobserve /3/0/9", {"op": "cancel_observe", "path": "/3/0/9", "mode": "active"}),
    (
        "cancelCompositeObserve /3/0/9 /1",
        {"op": "cancel_composite", "paths": ["/3/0/9", "/1"], "mode": "active"},
    ),
    ("execute /3/0/4", {"op": "execute", "path": "/3/0/4"}),
    (
        "execute /3/0/4 0='x',1",
        {"op": "execute", "path": "/3/0/4", "arguments": "0='x',1"},
    ),
    (
        "executelegacy /3/0/4 any  thing",
        {"op": "execute", "path": "/3/0/4", "arguments": "any  thing", "is_free_text": True},
    ),
    ("executelegacy /3/0/4", {"op": "execute", "path": "/3/0/4"}),
    ("write /3/0/14 +02:00", {"op": "write", "path": "/3/0/14", "value": "+02:00"}),
    (
        'write /3/0/15 a "b"  /c',
        {"op": "write", "path": "/3/0/15", "value": 'a "b"  /c'},
    ),
    ('write /1/0 {"1": 30}', {"op": "write", "path": "/1/0", "values": {"1": 30}}),
    (
        "writep /1/0/1 30",
        {"op": "write", "path": "/1/0/1", "value": "30", "mode": "update"},
    ),
    ("writeb /5/0/0 00FF", {"op": "write", "path": "/5/0/0", "value": {"hex": "00FF"}}),
    (
        "writeb /5/0/0 binary:fw-2.bin",
        {"op": "write", "path": "/5/0/0", "value": {"file": "fw-2.bin"}},
    ),
    ("delete /3303/0", {"op": "delete", "path": "/3303/0"}),
    ("delete /3303/0/5700", {"op": "delete", "path": "/3303/0/5700"}),
    ("discover /3", {"op": "discover", "path": "/3"}),
    ("discover /3 depth=2", {"op": "discover", "path": "/3", "depth": 2}),
    ("create /3303", {"op": "create", "path": "/3303"}),
    (
        'create /3303 {"5700": 21.5}',
        {"op": "create", "path": "/3303", "values": {"5700": 21.5}},
    ),
    (
        "writeattr /3/0/9 pmin=10&pmax=60&greater=90&less=10&step=5",
        {
            "op": "write_attributes",
            "path": "/3/0/9",
            "attributes": {"pmin": 10, "pmax": 60, "gt": 90, "lt": 10, "st": 5},
        },
    ),
    (
        "writeattr /3/0/9 pmin=10&pmax=60&gt=90&lt=10&st=5",
        {
            "op": "write_attributes",
            "path": "/3/0/9",
            "attributes": {"pmin": 10, "pmax": 60, "gt": 90, "lt": 10, "st": 5},
        },
    ),
    (
        "writeattr /3/0/9 cancel",
        {"op": "write_attributes", "path": "/3/0/9", "attributes": {"cancel": None}},
    ),
    (
        "writeattr /3/0/9 pmin&pmax=&st=1",
        {
            "op": "write_attributes",
            "path": "/3/0/9",
            "attributes": {"pmin": None, "pmax": None, "st": 1},
        },
    ),
    ("cread /3/0/9 /1", {"op": "read_composite", "paths": ["/3/0/9", "/1"]}),
    ("cobserve /3/0/9", {"op": "observe_composite", "paths": ["/3/0/9"]}),
    (
        'cwrite /3/0/14 +02:00 /3/0/15 "Europe/ Berlin" /3442/0/1120 {"0":1} /3442/0/1120/1 null',
        {
            "op": "write_composite",
            "values": {
                "/3/0/14": "+02:00",
                "/3/0/15": "Europe/ Berlin",
                "/3442/0/1120": {"0": 1},
                "/3442/0/1120/1": None,
            },
        },
    ),
    ('cwrite /3/0/14 "null"', {"op": "write_composite", "values": {"/3/0/14": "null"}}),
    (
        'coap {"method": "fetch", "uri": "/a?b=1", "contentFormat": 112, "accept": 60, '
        '"payloadHex": "80"}',
        {
            "op": "coap",
            "coap": {
                "method": "fetch",
                "uri": "/a?b=1",
                "content_format": 112,
                "accept": 60,
                "payload_hex": "80",
            },
        },
    ),
    ("READ /3", {"op": "read", "path": "/3"}),
    ("cancelcompositeobserve /3", {"op": "cancel_composite", "paths": ["/3"], "mode": "active"}),
]


@pytest.mark.parametrize(("text", "order"), LINES, ids=[text for text, _ in LINES])
def test_a_line_is_an_order(text: str, order: dict[str, Any]) -> None:
    assert one(text) == order


def test_every_command_of_the_table_is_tried() -> None:
    tried = {text.split(" ")[0].lower() for text, _ in LINES}
    assert {name.lower() for name in COMMANDS} - tried == {"serialization", "help"}


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        (f"serialization {name}", {"serializationFormat": name})
        for name in ("TLV", "JSON", "CBOR", "TEXT", "OPAQUE", "SENML_JSON", "SENML_CBOR")
    ]
    + [
        ("serialization DEFAULT", {"serializationFormat": None}),
        ("serialization senml_cbor", {"serializationFormat": "SENML_CBOR"}),
    ],
)
def test_serialization_is_a_setting(text: str, setting: dict[str, str | None]) -> None:
    (line,) = parse_shell(text)
    assert (line.order, line.setting, line.help) == (None, setting, None)


def test_three_lines_are_three_orders_in_order() -> None:
    lines = parse_shell("read /3\r\n\nwrite /3/0/14 x\rdelete /3303/0\n")
    assert [(line.number, line.order.op) for line in lines if line.order] == [
        (1, "read"), (3, "write"), (4, "delete"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("reboot", "line 1: 'reboot' is no command; help lists them"),
        ("read /3\nreboot now\nread /1", "line 2: 'reboot' is no command"),
        ("read /3\n read /1", "line 2: blanks at the line's start or end"),
        ("read /3 ", "line 1: blanks"),
        ("read", r"line 1: read: '' is not a path such as /3/0/9 \(usage: read P\)"),
        ("read 3/0", "'3/0' is not a path"),
        ("read /3 /4", "'/4' is more than one path"),
        ("read /3/x", "an id that is not a number"),
        ("cread", "is not a path"),
        ("cread /3  /4", "'' is not a path"),
        ("cread /3 4", "'4' is not a path"),
        ("cread /3 /3", "/3 is given twice"),
        ("cancelobservation", "is not a path"),
        ("write /3/0/14", "the value is missing"),
        ("write", "is not a path"),
        ("write /1/0 30", "is not JSON|not a JSON object"),
        ("writeb /5/0/0", "hexadecimal digits, or binary:FILE"),
        ("writeb /5/0/0 abc", "3 hexadecimal digits; an even number"),
        ("writeb /5/0/0 xy", "not hexadecimal"),
        ("writeb /5/0/0 binary:", "file has to be a name"),
        ("execute /3/0/4 0='a b'", "execute: arguments: neither a comma"),
        ("discover /3 deep", "'deep' is not depth=N"),
        ("discover /3 depth=4", "depth: 4 is not a whole number from 0 to 3"),
        ("discover /3 depth=" + "9" * 5000, "depth"),
        ("create /3303 {", "is not JSON"),
        ("create /3303 5", "is not a JSON object"),
        ("writeattr /3", "attributes are missing"),
        ("writeattr /3 pmin=1&pmin=2", "pmin is given twice"),
        ("writeattr /3 gt=1&greater=2", "gt is given twice"),
        ("writeattr /3 cancel=1", "cancel takes no value"),
        ("writeattr /3 =5", "attribute '' is not known"),
        ("writeattr /3 dim=5", "'dim' is not known"),
        ("writeattr /3 pmin=60&pmax=10", "pmin: 60 is above pmax"),
        ("cwrite /3/0/14", "1 words; a path and a value each"),
        ("cwrite", "0 words"),
        ("cwrite /3/0/14 a b", "3 words"),
        ("cwrite /3/0/14 {", "is not JSON"),
        ("cwrite /3/0/14 a /3/0/14 b", "given twice"),
        ("serialization XML", "'XML' is not one of TLV, JSON"),
        ("serialization", "'' is not one of"),
        ("coap", "the request is missing"),
        ("coap get", "is not JSON"),
        ('coap {"method": "get"}', "uri: None"),
        ("help reboot", "'reboot' is no command"),
    ],
)
def test_a_line_that_cannot_be_read_refuses_the_whole_text(text: str, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        parse_shell(text)


def test_help_lists_every_command_with_its_usage() -> None:
    (line,) = parse_shell("help")
    assert line.order is None and line.setting is None
    for name, row in COMMANDS.items():
        assert f"{name} {row.usage}\n    {row.about}" in (line.help or "")
    assert (
        parse_shell("help read")[0].help
        == help_text("READ")
        == ("read P\n    read a value, an instance or an object")
    )


def test_a_command_is_found_in_any_case() -> None:
    found = find_command("CANCELcompositeOBSERVE")
    assert found is COMMANDS["cancelCompositeObserve"]
    assert find_command("reboot") is None


def test_a_text_is_as_long_as_the_limits_and_no_longer() -> None:
    assert len(parse_shell("read /3\n" * MAX_LINES)) == MAX_LINES
    with pytest.raises(RequestError, match=f"the limit is {MAX_LINES}"):
        parse_shell("read /3\n" * (MAX_LINES + 1))
    assert parse_shell("\n" * MAX_TEXT_CHARACTERS) == []
    with pytest.raises(RequestError, match=f"the limit is {MAX_TEXT_CHARACTERS}"):
        parse_shell("\n" * (MAX_TEXT_CHARACTERS + 1))


@pytest.mark.parametrize(
    "line, orders",
    [
        (
            "cobserve /3/0/9 /1 /3/0/13 strategy=COMPOSITE_BY_OBJECT",
            [
                {"op": "observe_composite", "paths": ["/3/0/9", "/3/0/13"]},
                {"op": "observe_composite", "paths": ["/1"]},
            ],
        ),
        (
            "cobserve /3/0/9 /1 strategy=single",
            [{"op": "observe", "path": "/3/0/9"}, {"op": "observe", "path": "/1"}],
        ),
        (
            "cobserve /3/0/9 /1 strategy=COMPOSITE_ALL",
            [{"op": "observe_composite", "paths": ["/3/0/9", "/1"]}],
        ),
        (
            "cancelobservation /1 /3 strategy=SINGLE",
            [{"op": "cancel_observe", "path": "/1"}, {"op": "cancel_observe", "path": "/3"}],
        ),
        (
            "cancelobservation /1 strategy=COMPOSITE_BY_OBJECT",
            [{"op": "cancel_composite", "paths": ["/1"]}],
        ),
        (
            "cancelCompositeObserve /1 /3 strategy=SINGLE",
            [
                {"op": "cancel_observe", "path": "/1", "mode": "active"},
                {"op": "cancel_observe", "path": "/3", "mode": "active"},
            ],
        ),
    ],
)
def test_a_line_with_a_strategy_is_as_many_orders_as_it_takes(line, orders):
    lines = parse_shell(f"read /3\n{line}\nread /4")
    assert [order_json(each.order) for each in lines[1:-1]] == orders
    assert {(each.number, each.text) for each in lines[1:-1]} == {(2, line)}


@pytest.mark.parametrize(
    "line", ["cobserve /3 strategy=ALL", "cobserve strategy=SINGLE", "cobserve /3 strategy="]
)
def test_a_strategy_that_there_is_not_is_named(line):
    with pytest.raises(RequestError, match="line 1: cobserve"):
        parse_shell(line)
