"""Where .ci/mbedtls-source would have apt look, from the sources of several machines."""

from __future__ import annotations

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from tests.house.source_tree import ROOT

BOOKWORM = {"ID": "debian", "VERSION_CODENAME": "bookworm"}
NOBLE = {"ID": "ubuntu", "VERSION_CODENAME": "noble"}
DEB822 = """\
Types: deb
# a comment within
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBGPL0BUBEADmW5NdOOHwPIJlgPu6JDcKw/NZJPR8
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://comment.example/ubuntu noble main
deb [arch=amd64 signed-by=/usr/share/keyrings/ubuntu.gpg] http://a.example/ noble main universe # x
deb http://a.example/ noble-security main
deb-src http://src.example/ubuntu/ noble main
deb http://apt.example/cloud cloud-sdk-noble main
deb http://docker.example/ubuntu noble stable
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = str(ROOT / ".ci" / "mbedtls-source")
    loader = SourceFileLoader("mbedtls_source", path)
    spec = importlib.util.spec_from_loader("mbedtls_source", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def machine(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(text)
    return tmp_path


def test_stanzas_keep_mirror_and_key(script: ModuleType, tmp_path: Path) -> None:
    etc = machine(tmp_path, "sources.list.d/debian.sources", DEB822)
    main, updates, security = script.other_release(script.machine_sources(etc), BOOKWORM).split(
        "\n\n"
    )
    key = "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"
    head = "Types: deb-src\nURIs: http://mirror.example/debian\nSuites: trixie"
    assert main == f"{head}\nComponents: main\n{key}"
    assert updates == f"{head}-updates\nComponents: main\n{key}"
    assert "URIs: http://mirror.example/debian-security\nSuites: trixie-security\n" in security
    assert security.endswith(
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n"
        " mQINBGPL0BUBEADmW5NdOOHwPIJlgPu6JDcKw/NZJPR8\n -----END PGP PUBLIC KEY BLOCK-----\n"
    )


@pytest.mark.parametrize("name", ["sources.list", "sources.list.d/ubuntu.list"])
def test_lines_keep_mirror_and_key(script: ModuleType, tmp_path: Path, name: str) -> None:
    etc = machine(tmp_path, name, ONE_LINE)
    assert script.other_release(script.machine_sources(etc), NOBLE) == (
        "Types: deb-src\nURIs: http://a.example/\nSuites: resolute\n"
        "Components: main universe\n"
        "Signed-By: /usr/share/keyrings/ubuntu.gpg\n\n"
        "Types: deb-src\nURIs: http://a.example/\nSuites: resolute-security\n"
        "Components: main universe\n"
    )


def test_a_machine_without_sources_has_none(script: ModuleType, tmp_path: Path) -> None:
    assert script.other_release(script.machine_sources(tmp_path), NOBLE) == ""
