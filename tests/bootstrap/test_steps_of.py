"""What is configured beside accounts: its shapes, its types, and the steps that it becomes."""

from __future__ import annotations

from typing import Any

import pytest

from lwm2m_fast.bootstrap.accounts_of import configuration_of
from lwm2m_fast.codec import Kind
from lwm2m_fast.core.accounts import Configuration
from lwm2m_fast.core.bootstrap import Session
from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.bootstrap_steps import (
    MAX_DELETES,
    MAX_INSTANCES,
    MAX_READS,
    MAX_WRITTEN_BYTES,
)
from lwm2m_fast.fleet.configuration import (
    ConfigurationError,
    as_bytes,
    as_json,
    from_bytes,
    merged,
    read,
)

PLAIN: dict[str, Any] = {
    "endpointId": "d",
    "bootstrapSecurity": {"bootstrapSecurityMode": "NO_SEC"},
    "serverSecurity": {"securityMode": "NO_SEC"},
    "lwm2mServerUri": "coap://h",
}
ACCESS: dict[str, Any] = {"0": 3, "1": 0, "2": {"1": 15, "7": 1}, "3": 65535}
STEPS: dict[str, Any] = {
    "deletes": ["/2", "/3303/0"],
    "writes": {"/2/0": ACCESS, "/3303/1": {"5700": 1, "5701": "Cel"}},
    "reads": ["/1", "/2/0"],
    "contentFormat": "SENML_JSON",
    "endsAt": ["WRITE"],
}


def made(steps: dict[str, Any] | None) -> Configuration:
    return configuration_of(
        read(PLAIN if steps is None else {**PLAIN, "bootstrapSteps": steps}),
        default_lifetime_s=300,
        default_short_id=1,
        own_uri=lambda is_secure: None,
        certificates=lambda name: None,
    )


def answered(session: Session, refused: str = "") -> list[str]:
    """Play a device that does everything, but for `refused`; what it was asked."""
    asked = []
    while (request := session.next()) is not None:
        asked.append(session.step)
        code = 0x80 if session.step == refused else 0x45 if request.method == 1 else 0x44
        session.answered("answered", code)
    return asked


def test_all_of_it_is_done_in_order() -> None:
    configuration = made(STEPS)
    session = Session(configuration)
    assert session.content_format == 110
    assert answered(session) == [
        "DISCOVER /", "DELETE /2", "DELETE /3303/0", "WRITE /0/0", "WRITE /1/0", "WRITE /2/0",
        "WRITE /3303/1", "READ /1", "READ /2/0", "FINISH /bs",
    ]  # fmt: skip
    assert session.ended == "finished"


def test_values_have_the_types_of_their_resources() -> None:
    (rights, sensor) = made(STEPS).objects
    assert [(str(node.path), node.value, node.kind) for node in rights[1]] == [
        ("/2/0/0", 3, Kind.INTEGER),
        ("/2/0/1", 0, Kind.INTEGER),
        ("/2/0/2/1", 15, Kind.INTEGER),
        ("/2/0/2/7", 1, Kind.INTEGER),
        ("/2/0/3", 65535, Kind.INTEGER),
    ]
    assert [(node.value, node.kind) for node in sensor[1]] == [
        (1.0, Kind.FLOAT), ("Cel", Kind.STRING),
    ]  # fmt: skip


def test_what_nobody_knows_has_the_type_of_its_value() -> None:
    values = {"0": True, "1": 1, "2": 1.5, "3": "a", "4": {"hex": "00ff"}, "5": {"3": 4}}
    ((_, nodes),) = made({"writes": {"/32999/0": values}}).objects
    assert [(node.value, node.kind) for node in nodes] == [
        (True, Kind.BOOLEAN), (1, Kind.INTEGER), (1.5, Kind.FLOAT), ("a", Kind.STRING),
        (b"\x00\xff", Kind.OPAQUE), (4, Kind.INTEGER),
    ]  # fmt: skip
    assert str(nodes[-1].path) == "/32999/0/5/3"


def test_a_step_whose_refusal_is_to_end_it_ends_it() -> None:
    session = Session(made(STEPS))
    assert answered(session, "WRITE /2/0")[-1] == "WRITE /2/0"
    assert session.reason == "WRITE /2/0 was refused with 4.00"
    session = Session(made({**STEPS, "endsAt": []}))
    assert answered(session, "WRITE /2/0")[-1] == "FINISH /bs"
    assert session.ended == "finished"


def test_without_it_a_bootstrap_is_what_it_was() -> None:
    configuration = made(None)
    assert (configuration.deletes, configuration.objects, configuration.reads) == ((), (), ())
    assert (configuration.content_format, configuration.ends_at) == (None, ())


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"0": "x"}, "bootstrapSteps.writes: /2/0/0: 'x' is not INTEGER"),
        ({"0": {"0": 1}}, "bootstrapSteps.writes: /2/0/0 is one value"),
        ({"2": 15}, "bootstrapSteps.writes: /2/0/2 is a multiple resource"),
        ({"0": 1 << 63}, "bootstrapSteps.writes: /2/0/0"),
    ],
)
def test_a_value_of_another_type_is_the_reason(values: dict[str, Any], why: str) -> None:
    with pytest.raises(RequestError) as caught:
        made({"writes": {"/2/0": values}})
    assert why in str(caught.value)


def test_what_is_executed_has_no_value() -> None:
    with pytest.raises(RequestError, match="/3/0/4 is executed, it has no value"):
        made({"writes": {"/3/0": {"4": 1}}})


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ({"deletes": ["/2/0/1"]}, "bootstrapSteps.deletes.0"),
        ({"deletes": ["2"]}, "bootstrapSteps.deletes.0"),
        ({"deletes": ["/65535"]}, "bootstrapSteps.deletes.0"),
        ({"deletes": ["/"] * (MAX_DELETES + 1)}, "bootstrapSteps.deletes"),
        ({"reads": ["/0"]}, "bootstrapSteps.reads.0"),
        ({"reads": ["/"]}, "bootstrapSteps.reads.0"),
        ({"reads": ["/1"] * (MAX_READS + 1)}, "bootstrapSteps.reads"),
        ({"writes": {"/0/0": {"0": "coap://h"}}}, "bootstrapSteps.writes"),
        ({"writes": {"/1/0": {"0": 1}}}, "bootstrapSteps.writes"),
        ({"writes": {"/21/0": {"0": {"hex": "00"}}}}, "bootstrapSteps.writes"),
        ({"writes": {"/3/0/1": {"0": 1}}}, "bootstrapSteps.writes"),
        ({"writes": {"/3": {"0": 1}}}, "bootstrapSteps.writes"),
        ({"writes": {"/3/65535": {"0": 1}}}, "bootstrapSteps.writes"),
        ({"writes": {"/3/0": {"x": 1}}}, "bootstrapSteps.writes"),
        ({"writes": {"/3/0": {"1": None}}}, "bootstrapSteps.writes"),
        ({"writes": {"/3/0": {"1": [1]}}}, "bootstrapSteps.writes"),
        ({"writes": {"/3/0": {"1": {"0": {"0": 1}}}}}, "bootstrapSteps.writes"),
        ({"writes": {"/3/0": {"1": {"hex": 1}}}}, "bootstrapSteps.writes"),
        ({"writes": {"/3/0": {"1": 1 << 64}}}, "bootstrapSteps.writes"),
        ({"writes": {"/3/0": 1}}, "bootstrapSteps.writes"),
        ({"writes": {f"/9999/{n}": {} for n in range(MAX_INSTANCES + 1)}}, "bootstrapSteps.writes"),
        ({"writes": {"/3/0": {"1": "x" * MAX_WRITTEN_BYTES}}}, "bootstrapSteps.writes"),
        ({"writes": {"/3/0": {"1": float("inf")}}}, "bootstrapSteps.writes"),
        ({"writes": {"/3/0": {"1": "\ud800"}}}, "bootstrapSteps.writes"),
        ({"contentFormat": "TEXT"}, "bootstrapSteps.contentFormat"),
        ({"endsAt": ["FINISH"]}, "bootstrapSteps.endsAt.0"),
        ({"more": 1}, "bootstrapSteps.more"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(steps: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read({**PLAIN, "bootstrapSteps": steps})
    assert str(caught.value).startswith(field)


def test_bounds_are_taken() -> None:
    writes = {f"/9999/{n}": {"0": 1} for n in range(MAX_INSTANCES)}
    steps = {"deletes": ["/"] * MAX_DELETES, "reads": ["/1"] * MAX_READS, "writes": writes}
    session = Session(made(steps))
    assert answered(session)[-1] == "FINISH /bs"


def test_it_is_kept_shown_and_changed_as_it_was_given() -> None:
    given = read({**PLAIN, "bootstrapSteps": STEPS})
    again = from_bytes("d", as_bytes(given))
    assert again == given
    shown = as_json(again)["bootstrapSteps"]
    assert shown["writes"] == STEPS["writes"] and shown["deletes"] == STEPS["deletes"]
    changed = merged(again, {"bootstrapSteps": {"writes": {"/2/0": {"0": 1}}, "reads": []}})
    assert changed.bootstrap_steps is not None
    assert changed.bootstrap_steps.writes == {"/2/0": {"0": 1}}
    assert changed.bootstrap_steps.deletes == ("/2", "/3303/0")
    assert merged(changed, {"bootstrapSteps": None}).bootstrap_steps is None
