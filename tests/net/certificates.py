"""Certificates for tests: an authority and what it signs. Knows nothing of what is tested.

Everything comes as DER, chains and lists as certificates one after another. Curve and validity may
be wrong on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Certified:
    """A private key, its certificate and those above it that are sent along."""

    key: Key
    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def chain(self) -> bytes:
        encoded = [one.public_bytes(serialization.Encoding.DER) for one in self.above]
        return b"".join([self.der, *encoded])

    @property
    def key_der(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def fingerprint(self) -> bytes:
        return self.certificate.fingerprint(hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certify(
    name: str,
    issuer: Certified | None = None,
    *,
    key: Key | None = None,
    is_authority: bool = False,
    valid: tuple[timedelta, timedelta] = (-DAY, 365 * DAY),
    names: tuple[str, ...] = (),
    padding: int = 0,
) -> Certified:
    """A certificate for `name`, by `issuer` or by itself; `padding` makes it larger."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer.certificate.subject if issuer else _name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + valid[0])
        .not_valid_after(now + valid[1])
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(one) for one in names])
        builder = builder.add_extension(alternatives, critical=False)
    if padding:
        odd = x509.UnrecognizedExtension(
            x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), bytes(padding)
        )
        builder = builder.add_extension(odd, critical=False)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    # An anchor is known to who trusts it; what is between must be sent.
    above = (issuer.certificate, *issuer.above) if issuer and not _is_self_signed(issuer) else ()
    return Certified(key, certificate, above)


def _is_self_signed(one: Certified) -> bool:
    return one.certificate.issuer == one.certificate.subject


@lru_cache
def authority() -> Certified:
    """Whom both sides trust."""
    return certify("test authority", is_authority=True)


@lru_cache
def stranger() -> Certified:
    """An authority that nobody trusts."""
    return certify("another authority", is_authority=True)


@lru_cache
def server() -> Certified:
    return certify("server", authority(), names=("localhost",))


@lru_cache
def device(name: str = "device-1") -> Certified:
    return certify(name, authority())


@lru_cache
def expired() -> Certified:
    return certify("device-expired", authority(), valid=(-10 * DAY, -DAY))


@lru_cache
def not_yet_valid() -> Certified:
    return certify("device-early", authority(), valid=(DAY, 10 * DAY))


@lru_cache
def untrusted() -> Certified:
    return certify("device-1", stranger())


@lru_cache
def self_signed() -> Certified:
    """What can be trusted by its fingerprint only."""
    return certify("device-pinned")


@lru_cache
def other_curve(size: int = 384) -> Certified:
    curve = ec.SECP384R1() if size == 384 else ec.SECP521R1()
    return certify("device-curve", authority(), key=ec.generate_private_key(curve))


@lru_cache
def with_rsa() -> Certified:
    return certify("device-rsa", authority(), key=rsa.generate_private_key(65537, 2048))


@lru_cache
def signed_by_rsa() -> Certified:
    """A key that is fine, below an authority of another kind."""
    above = certify("rsa authority", is_authority=True, key=rsa.generate_private_key(65537, 2048))
    return certify("device-1", above)


@lru_cache
def by_intermediate(count: int = 1, padding: int = 0, days: int = 365) -> Certified:
    """A device with `count` authorities between it and the anchor, which end after `days`."""
    issuer = authority()
    for number in range(count):
        valid = (-10 * DAY, days * DAY)
        issuer = certify(f"intermediate-{number}", issuer, is_authority=True, valid=valid)
    return certify("device-below", issuer, padding=padding)
