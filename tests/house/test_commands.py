"""What the pages promise: commands that exist, files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lwm2m_fast.cli import COMMANDS
from tests.house.source_tree import ROOT, name, sources

TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
PAGES = sources(".md")
SCRIPTS = sorted((ROOT / ".ci").iterdir())


@pytest.mark.parametrize("path", [*PAGES, *SCRIPTS], ids=name)
def test_a_make_command_exists(path: Path) -> None:
    told = re.findall(r"(?:^ +|`|&& )make ([a-z]+)", path.read_text(), re.M)
    assert set(told) <= TARGETS


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_command_of_the_command_line_exists(path: Path) -> None:
    told = re.findall(r"(?:`|bin/|^ +)lwm2m-fast ([a-z]+)", path.read_text(), re.M)
    assert set(told) <= COMMANDS.keys()


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_link_to_a_file_leads_there(path: Path) -> None:
    told = re.findall(r"\]\((?!https?:)([^)#\s]+)", path.read_text())
    assert not [link for link in told if not (path.parent / link).exists()]


def test_the_makefile_tells_its_targets() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.M)
    assert phony is not None and set(phony[1].split()) == TARGETS
    assert set(re.findall(r"^([a-z]+):.*## \S", text, re.M)) == TARGETS


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_a_script_can_be_run(path: Path) -> None:
    assert path.stat().st_mode & 0o100
    assert path.read_text().startswith("#!")
