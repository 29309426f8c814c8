"""Answers and reports of nothing, of much, and of several moments, in each format that has them."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest

from lwm2m_fast import codec
from lwm2m_fast.codec import Node
from lwm2m_fast.core.operations import ObservedContext, decode_report, result_json
from lwm2m_fast.errors import FormatError
from tests.core.order_kit import (
    CBOR,
    JSON,
    LWM2M_CBOR,
    NOW_NS,
    OCTETS,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    TLV,
    answer,
    order,
    report,
    result,
    target,
)

CONTENT = 69
SECOND = 1_000_000_000
NEW, OLD = NOW_NS - 10 * SECOND, NOW_NS - 20 * SECOND
TIMED = (JSON, SENML_JSON, SENML_CBOR)
SINGLE = ("read", "observe", "cancel_observe")
COMPOSITE = ("read_composite", "observe_composite", "cancel_composite")
ACTIVE = {"cancel_observe": {"mode": "active"}, "cancel_composite": {"mode": "active"}}


def encoded(content_format: int, nodes: list[Node], base: str = "/") -> bytes:
    return codec.encode(content_format, nodes, base)


# Nothing


@pytest.mark.parametrize(
    ("content_format", "payload"),
    [
        (TLV, b""),
        (JSON, b'{"bn":"/3303/","e":[]}'),
        (JSON, b'{"e":[]}'),
        (SENML_JSON, b"[]"),
        (SENML_CBOR, b"\x80"),
        (LWM2M_CBOR, b"\xa0"),
    ],
)
@pytest.mark.parametrize("path", ["/3303", "/3303/0", "/3442/0/1120"])
@pytest.mark.parametrize("op", SINGLE)
def test_what_is_empty_is_an_answer_without_values(
    op: str, path: str, content_format: int, payload: bytes
) -> None:
    what = order(op, path, **ACTIVE.get(op, {}))
    made = result(target("1.2"), what, answer(CONTENT, content_format, payload))
    assert (made.ok, made.error) == (True, None)
    assert list(made.pack or ()) == []


@pytest.mark.parametrize(
    "content_format", [TEXT, OCTETS, CBOR, SENML_JSON, SENML_CBOR, TLV, JSON, LWM2M_CBOR]
)
@pytest.mark.parametrize("octets", [b"", b"\x00\xff"])
@pytest.mark.parametrize("path", ["/3442/0/150", "/3442/0/1150/1"])
def test_octets_and_none_of_them_are_read_in_every_format(
    path: str, octets: bytes, content_format: int
) -> None:
    payload = encoded(content_format, [Node(path, octets)], path)
    made = result(target("1.2"), order("read", path), answer(CONTENT, content_format, payload))
    assert [(str(n.path), n.value) for n in made.pack or ()] == [(path, octets)], made.error


# Much


@pytest.mark.parametrize("content_format", [SENML_JSON, SENML_CBOR])
@pytest.mark.parametrize(
    ("paths", "values"),
    [
        (["/"], {"/1/0/1": 30, "/3/0/9": 85, "/3442/0/1120/1": 7}),
        (["/3442/0/1120/1"], {"/3442/0/1120/1": 7}),
        (["/3/0/9", "/3442"], {"/3/0/9": 85, "/3442/0/120": 5, "/3442/1/120": 6}),
        (["/3/0/9", "/1/0"], {"/3/0/9": 85}),
    ],
)
@pytest.mark.parametrize("op", COMPOSITE)
def test_composites_are_of_any_depth_and_what_is_missing_is_no_error(
    op: str, paths: list[str], values: dict[str, Any], content_format: int
) -> None:
    payload = encoded(content_format, [Node(path, value) for path, value in values.items()])
    what = order(op, paths=paths, **ACTIVE.get(op, {}))
    made = result(target("1.1"), what, answer(CONTENT, content_format, payload))
    assert {str(n.path): n.value for n in made.pack or ()} == values, made.error


# Several moments


@pytest.mark.parametrize("content_format", TIMED)
@pytest.mark.parametrize("op", SINGLE)
def test_an_answer_keeps_its_moments(op: str, content_format: int) -> None:
    nodes = [Node("/3/0/9", 80, time_ns=OLD), Node("/3/0/9", 85, time_ns=NEW)]
    payload = encoded(content_format, nodes, "/3/0/9")
    what = order(op, "/3/0/9", **ACTIVE.get(op, {}))
    made = result(target("1.1"), what, answer(CONTENT, content_format, payload))
    assert made.pack is not None and made.pack.value("/3/0/9") == 85, made.error
    shown = sorted((each["time"], each["value"]) for each in result_json(made)["values"])
    assert shown == [(OLD / 1e9, 80), (NEW / 1e9, 85)]


@pytest.mark.parametrize("content_format", [SENML_JSON, SENML_CBOR])
@pytest.mark.parametrize("op", COMPOSITE)
def test_a_composite_answer_keeps_its_moments(op: str, content_format: int) -> None:
    nodes = [
        Node("/3/0/9", 85, time_ns=NEW),
        Node("/1/0/1", 30, time_ns=NEW),
        Node("/3/0/9", 80, time_ns=OLD),
    ]
    what = order(op, paths=["/3/0/9", "/1/0"], **ACTIVE.get(op, {}))
    came = answer(CONTENT, content_format, encoded(content_format, nodes))
    made = result(target("1.1"), what, came)
    assert made.pack is not None, made.error
    assert [(moment, len(group)) for moment, group in made.pack.groups()] == [(NEW, 2), (OLD, 1)]


NOTIFIED: list[tuple[str, list[Node], list[int | None]]] = [
    # what is observed, what comes, and the moments it comes to
    (
        "/3442/0/120",
        [Node("/3442/0/120", 1, time_ns=OLD), Node("/3442/0/120", 2, time_ns=NEW)],
        [NEW, OLD],
    ),
    (
        "/3442/0",
        [
            Node("/3442/0/120", 1, time_ns=OLD),
            Node("/3442/0/110", "x", time_ns=NEW),
            Node("/3442/0/120", 2, time_ns=NEW),
        ],
        [NEW, OLD],
    ),
    (
        "/3442/0",
        [Node("/3442/0/120", 1, time_ns=NEW), Node("/3442/0/120", 2)],
        [None, NEW],
    ),
    (
        "/3442",
        [Node("/3442/0/120", 1, time_ns=OLD), Node("/3442/1/120", 2, time_ns=NEW)],
        [NEW, OLD],
    ),
    (
        "/3442/0/1120",
        [Node("/3442/0/1120/0", 1, time_ns=OLD), Node("/3442/0/1120/1", 2, time_ns=NEW)],
        [NEW, OLD],
    ),
]


# A time in OMA JSON is beside that of its pack: no record of it is of "just now".
@pytest.mark.parametrize(
    ("path", "nodes", "moments", "content_format"),
    [
        (*row, content_format)
        for row in NOTIFIED
        for content_format in TIMED
        if content_format != JSON or None not in row[2]
    ],
)
def test_a_notification_keeps_its_moments_newest_first(
    path: str, nodes: list[Node], moments: list[int | None], content_format: int
) -> None:
    came = report(content_format, encoded(content_format, nodes, path))
    pack = decode_report(target(), ObservedContext((path,), content_format, False), came)
    assert [moment for moment, _ in pack.groups()] == moments
    newest = pack.groups()[0][1]
    assert [n.value for n in newest] == [n.value for n in nodes if n.time_ns == moments[0]]


PAIR = ObservedContext(("/1/0/1", "/3442/0"), SENML_CBOR, True)


@pytest.mark.parametrize("content_format", [SENML_JSON, SENML_CBOR])
@pytest.mark.parametrize(
    ("nodes", "moments"),
    [
        ([Node("/1/0/1", 30, time_ns=OLD), Node("/1/0/1", 31, time_ns=NEW)], [NEW, OLD]),
        ([Node("/1/0/1", 30, time_ns=OLD), Node("/3442/0/120", 1, time_ns=NEW)], [NEW, OLD]),
        ([Node("/3442/0/120", 1, time_ns=NEW), Node("/3442/0/110", "x", time_ns=NEW)], [NEW]),
        ([Node("/1/0/1")], [None]),
        ([], []),
    ],
    ids=["resource", "both", "instance", "no value", "nothing"],
)
def test_a_composite_notification_keeps_its_moments(
    nodes: list[Node], moments: list[int | None], content_format: int
) -> None:
    pack = decode_report(target(), PAIR, report(content_format, encoded(content_format, nodes)))
    assert [moment for moment, _ in pack.groups()] == moments


@pytest.mark.parametrize("content_format", [SENML_JSON, SENML_CBOR])
@pytest.mark.parametrize("stray", ["/1/0/2", "/3442/1/120", "/3/0/9"])
def test_a_composite_notification_with_a_stray_moment_is_refused_as_a_whole(
    stray: str, content_format: int
) -> None:
    nodes = [Node("/1/0/1", 30, time_ns=NEW), Node(stray, 5, time_ns=OLD)]
    with pytest.raises(FormatError, match=f"{stray} was not asked for"):
        decode_report(target(), PAIR, report(content_format, encoded(content_format, nodes)))


def test_a_moment_that_was_not_given_is_just_now() -> None:
    payload = cbor2.dumps([{-2: "/3442/0/", 0: "120", 2: 1, 6: -30}, {0: "120", 2: 2}])
    context = ObservedContext(("/3442/0",), SENML_CBOR, False)
    groups = decode_report(target(), context, report(SENML_CBOR, payload)).groups()
    assert [moment and NOW_NS - moment for moment, _ in groups] == [None, 30 * SECOND]
