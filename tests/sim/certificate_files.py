"""An authority as files in a directory, and a server's certificate of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Certified = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def certified(name: str, by: Certified | None = None) -> Certified:
    """Valid for a day; without `by` an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(by is None, None), critical=True)
    )
    return builder.sign(by[1] if by else key, hashes.SHA256()), key


def write(path: Path, name: str, made: Certified, *, with_key: bool = True) -> None:
    (path / f"{name}.pem").write_bytes(made[0].public_bytes(Encoding.PEM))
    if with_key:
        pem = made[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (path / f"{name}.key").write_bytes(pem)


def authority_in(path: Path, *, with_key: bool = True) -> Certified:
    made = certified("authority of a test")
    write(path, "ca", made, with_key=with_key)
    return made


def server_of(authority: Certified) -> dict[str, Any]:
    """What DtlsContext wants."""
    certificate, key = certified("server", authority)
    return {
        "chain": certificate.public_bytes(Encoding.DER),
        "key": key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        "anchors": authority[0].public_bytes(Encoding.DER),
    }
