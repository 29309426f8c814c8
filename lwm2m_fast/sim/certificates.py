"""Who simulated devices are to a DTLS server: certificates, from a directory or signed in memory.

The directory is as `lwm2m-fast certs` writes it: ca.pem, ca.key, and NAME.pem with NAME.key of what
the authority has signed. A device whose name has no files gets a certificate of this authority when
it needs one, with its endpoint name as common name; nothing is written.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.sim.identities import Identify, Identity, Name

AUTHORITY: Final = "ca"
MOST_NAME_CHARACTERS: Final = 64
"""A common name is no longer (RFC 5280, appendix A.1); a longer name is a URI."""
_KEPT: Final = 1024
"""Identities kept, so that a device that comes again soon is not signed anew."""
_DAY: Final = timedelta(days=1)
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of secp256r1 (SEC 2, section 2.4.2): private keys are 1 to this less 1."""


def in_directory(path: Path, name: Name, numbers: range) -> Identify:
    """Certificates of the devices, who trust the authority in `path`.

    ConfigError when there is none, or a device has neither files nor an authority that can sign.
    """
    anchors = b"".join(_chain(path / f"{AUTHORITY}.pem"))
    can_sign = (path / f"{AUTHORITY}.key").exists()
    signer = _Signer(path) if can_sign else None
    for number in numbers if signer is None else ():
        if not (path / f"{file_name(name(number))}.pem").exists():
            raise ConfigError(
                f"x509 {str(path)!r}: has neither {file_name(name(number))}.pem nor "
                f"{AUTHORITY}.key to sign it"
            )

    @lru_cache(maxsize=_KEPT)
    def identify(number: int) -> Identity:
        endpoint = name(number)
        file = file_name(endpoint)
        if signer is not None and not (path / f"{file}.pem").exists():
            return Identity(chain=signer.certificate(endpoint), key=signer.key(endpoint),
                            anchors=anchors)  # fmt: skip
        chain = b"".join(_chain(path / f"{file}.pem"))
        return Identity(chain=chain, key=_der(_key(path / f"{file}.key")), anchors=anchors)

    return identify


def file_name(endpoint: str) -> str:
    """The endpoint name as `lwm2m-fast certs` names its files."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", endpoint).lstrip(".") or "device"


class _Signer:
    """The authority. A device's key is a function of the authority's and the endpoint name, so that
    it is the same in every run."""

    def __init__(self, path: Path) -> None:
        pem = _read(path / f"{AUTHORITY}.pem")
        self._issuer = x509.load_pem_x509_certificate(pem)
        self._authority = _key(path / f"{AUTHORITY}.key")
        self._root = self._authority.private_numbers().private_value.to_bytes(66, "big")

    def _private(self, endpoint: str) -> ec.EllipticCurvePrivateKey:
        made = hmac.digest(self._root, endpoint.encode(), hashlib.sha256)
        return ec.derive_private_key(int.from_bytes(made, "big") % (_ORDER - 1) + 1, ec.SECP256R1())

    def key(self, endpoint: str) -> bytes:
        return _der(self._private(endpoint))

    def certificate(self, endpoint: str) -> bytes:
        """As DER, valid from a day ago for as long as the authority."""
        is_short = len(endpoint) <= MOST_NAME_CHARACTERS
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, endpoint)] if is_short else []
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(self._issuer.subject)
            .public_key(self._private(endpoint).public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - _DAY)
            .not_valid_after(self._issuer.not_valid_after_utc)
        )
        if not is_short:
            names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(endpoint)])
            builder = builder.add_extension(names, critical=True)
        return builder.sign(self._authority, hashes.SHA256()).public_bytes(Encoding.DER)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"x509 {str(path)!r}: {error.strerror}") from None


def _chain(path: Path) -> list[bytes]:
    """Certificates as DER, in the file's order."""
    try:
        found = x509.load_pem_x509_certificates(_read(path))
    except ValueError as error:
        raise ConfigError(f"x509 {str(path)!r}: {error}") from None
    return [each.public_bytes(Encoding.DER) for each in found]


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(_read(path), None)
    except (ValueError, TypeError):
        raise ConfigError(f"x509 {str(path)!r}: is no private key without a password") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"x509 {str(path)!r}: the key must be on a curve")
    return key


def _der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
