"""Certificates as the fleet needs them: what they say, and which of them can be used.

Pure: bytes in, values out. Which are trusted is trust.py's business, and checking a chain is the
DTLS library's.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from lwm2m_fast.errors import RequestError

CURVES = ("secp256r1", "secp384r1")
"""What csrc/lf_mbedtls_config.h has; a server's own key is always on the first."""

UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for a certificate that it cannot read, at once or part by part."""

MAX_NAMES = 16
"""Endpoint names that are taken from one certificate."""

MAX_NAME_BYTES = 255


def read_certificate(name: str, data: bytes) -> bytes:
    """One certificate, PEM or DER, as DER; RequestError names the field `name`."""
    found = read_certificates(name, data) if b"-----BEGIN" in data else [_der(name, data)]
    if len(found) != 1:
        raise RequestError(f"{name} has {len(found)} certificates, one is needed")
    return found[0]


def read_certificates(name: str, pem: bytes) -> list[bytes]:
    """All certificates of a PEM text as DER, in its order, each with a key that can be used."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except UNREADABLE as error:
        raise RequestError(f"{name} is no PEM certificate: {error}") from None
    return [_usable(name, one) for one in found]


def _der(name: str, data: bytes) -> bytes:
    try:
        found = x509.load_der_x509_certificate(data)
    except UNREADABLE as error:
        raise RequestError(f"{name} is no DER certificate: {error}") from None
    return _usable(name, found)


def _usable(name: str, certificate: x509.Certificate) -> bytes:
    """Its DER, once all that is ever asked of it can be answered."""
    try:
        der = certificate.public_bytes(Encoding.DER)
        certificate_facts(der)
        curve = curve_of(certificate)
    except UNREADABLE as error:
        raise RequestError(f"{name} has a certificate that cannot be read: {error}") from None
    if curve not in CURVES:
        raise RequestError(f"{name} has a key of {curve}, allowed are {' and '.join(CURVES)}")
    return der


def curve_of(certificate: x509.Certificate) -> str:
    """The curve of its key, or which other kind of key it has."""
    try:
        key = certificate.public_key()
    except UNREADABLE:
        return "an unknown kind"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name
    return type(key).__name__.strip("_").removesuffix("PublicKey")


def certificate_facts(der: bytes) -> dict[str, Any]:
    """What is shown of a certificate: `subject`, `sha256`, and from when to when it is valid."""
    certificate = x509.load_der_x509_certificate(der)
    return {
        "subject": certificate.subject.rfc4514_string(),
        "sha256": fingerprint(der),
        "not_before": _moment(certificate.not_valid_before_utc),
        "not_after": _moment(certificate.not_valid_after_utc),
    }


def fingerprint(der: bytes) -> str:
    """SHA-256 of the DER in hex digits."""
    return hashlib.sha256(der).hexdigest()


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign others (RFC 5280, section 4.2.1.9)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return False
    return found.value.ca


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The endpoint names a certificate may stand for: common name, DNS and URI alternative names.

    In this order, each once; names that no device can have are left out.
    """
    found = [str(one.value) for one in _common_names(certificate)]
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, *UNREADABLE):
        pass
    else:
        found += extension.value.get_values_for_type(x509.DNSName)
        found += extension.value.get_values_for_type(x509.UniformResourceIdentifier)
    fitting = (name for name in found if 1 <= len(name.encode()) <= MAX_NAME_BYTES)
    return tuple(dict.fromkeys(fitting))[:MAX_NAMES]


def _common_names(certificate: x509.Certificate) -> list[x509.NameAttribute[Any]]:
    try:
        return certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except UNREADABLE:  # a subject that cannot be read
        return []
