"""Presets and the variables of other servers: what they set, and who wins over whom (C1 to C4)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from lwm2m_fast.aliases import ALIASES, UNUSED, taken
from lwm2m_fast.config import Config, settings
from lwm2m_fast.errors import ConfigError
from lwm2m_fast.presets import PRESETS
from lwm2m_fast.sources import load


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if "LWM2M_" in name:
            monkeypatch.delenv(name)


def ports(config: Config) -> tuple[int, ...]:
    return (config.bootstrap.port, config.bootstrap.dtls_port, config.coap.port, config.dtls.port)


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("cumulocity", (5683, 5684, 5783, 5784)),
        ("thingsboard", (5687, 5688, 5685, 5686)),
        ("thingsboard-psk", (5691, 5692, 5685, 5686)),
        ("thingsboard-x509", (5695, 5696, 5689, 5690)),
    ],
)
def test_a_preset_has_its_ports_and_opens_the_bootstrap_server(
    preset: str, expected: tuple[int, ...]
) -> None:
    config = load(None, {"preset": preset})
    assert ports(config) == expected
    assert config.bootstrap.enabled is True


def test_the_legacy_preset_opens_two_pairs_of_each_server_and_says_what_is_missing() -> None:
    notes: list[str] = []
    config = load(None, {"preset": "thingsboard-legacy"}, notes)
    assert ports(config) == (5691, 5692, 5685, 5686)
    more = (config.bootstrap.more_ports, config.bootstrap.more_dtls_ports)
    assert more == ("5695", "5696")
    assert (config.coap.more_ports, config.dtls.more_ports) == ("5689", "5690")
    (note,) = notes
    assert "raw public keys (5687, 5688, 5693, 5694) are not opened" in note


def test_presets_differ_in_times_and_lengths() -> None:
    cumulocity, thingsboard = (
        load(None, {"preset": name}) for name in ("cumulocity", "thingsboard")
    )
    shown = [
        (
            config.bootstrap.default_lifetime_s,
            config.bootstrap.default_short_server_id,
            config.queue.request_timeout_s,
            config.queue.awake_time_ms,
            config.dtls.cid_length,
        )
        for config in (cumulocity, thingsboard)
    ]
    assert shown == [(432_000, 1, 180.0, 0, 3), (300, 123, 120.0, 10_000, 8)]
    queue = cumulocity.queue
    assert (queue.min_request_timeout_s, queue.max_request_timeout_s) == (10.0, 600.0)
    assert (queue.post_registration_pending, cumulocity.registration.grace_s) == (10, 14_400.0)
    assert thingsboard.dtls.retransmit_first_s == 9.0


def test_file_environment_and_flags_win_over_a_preset_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "server.yaml"
    file.write_text("preset: thingsboard\ncoap: {port: 1}\ndtls: {port: 1}\nbootstrap: {port: 1}\n")
    monkeypatch.setenv("LWM2M_FAST_DTLS__PORT", "2")
    monkeypatch.setenv("LWM2M_FAST_BOOTSTRAP__PORT", "2")
    assert ports(load(file, {"bootstrap": {"port": 3}})) == (3, 5688, 1, 2)


def test_a_preset_comes_from_every_source_and_flags_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "server.toml"
    file.write_text('preset = "thingsboard"\n')
    assert load(file).coap.port == 5685
    monkeypatch.setenv("LWM2M_FAST_PRESET", "thingsboard-x509")
    assert load(file).coap.port == 5689
    assert load(file, {"preset": "cumulocity"}).coap.port == 5783


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"preset": "leshan"})
    assert str(caught.value) == (
        "preset (from the command line): 'leshan' is not allowed; it must be one of "
        + ", ".join(PRESETS)
    )


def test_a_preset_has_no_setting_that_does_not_exist_and_none_that_is_refused() -> None:
    known = {setting.path for setting in settings()}
    for name, preset in PRESETS.items():
        paths = {f"{section}.{own}" for section, part in preset.values.items() for own in part}
        assert paths <= known
        assert load(None, {"preset": name}).preset == name


def value(config: Config, path: str) -> Any:
    found: Any = config
    for part in path.split("."):
        found = getattr(found, part)
    return found


SAMPLES = {
    "enabled": ("false", False),
    "host": ("192.0.2.7", "192.0.2.7"),
    "port": ("4711", 4711),
    "more_ports": ("5689", "5689"),
    "more_dtls_ports": ("5696", "5696"),
    "dtls_port": ("4712", 4712),
    "default_short_server_id": ("77", 77),
    "certificate": ("/tmp/a.pem", Path("/tmp/a.pem")),
    "key": ("/tmp/k.pem", Path("/tmp/k.pem")),
    "anchors": ("/tmp/b.pem", Path("/tmp/b.pem")),
    "check_validity": ("true", False),
    "retransmit_first_s": ("4500", 4.5),
    "cid_length": ("4", 4),
    "request_timeout_s": ("30000", 30.0),
    "awake_time_ms": ("12345", 12345),
}


@pytest.mark.parametrize("alias", ALIASES, ids=lambda alias: alias.variable)
def test_each_variable_of_another_server_sets_what_its_row_says(
    alias: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for switch, wanted in alias.only_if:
        monkeypatch.setenv(switch, wanted.lstrip("?"))
    if alias.path == "dtls.key_password":
        monkeypatch.setenv(alias.variable, "hush")
        password = load().dtls.key_password
        assert password is not None
        assert password.get_secret_value() == "hush"
        return
    text, expected = SAMPLES[alias.path.rpartition(".")[2]]
    monkeypatch.setenv(alias.variable, text)
    notes: list[str] = []
    assert value(load(notes=notes), alias.path) == expected
    assert notes == []


def test_an_empty_connection_id_length_switches_it_off_and_other_empty_ones_say_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LWM2M_DTLS_CONNECTION_ID_LENGTH", "")
    monkeypatch.setenv("LWM2M_BIND_PORT", "")
    config = load()
    assert (config.dtls.cid_length, config.coap.port) == (-1, 5783)


def test_variables_of_others_win_over_file_and_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "server.yaml"
    file.write_text("preset: thingsboard\ncoap: {port: 1}\n")
    monkeypatch.setenv("LWM2M_BIND_PORT", "4711")
    monkeypatch.setenv("LWM2M_SECURITY_BIND_PORT", "4712")
    assert ports(load(file)) == (5687, 5688, 4711, 4712)


def test_a_yaml_file_with_variables_and_defaults_is_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "server.yml"
    file.write_text(
        "coap: {port: '${FLEET_PORT:5685}'}\n"
        "dtls:\n  port: ${FLEET_SECURE_PORT:5686}\n  enabled: ${FLEET_SECURE:true}\n"
        "bootstrap:\n  enabled: ${FLEET_BOOTSTRAP:true}\n"
    )
    monkeypatch.setenv("FLEET_SECURE_PORT", "4712")
    config = load(file)
    assert (config.coap.port, config.dtls.port) == (5685, 4712)
    assert (config.dtls.enabled, config.bootstrap.enabled) == (True, True)


def test_ours_wins_over_that_of_another_server_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LWM2M_BIND_PORT", "4711")
    monkeypatch.setenv("LWM2M_SECURITY_BIND_PORT", "4712")
    monkeypatch.setenv("LWM2M_FAST_COAP__PORT", "1")
    notes: list[str] = []
    config = load(None, {"dtls": {"port": 2}}, notes)
    assert (config.coap.port, config.dtls.port) == (1, 2)
    assert notes == [
        "LWM2M_BIND_PORT is not used: coap.port is set by LWM2M_FAST_COAP__PORT",
        "LWM2M_SECURITY_BIND_PORT is not used: dtls.port is set by the command line",
    ]


def test_two_that_say_the_same_are_no_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM2M_BIND_PORT", "4711")
    monkeypatch.setenv("LWM2M_BIND_PORT_NO_SEC", "4711")
    monkeypatch.setenv("LWM2M_FAST_COAP__PORT", "4711")
    monkeypatch.setenv("LWM2M_TIMEOUT", "30000")
    monkeypatch.setenv("LWM2M_FAST_QUEUE__REQUEST_TIMEOUT_S", "30")
    notes: list[str] = []
    config = load(notes=notes)
    assert (config.coap.port, config.queue.request_timeout_s) == (4711, 30.0)
    assert notes == []


def test_a_certificate_that_is_switched_off_is_not_taken() -> None:
    given = {"LWM2M_SERVER_PEM_CERT": "a.pem", "LWM2M_SERVER_CREDENTIALS_ENABLED": "false"}
    made = taken(given)
    assert made.values == {}
    assert made.notes == [
        "LWM2M_SERVER_PEM_CERT is not used: LWM2M_SERVER_CREDENTIALS_ENABLED is not 'true'"
    ]
    assert taken({"LWM2M_SERVER_PEM_CERT": "a.pem"}).values == {"dtls": {"certificate": "a.pem"}}


def test_the_current_name_wins_over_an_older_one() -> None:
    made = taken({"LWM2M_BIND_PORT_NO_SEC": "1", "LWM2M_BIND_PORT": "2"})
    assert made.values == {"coap": {"port": "2"}}
    assert made.notes == [
        "LWM2M_BIND_PORT_NO_SEC is not used: LWM2M_BIND_PORT says otherwise and wins, both set "
        "coap.port"
    ]


def test_what_sets_nothing_is_told_once_and_never_with_its_value() -> None:
    made = taken(
        {
            "LWM2M_SERVER_PRIVATE_S": "hush",
            "LWM2M_SOMETHING": "hush",
            "LWM2M_OTHER": "hush",
            "LWM2M_FAST_TOKEN": "hush",
            "LWM2M_SERVER_KEY_STORE": "hush.jks",
            "PATH": "hush",
        }
    )
    assert made.values == {}
    assert made.notes == [
        "LWM2M_SERVER_KEY_STORE is not used: LWM2M_SERVER_CREDENTIALS_TYPE is not 'KEYSTORE'",
        f"LWM2M_SERVER_PRIVATE_S is not used: {UNUSED['LWM2M_SERVER_PRIVATE_S']}",
        "LWM2M_OTHER, LWM2M_SOMETHING: no setting has such a name, so nothing is set by it",
    ]


def test_no_name_is_in_both_tables_and_each_row_sets_a_setting() -> None:
    known = {setting.path for setting in settings()}
    assert {alias.path for alias in ALIASES} <= known
    variables = [alias.variable for alias in ALIASES]
    assert len(set(variables)) == len(variables)
    assert not set(variables) & UNUSED.keys()


def test_a_value_of_another_server_that_is_refused_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LWM2M_TIMEOUT", "soon")
    with pytest.raises(ConfigError) as caught:
        load()
    assert str(caught.value).startswith("queue.request_timeout_s (from LWM2M_TIMEOUT): 'soon'")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"request_timeout_s": 601},
            "queue.request_timeout_s is 601, more than queue.max_request_timeout_s, 600",
        ),
        (
            {"request_timeout_s": 5, "min_request_timeout_s": 10},
            "queue.request_timeout_s is 5, less than queue.min_request_timeout_s, 10",
        ),
    ],
)
def test_a_default_beyond_the_bounds_of_what_may_be_asked_for_stops_the_start(
    given: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"queue": given})
    assert str(caught.value) == line
