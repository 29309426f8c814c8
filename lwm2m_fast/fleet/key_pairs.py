"""Certificates and private keys in PEM: whether they can be read, and belong together.

Messages say what is wrong with which of them, and never contain any of it.
"""

from __future__ import annotations

import binascii
from base64 import b64decode

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.certificates import UNREADABLE


def _certificate(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except UNREADABLE:
        raise RequestError("is not a certificate in PEM") from None


def _key(pem: str) -> EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise RequestError("is not an unencrypted private key in PEM") from None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise RequestError("is not an elliptic-curve key, which the cipher suites need")
    return key


def check_certificate(pem: str) -> None:
    """RequestError unless `pem` is a certificate."""
    _certificate(pem)


def check_pair(certificate: str, key: str) -> None:
    """RequestError unless `key` is the private key of `certificate`."""
    forms = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    try:
        of_certificate = _certificate(certificate).public_key().public_bytes(*forms)
    except UNREADABLE:
        raise RequestError("belongs to a certificate with an unknown kind of key") from None
    if _key(key).public_key().public_bytes(*forms) != of_certificate:
        raise RequestError("does not belong to the certificate")


def certificate_der(pem: str) -> bytes:
    """The certificate as LwM2M has it on the wire (OMA Core, E.1, resource 3)."""
    return _certificate(pem).public_bytes(Encoding.DER)


def server_certificate(text: str) -> bytes | None:
    """A certificate in PEM, or in base64 of its DER, as DER; None: it is neither."""
    try:
        if "-----BEGIN" in text:
            return certificate_der(text)
        der = b64decode("".join(text.split()), None, True)
        return x509.load_der_x509_certificate(der).public_bytes(Encoding.DER)
    except (RequestError, binascii.Error, *UNREADABLE):
        return None


def key_der(pem: str) -> bytes:
    """The private key in DER, PKCS#8 (OMA Core, E.1, resource 5)."""
    return _key(pem).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
