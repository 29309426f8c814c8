"""A fresh key for the vault: nothing is lost, whenever the process ends on the way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lwm2m_fast.cli import main
from lwm2m_fast.config import Config
from lwm2m_fast.errors import ConfigError, StoreError
from lwm2m_fast.fleet.configuration import read
from lwm2m_fast.fleet.credentials import Credentials
from lwm2m_fast.fleet.profiles import read as read_profile
from lwm2m_fast.fleet.secured import Credential, Mode, Security
from lwm2m_fast.fleet.trust import Trust
from lwm2m_fast.provisioning.registry import Registry
from lwm2m_fast.provisioning.transactions import Wanted
from lwm2m_fast.saved_sessions import ABOUT, TABLE
from lwm2m_fast.store import Store, open_store
from lwm2m_fast.store.changes import put
from lwm2m_fast.store.memory import MemoryFleet
from lwm2m_fast.vault_file import FILE_NAME, keys_of, open_vault
from lwm2m_fast.vault_rotation import ROWS_AT_ONCE, SEALED, rotate, rotate_data
from tests.certificate_kit import made_certificate
from tests.provisioning.provisioning_kit import NO_SEC, psk

ROOT = Path(__file__).parent.parent
DEVICES = ROWS_AT_ONCE + 3
AUTHORITY = made_certificate("Example Root", None, is_authority=True)
PINNED = made_certificate("pinned", None).der


def config_of(data_dir: Path) -> Config:
    return Config(store={"data_dir": data_dir})


def opened(data_dir: Path) -> Store:
    return open_store("lmdb", str(data_dir), config_of(data_dir).store)


def registry_of(store: Store, data_dir: Path) -> Registry:
    vault = open_vault(data_dir / FILE_NAME, store.fleet)
    credentials = Credentials(store.fleet, vault)
    credentials.load()
    registry = Registry(store.fleet, vault, credentials, os.urandom, lambda: 1.0)
    registry.load()
    return registry


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """One row or more of everything that is sealed."""
    found = tmp_path / "data"
    store = opened(found)
    registry = registry_of(store, found)
    wanted = [
        Wanted(read(psk(f"d-{n:04}", f"i-{n}", f"{n:08x}")), "default") for n in range(DEVICES)
    ]
    registry.add(wanted)
    registry.add([Wanted(read(NO_SEC | {"endpointId": "d-0001"}), "acme", is_legacy=True)])
    registry.profiles.put("default", "p", read_profile({}))
    vault = open_vault(found / FILE_NAME, store.fleet)
    pinned = Credential("pinned", Security(Mode.X509, certificate=PINNED))
    Credentials(store.fleet, vault).put([pinned], replacing=False)
    Trust(store.fleet, vault).add(AUTHORITY.pem)
    store.state.apply(put(TABLE, b"\0\0\0\1", vault.seal(b"sessions", ABOUT + b"\0\0\0\1")))
    store.close()
    return found


def everything(data_dir: Path) -> list[object]:
    """What the vault's rows say, by whatever key."""
    store = opened(data_dir)
    try:
        registry = registry_of(store, data_dir)
        vault = open_vault(data_dir / FILE_NAME, store.fleet)
        credentials = Credentials(store.fleet, vault)
        devices = registry.page(None, 4096)[0]
        found: list[object] = [*devices, *(credentials.get(one.endpoint) for one in devices)]
        found += [registry.unbound.page("acme", None, 9), credentials.get("pinned")]
        found += [Trust(store.fleet, vault).shown(), registry.unreadable]
        found += [registry.profiles.get("default", "p")]
        found += [vault.unseal(row, ABOUT + key) for key, row in store.state.load(TABLE)]
        return found
    finally:
        store.close()


def keys_in_use(data_dir: Path) -> set[int]:
    store = opened(data_dir)
    try:
        rows = [row for key, row in store.state.load(TABLE)]
        for sealed in SEALED:
            found = [row[sealed.open_bytes :] for _, row in store.fleet.scan(sealed.space)]
            assert found, f"nothing of {sealed.space} is tried here"
            rows += found
        return {int.from_bytes(row[:2], "big") for row in rows}
    finally:
        store.close()


def test_everything_is_sealed_anew_and_the_old_key_goes(data_dir: Path) -> None:
    before = everything(data_dir)
    assert len(before) == 2 * DEVICES + 6
    old = (data_dir / FILE_NAME).read_text().split()[-1]
    done = rotate_data(config_of(data_dir))
    assert (done.number, done.dropped, done.unreadable) == (2, (1,), 0)
    assert keys_in_use(data_dir) == {2}
    assert keys_of(data_dir / FILE_NAME) == [2]
    assert old not in (data_dir / FILE_NAME).read_text()
    assert (data_dir / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert everything(data_dir) == before
    assert rotate_data(config_of(data_dir)).dropped == (2,)
    assert everything(data_dir) == before


def test_every_place_that_seals_is_known_to_the_rotation() -> None:
    """A row sealed elsewhere would be lost with its key: add it to SEALED, and here."""
    found = {
        path.relative_to(ROOT / "lwm2m_fast").as_posix()
        for path in (ROOT / "lwm2m_fast").rglob("*.py")
        if re.search(r"\bseal\(", path.read_text())
    }
    assert found == {
        "fleet/credentials.py", "fleet/trust.py", "fleet/vault.py", "provisioning/device_rows.py",
        "provisioning/profiles.py",
        "saved_sessions.py", "vault_file.py", "vault_rotation.py",
    }  # fmt: skip


KILLED = """
import os, signal, sys
from pathlib import Path
from lwm2m_fast import vault_rotation as rotation
from lwm2m_fast.config import Config
from lwm2m_fast.store.fleet import LmdbFleet

where, count = sys.argv[2], int(sys.argv[3])

def before(work):
    def run(*arguments):
        global count
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*arguments)
    return run

if where == "apply":
    LmdbFleet.apply = before(LmdbFleet.apply)
elif where == "replace":
    os.replace = before(os.replace)
else:
    setattr(rotation, where, before(getattr(rotation, where)))
rotation.rotate_data(Config(store={"data_dir": Path(sys.argv[1])}))
"""


@pytest.mark.parametrize(
    ("where", "count", "keys"),
    [
        ("add_key", 1, [1]),
        ("replace", 1, [1]),
        ("_reseal", 1, [1, 2]),
        ("apply", 1, [1, 2]),
        ("apply", 2, [1, 2]),
        ("apply", 5, [1, 2]),
        ("_reseal_sessions", 1, [1, 2]),
        ("drop_older_keys", 1, [1, 2]),
        ("replace", 2, [1, 2]),
    ],
)
def test_a_rotation_that_was_killed_goes_on(
    data_dir: Path, where: str, count: int, keys: list[int]
) -> None:
    before = everything(data_dir)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(data_dir), where, str(count)],
        cwd=ROOT, check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    assert keys_of(data_dir / FILE_NAME) == keys
    assert everything(data_dir) == before  # a server may start in between
    done = rotate_data(config_of(data_dir))
    assert (done.number, done.dropped) == (2, (1,))
    assert keys_in_use(data_dir) == {2}
    assert everything(data_dir) == before


def test_a_row_that_does_not_open_keeps_the_old_key(data_dir: Path) -> None:
    store = opened(data_dir)
    row = bytearray(store.fleet.get("psk", b"i-7") or b"")
    row[-1] ^= 1
    store.fleet.put("psk", [(b"i-7", bytes(row))])
    done = rotate(data_dir / FILE_NAME, store)
    assert (done.unreadable, done.dropped) == (1, ())
    assert store.fleet.get("psk", b"i-7") == bytes(row)
    store.close()
    assert keys_of(data_dir / FILE_NAME) == [1, 2]


def test_a_directory_in_use_is_refused(data_dir: Path) -> None:
    store = opened(data_dir)
    with pytest.raises(StoreError):
        rotate_data(config_of(data_dir))
    store.close()
    assert keys_of(data_dir / FILE_NAME) == [1]


def test_a_directory_that_nobody_has_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no data directory"):
        rotate_data(config_of(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(ConfigError, match="no vault yet"):
        rotate_data(config_of(tmp_path))


def test_the_last_number_is_the_last(data_dir: Path) -> None:
    path = data_dir / FILE_NAME
    path.write_text(path.read_text().replace("\n1 ", "\n65535 "))
    store = opened(data_dir)
    store.fleet.put("vault", [(b"check", open_vault(path, MemoryFleet()).seal(b"check", b"check"))])
    with pytest.raises(ConfigError, match="65535, the last"):
        rotate(path, store)
    store.close()


def test_the_command_says_what_it_did(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["vault", "rotate", "--data-dir", str(data_dir)])
    assert caught.value.code in (0, None)
    told = capsys.readouterr().out
    assert "key 2 seals" in told
    assert "key 1 is gone" in told
