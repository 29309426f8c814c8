"""Shell commands over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from fake_service import Api

from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import QueueFull

SHELL = "/api/v1/devices/dev-1/shell"


def run(api: Api, text: str | bytes, query: str = "") -> Any:
    return api.ask("POST", SHELL + query, "operate", content=text)


def test_each_line_becomes_an_operation_in_order(api: Api) -> None:
    answer = run(api, "read /3/0/0\n\nexecute /3/0/4\n")
    assert answer.status_code == 202
    commands = answer.json()["commands"]
    assert [one["text"] for one in commands] == ["read /3/0/0", "execute /3/0/4"]
    assert [one["operation"]["order"]["op"] for one in commands] == ["read", "execute"]
    ((_, orders, more),) = api.service.submitted
    assert orders[0] == Order("read", path="/3/0/0")
    assert more["origin"] == "shell"


def test_with_wait_each_line_has_what_came_of_it(api: Api) -> None:
    answer = run(api, "read /3\nhelp\nread /4", "?wait=5")
    assert answer.status_code == 200
    first, help_, last = answer.json()["commands"]
    assert first["operation"]["state"] == last["operation"]["state"] == "SUCCESSFUL"
    assert "read" in help_["help"]


def test_a_setting_takes_effect_between_the_lines_around_it(api: Api) -> None:
    answer = run(api, "read /3\nserialization TLV\nread /4")
    assert [sorted(one) for one in answer.json()["commands"]] == [
        ["operation", "text"],
        ["settings", "text"],
        ["operation", "text"],
    ]
    assert api.service.set_for["dev-1"] == {"serializationFormat": "TLV"}
    ((_, orders, _),) = api.service.submitted
    assert [each.serialization for each in orders] == ["DEFAULT", "TLV"]
    run(api, "read /5\ndelete /3303/1")
    assert [each.serialization for each in api.service.submitted[-1][1]] == ["TLV", None]
    run(api, "serialization DEFAULT")
    assert api.service.set_for["dev-1"] == {}
    run(api, "read /3")
    assert api.service.submitted[-1][1] == [Order("read", path="/3")]


def test_of_two_settings_each_counts_for_the_lines_behind_it(api: Api) -> None:
    answer = run(api, "serialization TLV\nread /3\nserialization DEFAULT\nread /4").json()
    shown = [one["settings"]["serializationFormat"] for one in answer["commands"][::2]]
    assert shown == ["TLV", None]
    assert [each.serialization for each in api.service.submitted[0][1]] == ["TLV", "DEFAULT"]
    assert api.service.set_for["dev-1"] == {}


def test_a_text_that_the_queue_does_not_take_changes_no_setting(api: Api) -> None:
    run(api, "serialization CBOR")
    api.service.refusal = QueueFull("'dev-1'", 1000)
    assert run(api, "read /3\nserialization TLV\nread /4").status_code == 429
    assert api.service.submitted == []
    assert api.service.set_for["dev-1"] == {"serializationFormat": "CBOR"}


def test_a_line_that_is_no_command_stops_all_of_them(api: Api) -> None:
    answer = run(api, "serialization TLV\nread /3\nfly /3")
    assert answer.status_code == 400
    assert "fly" in answer.json()["detail"]
    assert api.service.submitted == []
    assert api.service.set_for == {}


@pytest.mark.parametrize("text", ["", " \n\n", b"\xff"])
def test_a_text_without_a_command_is_refused(api: Api, text: str | bytes) -> None:
    assert run(api, text).status_code == 400
    assert api.service.submitted == []


def test_a_full_queue_is_told(api: Api) -> None:
    api.service.refusal = QueueFull("'dev-1'", 1000)
    answer = run(api, "read /3")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"


def test_more_lines_than_one_text_may_have_are_refused(api: Api) -> None:
    assert run(api, "read /3\n" * 1000).status_code == 202
    assert run(api, "read /3\n" * 1001).status_code == 400
    assert len(api.service.submitted) == 1
