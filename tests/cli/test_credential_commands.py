"""Commands about credentials and trust: what they send, what they print, what they hide."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from fake_service import Api
from outcome import Run

from lwm2m_fast.fleet.trust import Trust
from lwm2m_fast.store.memory import MemoryFleet
from lwm2m_fast.vault_file import passing_vault
from tests.certificate_kit import made_certificate
from tests.fleet.profile_samples import EXPORTED

KEY = "73656372657473656372657473656372"


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    return str(file)


def test_a_key_comes_from_a_file(admin: Run, api: Api, key_file: str) -> None:
    done = admin("credentials", "add", "urn:imei:1/2", "--key-file", key_file, "--identity", "id")
    assert (done.code, done.out) == (0, "urn:imei:1/2 may connect (server: PSK id)\n")
    assert api.service.security.admission().psk(b"id") == (bytes.fromhex(KEY), ("urn:imei:1/2",))


def test_a_key_comes_from_standard_input(
    admin: Run, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(KEY + "\n"))
    assert admin("credentials", "add", "dev-1", "--key-file", "-").code == 0
    assert api.service.security.admission().psk(b"dev-1") is not None


def test_without_a_terminal_it_says_where_a_key_could_come_from(
    admin: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    done = admin("credentials", "add", "dev-1")
    assert (done.code, done.out) == (1, "")
    assert "--key-file" in done.err and "--generate" in done.err


def test_a_generated_key_is_printed_alone(admin: Run, api: Api) -> None:
    done = admin("credentials", "add", "dev-1", "--generate")
    assert done.code == 0
    kept = api.service.security.admission().psk(b"dev-1")
    assert kept == (bytes.fromhex(done.out.strip()), ("dev-1",))


def test_a_second_one_needs_replace(admin: Run, api: Api, key_file: str) -> None:
    add = ("credentials", "add", "dev-1", "--key-file", key_file)
    admin(*add)
    again = admin(*add, "--identity", "new")
    assert again.code == 1
    assert "has a credential already (HTTP 409)" in again.err
    assert admin(*add, "--identity", "new", "--replace").code == 0
    assert admin(*add, "--identity", "boot", "--bootstrap", "--replace").code == 0
    security = api.service.security
    assert security.admission().psk(b"new") is not None
    assert security.admission("bootstrap").psk(b"boot") is not None


def test_a_certificate_is_pinned(admin: Run, api: Api, tmp_path: Path) -> None:
    made = made_certificate("any", None)
    file = tmp_path / "device.pem"
    file.write_bytes(made.pem)
    add = ("credentials", "add", "dev-1", "--mode", "x509")
    done = admin(*add, "--certificate", str(file))
    assert done.out == f"dev-1 may connect (server: X509 {made.sha256[:16]})\n"
    assert api.service.security.admission().certificate(made.der, 8)[0] == 0
    assert admin("credentials", "add", "dev-2", "--mode", "x509").out.endswith("(server: X509)\n")
    assert admin("credentials", "add", "dev-3", "--mode", "no-sec").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--generate", "--key-file", "x"),
        ("--certificate", "x"),
        ("--mode", "x509", "--generate"),
        ("--mode", "x509", "--identity", "x"),
        ("--mode", "no-sec", "--key-file", "x"),
        ("--mode", "no-sec", "--certificate", "x"),
        ("--key-file", "nowhere"),
        ("--mode", "x509", "--certificate", "nowhere"),
    ],
)
def test_what_does_not_go_together_is_refused(admin: Run, arguments: tuple[str, ...]) -> None:
    done = admin("credentials", "add", "dev-1", *arguments)
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1


def test_a_wrong_key_is_not_repeated(admin: Run, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "xy")
    done = admin("credentials", "add", "dev-1", "--key-file", str(file))
    assert done.code == 1
    assert "no hex digits" in done.err
    assert KEY[:8] not in done.err


def test_credentials_are_listed_without_keys(admin: Run, api: Api, key_file: str) -> None:
    for name in ("b", "a", "c\x1b[2J"):
        admin("credentials", "add", name, "--key-file", key_file)
    done = admin("credentials", "list")
    assert done.out.endswith("3 credentials\n")
    assert "PSK a" in done.out
    assert KEY[:8] not in done.out
    assert "\x1b" not in done.out
    part = admin("credentials", "list", "--limit", "2")
    assert part.out.endswith("2 credentials; more: --after b\n")
    assert admin("credentials", "list", "--after", "b").out.endswith("1 credentials\n")
    page = json.loads(admin("credentials", "list", "--json").out)
    assert [one["endpoint"] for one in page["credentials"]][:2] == ["a", "b"]
    assert json.loads(admin("credentials", "show", "a").out)["server"]["identity"] == "a"


def test_credentials_are_removed(admin: Run, api: Api, key_file: str) -> None:
    for name in ("a", "b"):
        admin("credentials", "add", name, "--key-file", key_file)
    assert admin("credentials", "remove", "a", "b").code == 0
    assert len(api.service.security.credentials) == 0
    done = admin("credentials", "remove", "a")
    assert (done.code, done.err) == (1, "error: endpoint 'a' has no credential (HTTP 404)\n")


def test_trust_comes_and_goes(admin: Run, api: Api, tmp_path: Path) -> None:
    made = made_certificate("the ca", None, is_authority=True)
    file = tmp_path / "ca.pem"
    file.write_bytes(made.pem)
    assert made.sha256 in admin("trust", "add", str(file)).out
    listed = admin("trust", "list")
    assert "CN=the ca  2020-01-01" in listed.out
    assert listed.out.endswith("1 trust anchors\n")
    assert json.loads(admin("trust", "list", "--json").out)[0]["sha256"] == made.sha256
    assert admin("trust", "remove", made.sha256).out == "removed\n"
    assert len(api.service.security.trust) == 0
    assert admin("trust", "add", str(tmp_path / "nowhere")).code == 1


def test_an_anchor_that_cannot_be_used_is_told_and_removed(
    admin: Run, api: Api, tmp_path: Path
) -> None:
    made = made_certificate("the ca", None, is_authority=True)
    key = b"default\0" + bytes.fromhex(made.sha256)
    api.service.security.trust = Trust(fleet_with(key), passing_vault())
    listed = admin("trust", "list")
    assert (listed.code, listed.out.splitlines()[-1]) == (0, "0 trust anchors")
    assert listed.err.startswith(f"error: {made.sha256} is stored and lets nobody in: ")
    assert admin("trust", "remove", made.sha256).out == "removed\n"
    assert admin("trust", "list").err == ""


def fleet_with(key: bytes) -> MemoryFleet:
    """A store with an anchor's row that nothing has sealed."""
    fleet = MemoryFleet()
    fleet.put("trust", [(key, b"not sealed")])
    return fleet


def test_profiles_come_and_go(admin: Run, api: Api, tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(EXPORTED))
    added = admin("profiles", "add", "Smart meters", str(file))
    assert added.out.startswith("added\nwarning: bootstrapServerUpdateEnable is not set")
    assert admin("profiles", "add", "Smart meters", str(file)).out.startswith("changed\n")
    assert admin("profiles", "list").out == "Smart meters\n"
    assert json.loads(admin("profiles", "list", "--json").out) == ["Smart meters"]
    shown = json.loads(admin("profiles", "show", "Smart meters").out)
    assert shown["bootstrap"][1]["host"] == "localhost"
    file.write_text('{"bootstrap": [{}]}')
    refused = admin("profiles", "add", "other", str(file))
    assert refused.code == 1 and "bootstrap.0.host is missing" in refused.err
    assert admin("profiles", "remove", "Smart meters").out == "removed\n"
    assert api.service.provisioning.profiles("default") == []
    assert "HTTP 404" in admin("profiles", "show", "Smart meters").err
