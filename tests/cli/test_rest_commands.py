"""Commands about a running server: what they ask, what they print, how they fail."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from fake_service import Answer, Api
from outcome import Run

from lwm2m_fast.cli.devices import BULK_BYTES, BULK_NAMES, batches
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import QueueFull
from lwm2m_fast.rest.limits import MAX_BODY_BYTES


def test_devices_are_listed_in_a_table(admin: Run) -> None:
    done = admin("devices")
    assert done.code == 0
    assert "urn:imei:1/2  192.0.2.1:40000" in done.out
    assert done.out.endswith("3 devices\n")


def test_what_a_device_is_called_does_not_steer_the_terminal(admin: Run) -> None:
    for arguments in (("devices",), ("devices", "show", "evil\x1b[2J")):
        done = admin(*arguments)
        assert done.code == 0
        assert "evil\\x1b[2J" in done.out
        assert "\x1b" not in done.out


def test_a_list_ends_at_its_limit_and_says_how_to_go_on(admin: Run) -> None:
    assert admin("devices", "--limit", "2").out.endswith("2 devices; more: --cursor 2\n")
    assert admin("devices", "--limit", "2", "--cursor", "2").out.endswith("1 devices\n")


def test_a_list_asks_on_while_pages_are_short(
    admin: Run, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {0: ([], 5), 5: ([api.service.registered["dev-1"]], 9), 9: ([], None)}
    monkeypatch.setattr(api.service, "devices", lambda cursor, limit, contains: pages[cursor])
    assert admin("devices").out.endswith("1 devices\n")


def test_a_list_can_be_narrowed_and_printed_as_json(admin: Run) -> None:
    done = admin("devices", "--contains", "imei", "--json")
    page = json.loads(done.out)
    assert [one["endpoint"] for one in page["devices"]] == ["urn:imei:1/2"]
    assert page["next_cursor"] is None


def test_one_device_is_shown_and_removed(admin: Run, api: Api) -> None:
    assert "lwm2m_version    1.1" in admin("devices", "show", "urn:imei:1/2").out
    assert json.loads(admin("devices", "show", "dev-1", "--json").out)["endpoint"] == "dev-1"
    assert admin("devices", "remove", "urn:imei:1/2").code == 0
    assert "urn:imei:1/2" not in api.service.registered


def test_names_are_allowed_from_arguments_and_a_file(admin: Run, api: Api, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("c\n\n  d/é \n", "utf-8")
    done = admin("devices", "allow", "a", "b", "--file", str(names))
    assert (done.code, done.out) == (0, "4 added, 0 were listed already\n")
    assert api.service.on_list == {"a", "b", "c", "d/é"}
    assert admin("devices", "allow", "a").out == "0 added, 1 were listed already\n"
    assert admin("devices", "allowed").out == "a\nb\nc\nd/é\n"
    assert admin("devices", "disallow", "d/é", "c").code == 0
    assert api.service.on_list == {"a", "b"}


def test_more_names_than_one_request_takes_are_sent_in_parts(
    admin: Run, api: Api, tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"n{i}" for i in range(BULK_NAMES + 1)), "utf-8")
    assert admin("devices", "allow", "--file", str(names)).out.startswith(f"{BULK_NAMES + 1} added")
    assert api.counters["http_requests"] == 2


def test_a_part_never_becomes_a_body_over_the_limit() -> None:
    names = ["\x01" * 255] * 2000
    parts = list(batches(names))
    assert [name for part in parts for name in part] == names
    for part in parts:
        assert len(json.dumps({"endpoints": part})) <= BULK_BYTES + 2000 < MAX_BODY_BYTES


@pytest.mark.parametrize(
    "arguments", [("devices", "allow"), ("devices", "allow", "--file", "/nowhere/names")]
)
def test_nothing_to_allow_is_one_clear_line(admin: Run, arguments: tuple[str, ...]) -> None:
    done = admin(*arguments)
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1


def test_a_text_value_is_printed_as_it_is(admin: Run, api: Api) -> None:
    assert admin("read", "urn:imei:1/2", "/3/0/0").out == "Open Mobile Alliance\n"
    order = Order("read", path="/3/0/0")
    assert api.service.performed == [("urn:imei:1/2", order, 30.0)]


def test_what_is_no_value_is_printed_with_its_content_format(admin: Run, api: Api) -> None:
    api.service.answer = Answer(69, 11542, b"\xc8\x00\x05")  # five bytes are promised
    assert admin("read", "dev-1", "3/0").out == "content format 11542: c80005\n"
    assert json.loads(admin("read", "dev-1", "3/0", "--json").out)["payload_hex"] == "c80005"


def test_several_values_are_printed_in_a_table(admin: Run, api: Api) -> None:
    api.service.answer = Answer(69, 110, b'[{"bn":"/3/0/","n":"0","vs":"ACME"},{"n":"9","v":87}]')
    out = admin("read", "dev-1", "/3/0").out
    assert "/3/0/0  ACME" in out
    assert "/3/0/9  87" in out


def test_a_hostile_value_does_not_steer_the_terminal(admin: Run, api: Api) -> None:
    api.service.answer = Answer(69, 0, b"\x1b[2J")
    assert admin("read", "dev-1", "/3/0/0").out == "\\x1b[2J\n"


def test_raw_bytes_are_written_as_they_are(admin: Run, api: Api) -> None:
    api.service.answer = Answer(69, 42, b"\x01\x02")
    assert admin("read", "dev-1", "/3/0/0", "--raw").out == "\x01\x02"


def test_timeout_and_accept_are_passed_on(admin: Run, api: Api) -> None:
    admin("read", "dev-1", "/3", "--accept", "110", "--timeout", "2.5")
    assert api.service.performed == [("dev-1", Order("read", path="/3", format=110), 2.5)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("read", "nobody", "/3"), "no device is registered as 'nobody' (HTTP 404)"),
        (("read", "dev-1", "/x"), "the path 'x' is not object"),
        (("devices", "show", "nobody"), "no device is registered"),
        (("devices", "disallow", "nobody"), "'nobody' is not on the list"),
        (("tokens", "remove", "nobody"), "there is no token called 'nobody'"),
        (("tokens", "remove", "the-admin"), "last admin token"),
        (("devices", "--token", "wrong"), "the bearer token is not known (HTTP 401); give a token"),
        (("devices", "--token", "wörng"), "cannot be used"),
        (
            ("devices", "remove", "dev-1", "--token", "secret-of-read"),
            "operate is needed (HTTP 403)",
        ),
    ],
)
def test_a_refusal_is_one_line_and_exit_code_1(
    admin: Run, arguments: tuple[str, ...], said: str
) -> None:
    done = admin(*arguments)
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_busy_device_is_told_as_the_server_says_it(admin: Run, api: Api) -> None:
    api.service.answer = QueueFull("'dev-1'", 16)
    assert "'dev-1' already has 16 requests waiting (HTTP 429)" in admin("read", "dev-1", "/3").err


@pytest.mark.parametrize(
    "arguments",
    [
        ("read", "dev-1"),
        ("devices", "--limit", "0"),
        ("devices", "--limit", "x"),
        ("read", "dev-1", "/3", "--timeout", "0.01"),
        ("tokens", "add", "x", "--role", "root"),
        ("nothing",),
        ("serve", "--policy", "closed"),
    ],
)
def test_what_cannot_be_understood_is_exit_code_2(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert "Traceback" not in done.err


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "nonsense", "http://[::1", "ftp://x"])
def test_a_server_that_is_not_there_is_one_line(run: Run, url: str) -> None:
    with socket.socket() as taken:  # bound but not listening: nobody else can have the port
        taken.bind(("127.0.0.1", 0))
        done = run("devices", "--url", url.format(port=taken.getsockname()[1]))
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1


def test_tokens_are_made_listed_and_taken_back(admin: Run, api: Api) -> None:
    made = admin("tokens", "add", "dash/board", "--role", "operate")
    assert made.code == 0
    found = api.tokens.find(made.out.strip())
    assert found is not None
    assert found.name == "dash/board"
    assert "dash/board   operate  default" in admin("tokens", "list").out
    theirs = admin("tokens", "add", "theirs", "--role", "admin", "--tenant", "acme")
    found = api.tokens.find(theirs.out.strip())
    assert found is not None
    assert found.tenant == "acme"
    assert made.out.strip() not in admin("tokens", "list", "--json").out
    assert admin("tokens", "remove", "dash/board").code == 0
    assert api.tokens.find(made.out.strip()) is None
