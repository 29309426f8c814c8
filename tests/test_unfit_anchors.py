"""A trust anchor that the DTLS library cannot read: refused at once, and in nobody's way."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from lwm2m_fast.errors import NotFound, RequestError
from lwm2m_fast.fleet.trust import Trust
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.secure_start import unfit
from lwm2m_fast.store.memory import MemoryFleet
from tests.certificate_kit import made_certificate
from tests.net.dtls_kit import IS_OWN_BUILD

GOOD = made_certificate("good", None, is_authority=True)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def authority(*, signed_by_rsa: bool) -> bytes:
    """With a key that is fine, under an older root; or with a critical extension."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name("middle"))
        .issuer_name(_name("root"))
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=9))
        .add_extension(x509.BasicConstraints(True, None), critical=True)
    )
    if signed_by_rsa:
        root = rsa.generate_private_key(65537, 2048)
        return builder.sign(root, hashes.SHA256()).public_bytes(Encoding.PEM)
    constraints = x509.NameConstraints([x509.DNSName("a")], None)
    builder = builder.add_extension(constraints, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize("signed_by_rsa", [True, False])
@pytest.mark.skipif(not IS_OWN_BUILD, reason="a library of the system's may read them")
def test_it_is_refused_with_those_beside_it_and_a_stored_one_is_passed_over(
    signed_by_rsa: bool,
) -> None:
    pem = authority(signed_by_rsa=signed_by_rsa)
    fleet, vault = MemoryFleet(), Vault({1: bytes(32)}, secrets.token_bytes)
    trust = Trust(fleet, vault, unfit)
    with pytest.raises(RequestError, match="'CN=middle' cannot be used: dtls: trust anchors: X509"):
        trust.add(GOOD.pem + pem)
    with pytest.raises(RequestError, match="cannot be used"):
        trust.lend(pem)
    assert len(trust) == 0
    Trust(fleet, vault).add(GOOD.pem + pem)  # as it was taken once
    again = Trust(fleet, vault, unfit)
    assert (len(again), again.unusable) == (1, 1)
    assert again.pem() == GOOD.pem
    shown = {one["subject"]: one["problem"] for one in again.shown()}
    assert shown["CN=good"] is None
    assert "X509" in shown["CN=middle"]


def damaged(fleet: MemoryFleet) -> str:
    """Changes the only stored anchor on the disk, and gives its fingerprint."""
    ((key, row),) = fleet.scan("trust")
    fleet.apply([("trust", key, row[:-1] + bytes([row[-1] ^ 1]))])
    return key.partition(b"\0")[2].hex()


def test_one_that_cannot_be_used_is_shown_with_the_reason_and_can_be_removed() -> None:
    fleet, vault = MemoryFleet(), Vault({1: bytes(32)}, secrets.token_bytes)
    Trust(fleet, vault).add(GOOD.pem, "acme")
    sha256 = damaged(fleet)
    trust = Trust(fleet, vault)
    (shown,) = trust.shown()
    assert (shown["tenant"], shown["sha256"], shown["subject"]) == ("acme", sha256, None)
    assert shown["problem"].startswith("a sealed row does not open")
    with pytest.raises(NotFound):
        trust.remove(sha256, "other")
    assert trust.unusable == 1
    trust.remove(sha256, "acme")
    assert (trust.unusable, trust.shown(), list(fleet.scan("trust"))) == (0, [], [])


def test_one_that_was_changed_on_the_disk_is_good_again_once_it_is_given_again() -> None:
    fleet, vault = MemoryFleet(), Vault({1: bytes(32)}, secrets.token_bytes)
    Trust(fleet, vault).add(GOOD.pem)
    damaged(fleet)
    trust = Trust(fleet, vault)
    (added,) = trust.add(GOOD.pem)
    assert (len(trust), trust.unusable) == (1, 0)
    assert [one["problem"] for one in trust.shown()] == [None]
    assert Trust(fleet, vault).shown() == [{**added, "problem": None}]


def test_those_that_cannot_be_used_count_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it, a start would not have looked at those that can."""
    monkeypatch.setattr("lwm2m_fast.fleet.trust.MAX_ANCHORS", 1)
    fleet, vault = MemoryFleet(), Vault({1: bytes(32)}, secrets.token_bytes)
    Trust(fleet, vault).add(GOOD.pem)
    damaged(fleet)
    trust = Trust(fleet, vault)
    with pytest.raises(RequestError, match="there are 1 trust anchors and 1 are new"):
        trust.add(made_certificate("better", None, is_authority=True).pem)
