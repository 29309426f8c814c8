"""Commands that need no server, and the table of commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from outcome import Run

from lwm2m_fast import __version__
from lwm2m_fast.cli import COMMANDS, config_page, shell_page
from lwm2m_fast.config import Config
from lwm2m_fast.core import shell


def test_help_names_every_command(run: Run) -> None:
    done = run("--help")
    assert done.code == 0
    assert all(name in done.out for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(run: Run, name: str) -> None:
    assert run(name, "--help").code == 0


def test_version_prints_the_version_and_the_librarys(run: Run) -> None:
    own, library = run("version").out.splitlines()
    assert own.startswith(f"lwm2m-fast {__version__} ")
    assert re.match(
        r"(Mbed TLS|mbed TLS) 3\.\d+\.\d+ \(.*\): connection id, keys of \d+ bytes", library
    )


def test_config_prints_what_is_in_effect(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "server.toml"
    file.write_text("[coap]\nport = 7\n[http]\nadmin_token = 'hush'\n", "utf-8")
    monkeypatch.setenv("LWM2M_FAST_COAP__NSTART", "2")
    done = run("config", "--config", str(file))
    assert "port = 7\n" in done.out
    assert "nstart = 2\n" in done.out
    assert '# admin_token = "(set, not shown)"\n' in done.out
    assert "hush" not in done.out


def test_config_docs_prints_the_explained_default_file(run: Run) -> None:
    assert run("config", "--docs").out == config_page.file(Config(), explained=True)


def test_config_page_prints_the_configuration_page(run: Run) -> None:
    assert run("config", "--page").out == config_page.page()


def test_the_shell_page_is_printed_from_its_table_and_current(run: Run) -> None:
    printed = run("shell", "--page").out
    assert printed == shell_page.page()
    assert all(f"| `{name} " in printed for name in shell.COMMANDS)
    page = Path(__file__).parents[2] / "docs" / "shell.md"
    assert page.read_text("utf-8") == printed, "run: lwm2m-fast shell --page > docs/shell.md"


def test_a_bad_configuration_is_a_line_for_each_problem_and_exit_code_2(
    run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "server.toml"
    file.write_text("[coap]\nport = -1\nprot = 2\n", "utf-8")
    for command in ("config", "serve"):
        done = run(command, "--config", str(file))
        assert done.code == 2
        assert done.out == ""
        first, second = done.err.splitlines()
        assert first.startswith("error: coap.port ")
        assert second.startswith("error: coap.prot ")
