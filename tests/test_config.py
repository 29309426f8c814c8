"""Configuration: who wins, what is refused, and that the documents say what the code does."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from lwm2m_fast.cli import config_page
from lwm2m_fast.config import ENV_PREFIX, CoapConfig, Config, Setting, sections, settings
from lwm2m_fast.errors import ConfigError
from lwm2m_fast.sources import MAX_FILE_BYTES, load

PAGE = Path(__file__).parent.parent / "docs" / "config.md"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(ENV_PREFIX) or "LWM2M_" in name:
            monkeypatch.delenv(name)


def toml(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "server.toml"
    file.write_text(text, "utf-8")
    return file


def refusal(file: Path | None = None, flags: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(file, flags)
    return str(caught.value).splitlines()


def test_without_any_source_the_defaults_hold() -> None:
    assert load() == Config()
    assert Config().coap.port == 5783
    assert Config().http.host == "127.0.0.1"


def test_flags_win_over_environment_over_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = toml(tmp_path, "[coap]\nport = 1\nnstart = 1\nblock_size = 64\n")
    monkeypatch.setenv("LWM2M_FAST_COAP__PORT", "2")
    monkeypatch.setenv("LWM2M_FAST_COAP__NSTART", "2")
    coap = load(file, {"coap": {"port": 3}}).coap
    assert (coap.port, coap.nstart, coap.block_size) == (3, 2, 64)
    assert coap.max_retransmit == CoapConfig().max_retransmit


def test_the_defaults_alone_do_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM2M_FAST_COAP__PORT", "2")
    assert Config().coap.port == 5783


def test_an_empty_variable_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM2M_FAST_HTTP__ADMIN_TOKEN", "")
    monkeypatch.setenv("LWM2M_FAST_SHARD", "")
    assert load() == Config()


def test_a_top_level_setting_is_read_from_every_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = toml(tmp_path, "shard = 1\n")
    assert load(file).shard == 1
    monkeypatch.setenv("LWM2M_FAST_SHARD", "2")
    assert load(file).shard == 2
    assert load(file, {"shard": 3}).shard == 3


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".YAML"])
def test_a_yaml_file_says_the_same_as_toml(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"server{suffix}"
    file.write_text("coap:\n  port: 7\nlog: {device_events: true}\n", "utf-8")
    config = load(file)
    assert (config.coap.port, config.log.device_events) == (7, True)


@pytest.mark.parametrize("suffix", [".toml", ".yaml"])
def test_an_empty_file_changes_nothing(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"server{suffix}"
    file.write_text("", "utf-8")
    assert load(file) == Config()


def test_variables_are_put_in_and_then_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "9")
    monkeypatch.setenv("BASE", "/srv")
    text = """
    [coap]
    port = "${PORT}"
    nstart = "${NSTART_UNSET:3}"
    grace = "x"
    [store]
    data_dir = "${BASE}/${SUB_UNSET:lwm2m}$${kept}"
    [log]
    device_events = "${EVENTS_UNSET:true}"
    """.replace('    grace = "x"\n', "")
    config = load(toml(tmp_path, text))
    assert (config.coap.port, config.coap.nstart) == (9, 3)
    assert config.store.data_dir == Path("/srv/lwm2m${kept}")
    assert config.log.device_events is True


def test_a_variable_without_value_or_default_is_named(tmp_path: Path) -> None:
    file = toml(tmp_path, '[coap]\nhost = "${NOT_SET_ANYWHERE}"\n')
    (line,) = refusal(file)
    assert line.startswith(f"{file}: coap.host: ${{NOT_SET_ANYWHERE}} is not in the environment")


def test_every_problem_has_its_line_with_place_value_and_what_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = toml(tmp_path, '[registration]\npolicy = "closed"\n')
    monkeypatch.setenv("LWM2M_FAST_HTTP__PORT", "99999")
    assert sorted(refusal(file, {"coap": {"block_size": 48}})) == [
        "coap.block_size (from the command line): 48 is not allowed; it must be one of "
        "16, 32, 64, 128, 256, 512, 1024",
        "http.port (from LWM2M_FAST_HTTP__PORT): '99999' is not allowed; it must be a whole "
        "number from 0 to 65535",
        f"registration.policy (from {file}): 'closed' is not allowed; it must be one of "
        "provisioned, open",
    ]


def test_an_unknown_name_is_refused_with_the_nearest_known_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = toml(tmp_path, "[coap]\nprot = 1\n[stroe]\nkind = 'lmdb'\n[log]\nadmin_token = 'x'\n")
    monkeypatch.setenv("LWM2M_FAST_HTTP__PROT", "1")
    lines = "\n".join(refusal(file))
    assert f"coap.prot (from {file}): there is no such setting; did you mean coap.port?" in lines
    assert "http.prot (from LWM2M_FAST_HTTP__PROT)" in lines
    assert "did you mean http.port?" in lines
    assert "did you mean store?" in lines
    assert "did you mean http.admin_token?" in lines


def test_a_variable_of_an_unknown_section_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM2M_FAST_COPA__PORT", "1")
    (line,) = refusal()
    assert "LWM2M_FAST_COPA__PORT" in line
    assert f"there are {', '.join(sections())}" in line


def test_a_section_that_is_a_value_is_refused_even_where_another_source_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LWM2M_FAST_COAP__PORT", "1")
    file = toml(tmp_path, "coap = 5\n")
    assert refusal(file) == [f"coap (from {file}): must be a section with settings"]


@pytest.mark.parametrize(
    "text", ["admin_token = ''", f"admin_token = '{'hush' * 65}'", "admin_token = ['hush']"]
)
def test_a_refused_secret_is_not_shown(tmp_path: Path, text: str) -> None:
    (line,) = refusal(toml(tmp_path, f"[http]\n{text}\n"))
    assert line.startswith("http.admin_token")
    assert "text of 1 to 256 characters" in line
    assert "hush" not in line


@pytest.mark.parametrize("suffix", [".toml", ".yaml"])
def test_a_syntax_error_does_not_show_the_line_it_is_in(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"server{suffix}"
    file.write_text("http: {admin_token = hush, : ]\n", "utf-8")
    (line,) = refusal(file)
    assert "line 1" in line
    assert "hush" not in line


def test_a_misspelt_secret_is_not_shown(tmp_path: Path) -> None:
    (line,) = refusal(toml(tmp_path, "[http]\nadmin_tokn = 'hush'\n"))
    assert "hush" not in line


def test_a_secret_is_not_in_the_text_of_a_configuration() -> None:
    config = load(None, {"http": {"admin_token": "hush"}})
    assert config.http.admin_token == SecretStr("hush")
    assert "hush" not in repr(config) + config_page.file(config, explained=False)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("server.json", "{}", "ends in .toml, .yaml or .yml"),
        ("server.toml", "coap = }", "line 1"),
        ("server.yaml", "coap: [", "line 1"),
        ("server.yaml", "- 1", "must hold sections, not list"),
        ("server.toml", "#" * (MAX_FILE_BYTES + 1), "larger than"),
    ],
)
def test_a_file_that_is_none_is_refused_by_name(
    tmp_path: Path, name: str, text: str, what: str
) -> None:
    file = tmp_path / name
    file.write_text(text, "utf-8")
    (line,) = refusal(file)
    assert line.startswith(str(file))
    assert what in line


def test_a_file_of_the_greatest_size_is_read(tmp_path: Path) -> None:
    assert load(toml(tmp_path, "#" * MAX_FILE_BYTES)) == Config()


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml") == [
        f"{tmp_path}/none.toml: cannot be read: No such file or directory"
    ]


def test_a_yaml_file_makes_no_python_objects(tmp_path: Path) -> None:
    file = tmp_path / "server.yaml"
    file.write_text("coap: !!python/object/apply:os.getcwd []\n", "utf-8")
    (line,) = refusal(file)
    assert "could not determine a constructor" in line


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Config().coap.port = 1  # type: ignore[misc]


def bounded() -> list[tuple[Setting, str, float]]:
    return [
        (setting, side, getattr(mark, side))
        for setting in settings()
        for mark in setting.info.metadata
        for side in ("ge", "le")
        if hasattr(mark, side)
    ]


@pytest.mark.parametrize(
    ("setting", "side", "bound"), bounded(), ids=lambda x: getattr(x, "path", str(x))
)
def test_every_bound_is_allowed_and_one_past_it_refused(
    setting: Setting, side: str, bound: float
) -> None:
    # The timeouts must be in order, too: the two beside a bound go out of its way.
    timeouts = {"min_request_timeout_s": 0.1, "request_timeout_s": 3600.0}
    timeouts["max_request_timeout_s"] = 3600.0
    if setting.path in ("queue.request_timeout_s", "queue.max_request_timeout_s"):
        timeouts["request_timeout_s"] = 1.0

    def flags(value: float) -> dict[str, Any]:
        if setting.path.endswith("request_timeout_s") and setting.section == "queue":
            return {"queue": {**timeouts, setting.name: value}}
        return (
            {setting.section: {setting.name: value}} if setting.section else {setting.name: value}
        )

    if setting.name != "block_size":
        load(None, flags(bound))
    step = 1 if isinstance(bound, int) else 0.001
    (line,) = refusal(None, flags(bound + step if side == "le" else bound - step))
    assert line.startswith(setting.path)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_number_that_is_none_is_refused(value: str) -> None:
    (line,) = refusal(None, {"registration": {"grace_s": value}})
    assert line.startswith("registration.grace_s")


def test_every_number_has_bounds_and_every_setting_a_reason() -> None:
    with_bounds = {(setting.path, side) for setting, side, _ in bounded()}
    for setting in settings():
        assert setting.info.description, setting.path
        if setting.info.annotation in (int, float) and setting.name != "block_size":
            assert {(setting.path, "ge"), (setting.path, "le")} <= with_bounds


def test_a_number_names_its_unit() -> None:
    seconds = [s for s in settings() if s.info.annotation is float and "factor" not in s.name]
    assert all(setting.name.endswith("_s") for setting in seconds)
    sizes = [s for s in settings() if re.search("buffer|body|journal", s.name)]
    assert all(setting.name.endswith("_bytes") for setting in sizes)


@pytest.mark.parametrize("explained", [True, False])
def test_a_printed_file_loads_as_what_it_was_printed_from(tmp_path: Path, explained: bool) -> None:
    config = load(None, {"coap": {"host": 'odd " ${name} \\ ä'}, "log": {"device_events": True}})
    file = toml(tmp_path, config_page.file(config, explained))
    assert load(file) == config


def test_the_configuration_page_is_in_step_with_the_code() -> None:
    assert PAGE.read_text("utf-8") == config_page.page(), (
        "run: lwm2m-fast config --page > docs/config.md"
    )
