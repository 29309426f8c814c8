"""`lwm2m-fast devices show`: what is known of one device, registered or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_service import Api
from outcome import Run

from lwm2m_fast.cli.device_page import HINTS, WIDEST, page

ROOT = Path(__file__).parent.parent.parent

HEADER = "endpoint id;securityMode;lwm2m psk_id;lwm2m psk_key;bootstrapSecurityMode;"
FAILED = {
    "state": "failed",
    "at": 1_700_000_000.0,
    "reason": "FINISH /bs was refused with 4.00",
    "steps": [
        {"step": "DISCOVER /", "result": "2.05"},
        {"step": "WRITE /0/1", "result": "4.05"},
        {"step": "FINISH /bs", "result": "4.00"},
    ],
}


def configure(admin: Run, tmp_path: Path, name: str) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(f"{HEADER}lwm2m server uri\n{name};PSK;i-{name};0badc0de;NO_SEC;coaps://h\n")
    assert admin("devices", "import", str(file), "--quiet").code == 0


def test_a_device_that_never_came_is_shown_with_its_configuration(
    admin: Run, tmp_path: Path
) -> None:
    configure(admin, tmp_path, "new")
    done = admin("devices", "show", "new")
    assert done.code == 0
    assert "registered       no" in done.out
    assert "serverSecurity.pskId " in done.out
    assert "i-new" in done.out
    assert "0badc0de" not in done.out
    assert done.out.endswith("bootstrap\n  none yet\n")


def test_a_failed_bootstrap_is_shown_with_its_reason_and_steps(
    admin: Run, api: Api, tmp_path: Path
) -> None:
    configure(admin, tmp_path, "stuck")
    api.service.provisioned.outcomes["stuck"] = FAILED
    lines = admin("devices", "show", "stuck").out.splitlines()
    told = lines[lines.index("bootstrap") + 1 :]
    assert told[0].startswith("  failed at 2023-11-1")
    assert [line.split(maxsplit=1) for line in told[1:]] == [
        ["reason", "FINISH /bs was refused with 4.00"],
        ["hint", dict(HINTS)["was refused with 4.00"]],
        ["step", "DISCOVER /       2.05"],
        ["step", "WRITE /0/1       4.05"],
        ["step", "FINISH /bs       4.00"],
    ]


def test_a_registered_and_configured_device_is_shown_whole(
    admin: Run, api: Api, tmp_path: Path
) -> None:
    configure(admin, tmp_path, "dev-1")
    api.service.provisioned.outcomes["dev-1"] = FAILED
    done = admin("devices", "show", "dev-1")
    assert "registered       yes" in done.out
    assert "lwm2m_version    1.1" in done.out
    shown = json.loads(admin("devices", "show", "dev-1", "--json").out)
    assert (shown["endpoint"], shown["registered"]) == ("dev-1", True)
    assert shown["configuration"]["bootstrap"] == FAILED


def test_json_of_a_device_that_is_only_configured(admin: Run, tmp_path: Path) -> None:
    configure(admin, tmp_path, "new")
    shown = json.loads(admin("devices", "show", "new", "--json").out)
    assert (shown["endpoint"], shown["registered"]) == ("new", False)
    assert shown["configuration"]["serverSecurity"]["pskKey"] == "********"


def test_json_of_a_device_without_configuration(admin: Run) -> None:
    shown = json.loads(admin("devices", "show", "dev-1", "--json").out)
    assert (shown["registered"], shown["configuration"]) == (True, None)


def test_a_device_that_nobody_knows_is_one_clear_line(admin: Run) -> None:
    done = admin("devices", "show", "stranger\x1b[2J")
    assert done.code == 1
    assert done.err == (
        "error: no device is registered or configured as stranger\\x1b[2J (HTTP 404); what an "
        "unknown one tried is in the log and among the events\n"
    )


def test_another_refusal_than_404_is_told_as_it_is(
    admin: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LWM2M_FAST_TOKEN", "wrong")
    assert "HTTP 401" in admin("devices", "show", "dev-1").err


def test_a_device_that_may_not_bootstrap_is_told_so() -> None:
    configured: dict[str, Any] = {"serverSecurity": {"securityMode": "NO_SEC"}, "bootstrap": None}
    assert list(page("d", None, configured))[-1] == (
        "  none: bootstrapSecurity is not configured, so the device would be refused"
    )


def test_a_long_value_is_cut_short() -> None:
    configured = {"fwUpdateURL": "x" * 5000, "bootstrap": None}
    (line,) = (line for line in page("d", None, configured) if "fwUpdateURL" in line)
    assert line.endswith("x" * WIDEST + " ...")
    assert len(line) < 250


@pytest.mark.parametrize("part", [part for part, _ in HINTS])
def test_a_hint_is_for_a_reason_that_is_given_and_explained(part: str) -> None:
    explained = (ROOT / "docs" / "bootstrap.md").read_text("utf-8")
    assert part.removeprefix("was refused with ") in explained
    sources = [*(ROOT / "lwm2m_fast" / "bootstrap").glob("*.py")]
    sources.append(ROOT / "lwm2m_fast" / "core" / "bootstrap.py")
    given = " ".join(path.read_text("utf-8") for path in sources)
    assert part.rstrip("0123456789.") in given
