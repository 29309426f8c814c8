"""The server's certificate: what is read, what is refused, and what happens when it changes."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import load_pem_x509_certificates

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.server_identity import Identity, IdentityFiles, ServerIdentity, read_identity
from tests.certificate_kit import Made, made_certificate

AUTHORITY = made_certificate("ca", None, is_authority=True)
SERVER = made_certificate("server", AUTHORITY)
WORD = "open sesame"


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def locked(made: Made) -> bytes:
    how = BestAvailableEncryption(WORD.encode())
    return made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def store(made: Made, name: str = "server", word: str | None = WORD) -> bytes:
    how = NoEncryption() if word is None else BestAvailableEncryption(word.encode())
    return pkcs12.serialize_key_and_certificates(
        name.encode(), made.key, made.certificate, [AUTHORITY.certificate], how
    )


def check(found: Identity, *chain: Made) -> None:
    assert found.leaf == chain[0].der
    assert load_pem_x509_certificates(found.chain) == [one.certificate for one in chain]
    key = load_pem_private_key(found.key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.private_numbers() == chain[0].key.private_numbers()
    assert b"PRIVATE" not in repr(found).encode()


def test_pem_in_one_file_and_in_two(tmp_path: Path) -> None:
    both = written(tmp_path / "both.pem", SERVER.key_pem + SERVER.pem + AUTHORITY.pem)
    check(read_identity(IdentityFiles(both)), SERVER, AUTHORITY)
    chain = written(tmp_path / "chain.pem", AUTHORITY.pem + SERVER.pem)  # in the wrong order
    key = written(tmp_path / "key.pem", SERVER.key_pem)
    check(read_identity(IdentityFiles(chain, key)), SERVER, AUTHORITY)
    check(read_identity(IdentityFiles(chain, key, "not needed")), SERVER, AUTHORITY)


def test_an_encrypted_key_opens_with_its_password(tmp_path: Path) -> None:
    chain = written(tmp_path / "chain.pem", SERVER.pem)
    key = written(tmp_path / "key.pem", locked(SERVER))
    check(read_identity(IdentityFiles(chain, key, WORD)), SERVER)
    for wrong, why in (("sesame", "wrong password"), (None, "needs a password")):
        with pytest.raises(ConfigError, match=why) as caught:
            read_identity(IdentityFiles(chain, key, wrong))
        assert "sesame" not in str(caught.value)


def test_pkcs12_opens_with_password_and_alias(tmp_path: Path) -> None:
    path = written(tmp_path / "server.p12", store(SERVER))
    check(read_identity(IdentityFiles(path, password=WORD)), SERVER, AUTHORITY)
    check(read_identity(IdentityFiles(path, password=WORD, alias="Server")), SERVER, AUTHORITY)
    with pytest.raises(ConfigError, match="has the entry 'server', not 'bootstrap'"):
        read_identity(IdentityFiles(path, password=WORD, alias="bootstrap"))
    for wrong in ("sesame", None):
        with pytest.raises(ConfigError, match="opens with the given password"):
            read_identity(IdentityFiles(path, password=wrong))
    plain = written(tmp_path / "plain.p12", store(SERVER, word=None))
    check(read_identity(IdentityFiles(plain)), SERVER, AUTHORITY)


RSA_KEY = rsa.generate_private_key(65537, 2048).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)
OTHER_CURVE = made_certificate("server", None, curve=ec.SECP384R1())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"\xfe\xed\xfe\xed\x00\x00\x00\x02", "Java key store .JKS.*keytool -importkeystore"),
        (b"\xce\xce\xce\xce\x00\x00\x00\x02", "JCEKS"),
        (b"nonsense", "neither PEM nor PKCS#12"),
        (SERVER.pem, "no PEM private key"),
        (SERVER.key_pem, "no PEM certificate"),
        (SERVER.pem + AUTHORITY.key_pem, "is of no certificate in"),
        (SERVER.pem + RSA_KEY, "RSAPrivateKey, needed is EC on secp256r1"),
        (OTHER_CURVE.pem + OTHER_CURVE.key_pem, "secp384r1, needed is EC on secp256r1"),
        (SERVER.pem[:-40] + SERVER.key_pem, "no PEM certificate"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, data: bytes, why: str) -> None:
    path = written(tmp_path / "server", data)
    with pytest.raises(ConfigError, match=why) as caught:
        read_identity(IdentityFiles(path))
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.pem cannot be read: No such file"):
        read_identity(IdentityFiles(tmp_path / "nowhere.pem"))


class Watched:
    def __init__(self, path: Path, clock: float = 1_700_000_000.0) -> None:
        self.path = path
        self.told: list[Identity] = []
        self.identity = ServerIdentity(IdentityFiles(path), self.told.append, clock=lambda: clock)

    def look(self) -> list[Identity]:
        before = len(self.told)
        asyncio.run(self.identity.look())
        return self.told[before:]


def test_a_replaced_file_is_taken_and_told_once(tmp_path: Path) -> None:
    path = written(tmp_path / "server.pem", SERVER.pem + SERVER.key_pem)
    watched = Watched(path)
    first = watched.identity.load()
    assert first is not None
    assert watched.look() == []
    new = made_certificate("server", AUTHORITY)
    os.replace(written(tmp_path / "new", new.pem + new.key_pem), path)
    (told,) = watched.look()
    check(told, new)
    assert watched.identity.current == told
    assert watched.look() == []
    assert watched.identity.counters()["server_certificate_reloads"] == 1


def test_a_file_that_was_only_touched_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "server.pem", SERVER.pem + SERVER.key_pem)
    watched = Watched(path)
    watched.identity.load()
    os.utime(path, (1, 1))
    assert watched.look() == []


@pytest.mark.parametrize("data", [b"", b"half a fi", SERVER.pem, None])
def test_a_broken_new_file_keeps_the_old_and_says_why(
    tmp_path: Path, data: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "server.pem", SERVER.pem + SERVER.key_pem)
    watched = Watched(path)
    first = watched.identity.load()
    if data is None:
        path.unlink()
    else:
        written(path, data)
    assert watched.look() == []
    assert watched.identity.current == first
    assert watched.identity.problem is not None
    assert watched.identity.counters()["server_certificate_unusable"] == 1
    assert [
        record.levelname for record in caplog.records if "cannot be used" in record.message
    ] == ["ERROR"]
    new = made_certificate("server", AUTHORITY)
    written(path, new.pem + new.key_pem)
    (told,) = watched.look()
    check(told, new)
    assert watched.identity.problem is None


def test_without_a_usable_file_there_is_none_until_there_is(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "server.pem")
    assert watched.identity.load() is None
    written(watched.path, SERVER.pem + SERVER.key_pem)
    (told,) = watched.look()
    check(told, SERVER)


@pytest.mark.parametrize(("clock", "is_told"), [(1_700_000_000.0, False), (1.0, True), (5e9, True)])
def test_a_certificate_that_is_not_valid_today_is_used_with_a_warning(
    tmp_path: Path, clock: float, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "server.pem", SERVER.pem + SERVER.key_pem)
    with caplog.at_level(logging.INFO):
        assert Watched(path, clock).identity.load() is not None
    assert any("not valid today" in record.message for record in caplog.records) == is_told
    assert "PRIVATE" not in caplog.text


def test_it_looks_by_itself_until_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lwm2m_fast.server_identity.LOOK_S", 0)
    path = written(tmp_path / "server.pem", SERVER.pem + SERVER.key_pem)
    new = made_certificate("server", AUTHORITY)

    async def act() -> None:
        told = asyncio.Event()
        identity = ServerIdentity(IdentityFiles(path), lambda found: told.set())
        identity.load()
        identity.start()
        os.replace(written(tmp_path / "new", new.pem + new.key_pem), path)
        await asyncio.wait_for(told.wait(), 10)
        await identity.stop()
        assert identity.current is not None
        check(identity.current, new)

    asyncio.run(act())
