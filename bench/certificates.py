"""Certificates for one run: an authority, a server and a fleet of devices, as PEM files.

Names files; knows no server and no load.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
AUTHORITY, SERVER, SERVER_KEY = "authority.pem", "server.pem", "server.key"


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, signs: ec.EllipticCurvePrivateKey
) -> bytes:
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        .sign(signs, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


def make(directory: Path, prefix: str, devices: int) -> None:
    """AUTHORITY, SERVER, SERVER_KEY, and for each device PREFIX0000000.pem with its key."""
    authority = ec.generate_private_key(ec.SECP256R1())
    directory.mkdir(parents=True)
    (directory / AUTHORITY).write_bytes(_certificate("bench", authority, "bench", authority))
    key = ec.generate_private_key(ec.SECP256R1())
    (directory / SERVER).write_bytes(_certificate("server", key, "bench", authority))
    (directory / SERVER_KEY).write_bytes(_pem(key))
    for number in range(devices):
        name, key = f"{prefix}{number:07d}", ec.generate_private_key(ec.SECP256R1())
        both = _certificate(name, key, "bench", authority) + _pem(key)
        (directory / f"{name}.pem").write_bytes(both)
