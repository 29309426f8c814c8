"""`lwm2m-fast shell`: commands given, piped and typed; what they print and how they end."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from fake_service import Api
from outcome import Run
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from lwm2m_fast.cli import prompt
from lwm2m_fast.cli.prompt import CommandCompleter, converse
from lwm2m_fast.cli.results import order_text, value_text
from lwm2m_fast.core.shell import COMMANDS

VALUES = [
    {"path": "/3/0/0", "type": "string", "value": "ACME\x1b[2J", "time": None},
    {"path": "/3/0/9", "type": "integer", "value": 87, "time": 1700000000.0},
]


def done(api: Api, **result: object) -> None:
    api.service.end = {"state": "SUCCESSFUL", "result": {"code": "2.05", **result}}


def test_values_are_shown_in_a_table_that_steers_no_terminal(admin: Run, api: Api) -> None:
    done(api, values=VALUES)
    ran = admin("shell", "dev-1", "-c", "read /3/0")
    assert ran.code == 0
    assert "/3/0/0  ACME\\x1b[2J" in ran.out
    assert "/3/0/9  87" in ran.out
    assert "\x1b" not in ran.out


def test_what_is_not_utf_8_is_told_and_sent_to_nobody(admin: Run, api: Api) -> None:
    ran = admin("shell", "dev-1", "-c", "read /3\udcff")
    assert ran.code == 1
    assert "the commands are not UTF-8" in ran.err
    assert api.service.submitted == []


def test_why_an_operation_failed_is_told_apart_from_its_error(admin: Run, api: Api) -> None:
    api.service.end = {"state": "FAILED", "result": {"error": "no such level"}, "reason": "fault"}
    ran = admin("shell", "dev-1", "-c", "read /3")
    assert ran.code == 1
    assert "error: read /3: no such level (fault)" in ran.err


def test_several_commands_are_told_apart(admin: Run, api: Api) -> None:
    ran = admin("shell", "dev-1", "-c", "execute /3/0/4\nserialization TLV\nhelp")
    assert ran.code == 0
    assert "> execute /3/0/4\n2.05" in ran.out or "> execute /3/0/4\n2.04" in ran.out
    assert "> serialization TLV\nserializationFormat = TLV\n" in ran.out
    assert "cread" in ran.out


def test_the_connector_is_asked_like_a_device(admin: Run, api: Api) -> None:
    api.service.provisioned.fleet.put("provisioned", [(b"old-1", b"")])
    ran = admin("shell", "lwm2m-connector", "-c", "help\nmigrateLwm2mDevices --devices old-1")
    assert ran.code == 0
    assert "cleanupClusterTenantObjectsForEndpoint ENDPOINT" in ran.out
    assert "1 of 1 done" in ran.out
    ran = admin("shell", "lwm2m-connector", "-c", "migrateLwm2mDevices -d nobody old-1")
    assert ran.code == 1
    assert "1 of 2 rows failed" in ran.err
    assert "no device is known as 'nobody'" in ran.err
    listed = admin("operations", "lwm2m-connector")
    assert "migrateLwm2mDevices" in listed.out


def test_settings_that_are_not_set_are_not_shown(admin: Run, api: Api) -> None:
    api.service.set_for["dev-1"] = {"lwm2mRequestTimeout": 10000, "defaultObjectIDVer": None}

    async def kept(endpoint: str, values: object) -> object:
        return api.service.settings(endpoint)

    api.service.set_settings = kept
    ran = admin("shell", "dev-1", "-c", "serialization DEFAULT")
    assert (ran.code, ran.out) == (0, "lwm2mRequestTimeout = 10000\n")


def test_a_created_instance_and_found_links_are_shown(admin: Run, api: Api) -> None:
    done(api, location="/3303/5")
    assert admin("shell", "dev-1", "-c", "create /3303").out == "2.05, at /3303/5\n"
    links = [{"url": "/3/0", "path": "/3/0", "attributes": {"pmin": "10", "ver": None}}]
    done(api, links=links)
    assert "/3/0  pmin=10 ver" in admin("shell", "dev-1", "-c", "discover /3/0").out


def test_commands_come_from_standard_input_when_it_is_no_terminal(
    admin: Run, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("read /3\nread /4\n"))
    assert admin("shell", "dev-1").code == 0
    ((_, orders, _),) = api.service.submitted
    assert [order.path for order in orders] == ["/3", "/4"]


def test_a_failed_command_is_an_error_line_and_exit_code_1(admin: Run, api: Api) -> None:
    result = {"code": "4.04", "error": "no such\x1bthing"}
    api.service.end = {"state": "FAILED", "result": result}
    ran = admin("shell", "dev-1", "-c", "read /3/0/9")
    assert ran.code == 1
    assert ran.err == "error: read /3/0/9: 4.04 no such\\x1bthing\n"


def test_a_command_that_still_waits_is_exit_code_3(admin: Run, api: Api) -> None:
    api.service.end = None
    ran = admin("shell", "dev-1", "-c", "read /3", "--wait", "0.1")
    assert ran.code == 3
    assert "operation 1 is pending" in ran.out


def test_a_text_that_cannot_be_understood_is_exit_code_1(admin: Run, api: Api) -> None:
    ran = admin("shell", "dev-1", "-c", "read /3\nfly /3")
    assert ran.code == 1
    assert "fly" in ran.err
    assert api.service.submitted == []


def test_commands_can_be_printed_as_json(admin: Run, api: Api) -> None:
    done(api, values=VALUES)
    (one,) = json.loads(admin("shell", "dev-1", "-c", "read /3/0", "--json").out)
    assert one["operation"]["result"]["values"] == VALUES


def test_an_endpoint_with_a_slash_is_one_device(admin: Run, api: Api) -> None:
    assert admin("shell", "urn:imei:1/2", "-c", "read /3").code == 0
    assert api.service.submitted[0][0] == "urn:imei:1/2"


class Recorder:
    endpoint = "dev-1"

    def __init__(self, interrupt: bool = False) -> None:
        self.ran: list[str] = []
        self.interrupt = interrupt

    def attempt(self, text: str) -> None:
        self.ran.append(text)
        if self.interrupt:
            raise KeyboardInterrupt

    def paths(self) -> list[str]:
        return ["/3", "/3/0", "/3303"]


def typed(session: Recorder, keys: str) -> int:
    with create_pipe_input() as terminal:
        terminal.send_text(keys)
        return converse(session, terminal, DummyOutput())


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("end", ["exit\n", "quit\n", "\x04"])
def test_a_prompt_runs_what_is_typed_until_its_end(end: str) -> None:
    session = Recorder()
    assert typed(session, f"read /3\n  \nwrite /3/0/14 x\n{end}") == 0
    assert session.ran == ["read /3", "write /3/0/14 x"]


def test_an_interrupt_drops_the_line_and_not_the_shell() -> None:
    session = Recorder()
    assert typed(session, "read /3\x03read /4\n\x04") == 0
    assert session.ran == ["read /4"]


def test_an_interrupt_while_waiting_leaves_the_operation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    session = Recorder(interrupt=True)
    assert typed(session, "read /3\n\x04") == 0
    assert "what was taken goes on" in capsys.readouterr().out


def test_what_was_typed_is_remembered_for_its_owner_only(state: Path) -> None:
    typed(Recorder(), "write /3/0/14 +01:00\n\x04")
    file = state / "lwm2m-fast" / "history"
    assert "write /3/0/14 +01:00" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert isinstance(prompt.history(), FileHistory)


def test_a_state_directory_that_cannot_be_used_costs_only_the_history(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (state / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(state / "file"))
    assert isinstance(prompt.history(), InMemoryHistory)
    assert typed(Recorder(), "\x04") == 0


def completions(text: str) -> list[str]:
    completer = CommandCompleter(["/3", "/3/0", "/3303"])
    return [found.text for found in completer.get_completions(Document(text), CompleteEvent())]


def test_commands_are_completed_first_and_paths_after_them() -> None:
    every = set(COMMANDS)
    assert set(completions("")) == every | {"exit", "quit"}
    assert set(completions("ser")) == {"serialization"}
    assert completions("read /3/") == ["/3/0"]
    assert completions("cread /3 /33") == ["/3303"]
    assert completions("write /3/0/14 x") == []
    assert completions("read /3\nser") == ["serialization"]
    assert completions("serialization SENML_C") == ["SENML_CBOR"]
    assert completions("serialization TLV SENML_C") == []


@pytest.mark.parametrize(
    ("value", "text"),
    [("x", "x"), (3, "3"), (True, "true"), ({"hex": "00ff"}, "0x00ff"), ({"0": 1}, '{"0":1}')],
)
def test_a_value_is_shown_as_people_read_it(value: object, text: str) -> None:
    assert value_text(value) == text


def test_an_order_is_one_line() -> None:
    order = {"op": "write", "path": "/3/0/14", "value": "x", "mode": "update"}
    assert order_text(order) == "write /3/0/14 x update"
    assert order_text({"op": "read_composite", "paths": ["/3", "/4"]}) == "read_composite /3 /4"
