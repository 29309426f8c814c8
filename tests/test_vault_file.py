"""The key file: made once, whole, for us alone, and the right one for its data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.store.memory import MemoryFleet
from lwm2m_fast.vault_file import MAX_FILE_BYTES, open_vault, passing_vault

HEX = "ab" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "vault.key"


def given(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_first_start_makes_it_and_later_ones_read_it(path: Path) -> None:
    fleet = MemoryFleet()
    row = open_vault(path, fleet).seal(b"secret", b"a")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    text = path.read_text()
    assert [entry.name for entry in path.parent.iterdir()] == ["vault.key"]
    assert open_vault(path, fleet).unseal(row, b"a") == b"secret"
    assert path.read_text() == text


def test_two_installations_have_two_keys(tmp_path: Path) -> None:
    for name in "ab":
        open_vault(tmp_path / name, MemoryFleet())
    assert (tmp_path / "a").read_text() != (tmp_path / "b").read_text()
    assert passing_vault().seal(b"x", b"") != passing_vault().seal(b"x", b"")


def test_the_newest_key_seals_and_older_ones_open(path: Path) -> None:
    fleet = MemoryFleet()
    row = open_vault(given(path, f"1 {HEX}\n"), fleet).seal(b"x", b"a")
    given(path, f"# a comment\n\n2 {'cd' * 32}\n1 {HEX}\n")
    vault = open_vault(path, fleet)
    assert (vault.newest, vault.unseal(row, b"a")) == (2, b"x")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o601, 0o666])
def test_a_file_that_others_may_use_is_refused(path: Path, mode: int) -> None:
    given(path, f"1 {HEX}\n", mode)
    with pytest.raises(ConfigError, match=f"has mode {mode:04o}.*chmod 600"):
        open_vault(path, MemoryFleet())


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_our_own_is_taken(path: Path, mode: int) -> None:
    assert open_vault(given(path, f"7 {HEX}\n", mode), MemoryFleet()).newest == 7


def test_a_file_of_another_installation_is_refused(path: Path) -> None:
    fleet = MemoryFleet()
    open_vault(path, fleet)
    given(path, f"1 {HEX}\n")
    with pytest.raises(ConfigError, match="is not the file that this data directory"):
        open_vault(path, fleet)
    given(path, f"2 {HEX}\n")
    with pytest.raises(ConfigError, match="key 1, which the key file does not have"):
        open_vault(path, fleet)


def test_a_lost_file_is_not_made_anew(path: Path) -> None:
    fleet = MemoryFleet()
    open_vault(path, fleet)
    path.unlink()
    with pytest.raises(ConfigError, match="is missing, and the credentials"):
        open_vault(path, fleet)
    assert not path.exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has no key in it"),
        ("# nothing\n", "has no key in it"),
        (f"{HEX}\n", "line 1"),
        (f"1 {HEX[2:]}\n", "line 1"),
        (f"1 {HEX}00\n", "line 1"),
        (f"1 {'x' * 64}\n", "line 1"),
        (f"0 {HEX}\n", "line 1"),
        (f"65536 {HEX}\n", "line 1"),
        (f"-1 {HEX}\n", "line 1"),
        (f"² {HEX}\n", "line 1"),
        (f"1 {HEX}\n\n1 {HEX}\n", "line 3"),
        (f"1 {HEX} 2\n", "line 1"),
        ("#" * (MAX_FILE_BYTES + 1), f"more than {MAX_FILE_BYTES} bytes"),
    ],
)
def test_what_is_no_key_file_is_refused_without_its_text(path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        open_vault(given(path, text), MemoryFleet())
    assert HEX[:8] not in str(caught.value)


def _directory(path: Path) -> None:
    path.mkdir(parents=True)


def _file_in_the_way(path: Path) -> None:
    path.parent.write_text("")


@pytest.mark.parametrize("prepare", [_directory, _file_in_the_way])
def test_a_place_that_cannot_be_used_is_named(path: Path, prepare: Callable[[Path], None]) -> None:
    prepare(path)
    with pytest.raises(ConfigError, match=f"store.key_file: {path}"):
        open_vault(path, MemoryFleet())


def test_of_two_that_begin_at_once_one_makes_the_key(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(source: str, target: Path) -> None:
        given(path, f"3 {HEX}\n")
        raise FileExistsError(target)

    monkeypatch.setattr(os, "link", late)
    assert open_vault(path, MemoryFleet()).newest == 3
    assert [entry.name for entry in path.parent.iterdir()] == ["vault.key"]
