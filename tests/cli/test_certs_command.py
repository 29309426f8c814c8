"""`lwm2m-fast certs`: what it makes can be used, and is nobody else's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from outcome import Run

from lwm2m_fast.fleet.certificates import names_of
from lwm2m_fast.fleet.trust import Trust
from lwm2m_fast.server_identity import IdentityFiles, read_identity
from lwm2m_fast.store.memory import MemoryFleet
from lwm2m_fast.vault_file import passing_vault

URN = "urn:imei:356938035643809"
LONG = "urn:dev:" + "x" * 100


@pytest.fixture
def made(run: Run, tmp_path: Path) -> Path:
    where = tmp_path / "certs"
    devices = [word for name in ("dev-1", URN, LONG) for word in ("--device", name)]
    assert run("certs", str(where), *devices, "--server", "lwm2m.example").code == 0
    return where


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_keys_are_ours_alone(made: Path) -> None:
    keys = sorted(made.glob("*.key"))
    assert len(keys) == 5
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    for key in keys:
        loaded = load_pem_private_key(key.read_bytes(), None)
        public = certificate(key.with_suffix(".pem")).public_key()
        assert loaded.public_key() == public


def test_certificates_stand_for_their_names(made: Path) -> None:
    assert names_of(certificate(made / "dev-1.pem")) == ("dev-1",)
    assert names_of(certificate(made / "urn_imei_356938035643809.pem")) == (URN,)
    (long,) = made.glob("urn_dev_*.pem")
    assert names_of(certificate(long)) == (LONG,)
    assert names_of(certificate(made / "server.pem")) == ("lwm2m.example",)


def test_the_server_and_the_trust_store_take_them(made: Path) -> None:
    identity = read_identity(IdentityFiles(made / "server.pem", made / "server.key"))
    assert identity.leaf
    trust = Trust(MemoryFleet(), passing_vault())
    assert len(trust.add((made / "ca.pem").read_bytes())) == 1
    assert trust.tenant_of(certificate(made / "dev-1.pem")) == "default"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_agrees_for_what_each_is_good(made: Path) -> None:
    for name, purpose in (("server", "sslserver"), ("dev-1", "sslclient")):
        verify = ["openssl", "verify", "-x509_strict", "-purpose", purpose]
        files = ["-CAfile", str(made / "ca.pem"), str(made / f"{name}.pem")]
        found = subprocess.run([*verify, *files], capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr


def test_the_same_authority_goes_on_and_nothing_is_written_over(run: Run, made: Path) -> None:
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    again = run("certs", str(made), "--device", "dev-1")
    assert again.code == 1
    assert "dev-1.key: File exists" in again.err
    assert run("certs", str(made), "--device", "dev-2").code == 0
    after = {path.name: path.read_bytes() for path in made.iterdir()}
    assert set(after) - set(before) == {"dev-2.pem", "dev-2.key"}
    assert before.items() <= after.items()
    certificate(made / "dev-2.pem").verify_directly_issued_by(certificate(made / "ca.pem"))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--device", ""), "can be no common name"),
        (("--device", "ä" * 65), "neither a common name nor a URI"),
        (("--server", "wärme"), "is no name of a server"),
    ],
)
def test_names_that_cannot_stand_in_a_certificate(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], why: str
) -> None:
    done = run("certs", str(tmp_path / "c"), *arguments)
    assert done.code == 1
    assert why in done.err


def test_a_broken_authority_is_named(run: Run, made: Path) -> None:
    (made / "ca.key").write_text("nonsense")
    done = run("certs", str(made), "--device", "dev-2")
    assert done.code == 1
    assert "the CA in" in done.err
