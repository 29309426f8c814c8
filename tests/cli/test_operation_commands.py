"""`operations`, `values`, `observations`, `batch`: what they ask, what they print."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from fake_service import Api
from outcome import Run

from lwm2m_fast.cli import batch


def test_operations_are_listed_with_what_came_of_them(admin: Run, api: Api) -> None:
    api.service.end = {"state": "FAILED", "result": {"code": "4.05"}, "reason": None}
    admin("shell", "dev-1", "-c", "read /3/0/9")
    admin("shell", "dev-1", "-c", "execute /3/0/4", "--wait", "0")
    out = admin("operations", "dev-1").out
    assert out.endswith("2 operations\n")
    newest, oldest = out.splitlines()[1:3]
    assert "PENDING  execute /3/0/4" in newest
    assert "FAILED   read /3/0/9" in oldest
    assert "4.05" in oldest


def test_operations_can_be_narrowed_cut_and_printed_as_json(admin: Run) -> None:
    admin("shell", "dev-1", "-c", "read /3\nread /4\nread /5", "--wait", "0")
    admin("shell", "dev-1", "-c", "read /6")
    pending = json.loads(admin("operations", "dev-1", "--state", "pending", "--json").out)
    assert [one["id"] for one in pending] == [3, 2, 1]
    states = ("--state", "pending", "--state", "successful")
    assert admin("operations", "dev-1", *states).out.endswith("4 operations\n")
    assert admin("operations", "dev-1", "--limit", "2").out.endswith("2 operations\n")
    assert admin("operations", "dev-1", "--state", "over").code == 2


def test_a_long_list_is_asked_for_in_pages(
    admin: Run, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lwm2m_fast.cli.operations.PAGE", 2)
    admin("shell", "dev-1", "-c", "read /3\n" * 5, "--wait", "0")
    found = json.loads(admin("operations", "dev-1", "--limit", "5", "--json").out)
    assert [one["id"] for one in found] == [5, 4, 3, 2, 1]


def test_an_operation_is_given_up(admin: Run) -> None:
    admin("shell", "dev-1", "-c", "read /3", "--wait", "0")
    assert "cancelled" in admin("operations", "dev-1", "--cancel", "1").out
    assert admin("operations", "dev-1", "--cancel", "9").code == 1


def test_last_values_are_shown(admin: Run, api: Api) -> None:
    known = {"type": "integer", "value": 1, "time": 1700000000.0, "origin": "SEND", "name": "Level"}
    api.service.known_values["dev-1"] = [{"path": "/3/0/9", **known}, {"path": "/4/0/2", **known}]
    out = admin("values", "dev-1").out
    assert out.split()[:5] == ["path", "name", "value", "time", "origin"]
    assert "/3/0/9  Level  1 " in out
    assert out.endswith("2 values\n")
    assert admin("values", "dev-1", "/3").out.endswith("1 values\n")
    assert json.loads(admin("values", "dev-1", "/3", "--json").out) == [{"path": "/3/0/9", **known}]
    assert "no device" in admin("values", "nobody").err


def test_observations_are_shown(admin: Run, api: Api) -> None:
    one = {
        "number": 1,
        "paths": ["/3/0", "/4"],
        "is_composite": True,
        "state": "active",
        "since": 1700000000.0,
        "notified": 2,
        "last_at": None,
    }
    api.service.relations["dev-1"] = [one]
    assert "/3/0 /4  active" in admin("observations", "dev-1").out
    assert json.loads(admin("observations", "dev-1", "--json").out) == [one]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    """What a batch waits for is done by the time it looks again; nobody sleeps."""

    def slept(seconds: float) -> None:
        for queue in api.service.queued.values():
            for one in queue:
                one.update(api.service.end or {})

    monkeypatch.setattr(batch.time, "sleep", slept)


@pytest.mark.usefixtures("quick")
def test_a_batch_runs_commands_for_the_names_in_a_file(
    admin: Run, api: Api, tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("dev-1\nurn:imei:1/2\ndev-1\n")
    ran = admin("batch", str(names), "-c", "read /3\nread /4")
    assert (ran.code, ran.out) == (0, "2 devices: 4 done, 0 failed, 0 pending\n")
    assert [name for name, _, _ in api.service.submitted] == ["dev-1", "urn:imei:1/2"]


@pytest.mark.usefixtures("quick")
def test_a_batch_is_for_all_or_for_a_part_of_the_name(admin: Run, api: Api) -> None:
    assert admin("batch", "--all", "-c", "read /3").out.startswith("3 devices: 3 done")
    assert admin("batch", "--contains", "imei", "-c", "read /3").out.startswith("1 devices")


@pytest.mark.usefixtures("quick")
def test_many_names_are_more_than_one_batch(
    admin: Run, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lwm2m_fast.cli.devices.BULK_NAMES", 2)
    monkeypatch.setattr("sys.stdin", io.StringIO("a\nb\nc\n"))
    ran = admin("batch", "-", "-c", "read /3", "--json")
    body = json.loads(ran.out)
    assert body["batches"] == [1, 2]
    assert [one["endpoint"] for one in body["results"]] == ["a", "b", "c"]
    assert body["done"] == 3


@pytest.mark.usefixtures("quick")
def test_what_failed_in_a_batch_is_named_and_exit_code_1(admin: Run, api: Api) -> None:
    api.service.full = {"dev-1"}
    api.service.end = {"state": "FAILED", "reason": "expired"}
    ran = admin("batch", "--all", "-c", "read /3")
    assert ran.code == 1
    assert "error: dev-1: its queue is full\n" in ran.err
    assert "error: urn:imei:1/2: operation 1 failed (expired)\n" in ran.err
    assert ran.out == "3 devices: 0 done, 3 failed, 0 pending\n"


def test_a_batch_that_is_not_waited_for_is_exit_code_3(admin: Run) -> None:
    ran = admin("batch", "--all", "-c", "read /3", "--wait", "0")
    assert ran.code == 3
    assert ran.out == "3 devices: 0 done, 0 failed, 3 pending\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-c", "read /3"), "say which devices"),
        (("--all", "--contains", "x", "-c", "read /3"), "say which devices"),
        (("--all",), "no command was given"),
        (("--contains", "?", "-c", "read /3"), "there is no such device"),
        (("--all", "-c", "fly"), "fly"),
        (("/nowhere/names", "-c", "read /3"), "cannot be read"),
    ],
)
def test_a_batch_that_is_none_is_one_clear_line(
    admin: Run, arguments: tuple[str, ...], said: str
) -> None:
    ran: Any = admin("batch", *arguments)
    assert ran.code == 1
    assert said in ran.err
    assert ran.err.count("\n") == 1
