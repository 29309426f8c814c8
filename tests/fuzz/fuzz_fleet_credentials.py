"""Credentials from outside. Invariant: JSON, certificates, PEM and key files are taken, or refused
with an error of the house; no other error is raised, and no key is in what is shown.

The first byte chooses what the rest is.
"""

from __future__ import annotations

import warnings
from base64 import b64decode, b64encode
from pathlib import Path

import orjson
from cryptography.utils import CryptographyDeprecationWarning

from lwm2m_fast.errors import ConfigError, RequestError
from lwm2m_fast.fleet.admission import Admission
from lwm2m_fast.fleet.credentials import Credentials
from lwm2m_fast.fleet.secured import parse_credential
from lwm2m_fast.fleet.thingsboard_credentials import is_thingsboard, translated
from lwm2m_fast.fleet.trust import Trust
from lwm2m_fast.fleet.vault import KEY_BYTES, Vault
from lwm2m_fast.store.memory import MemoryFleet
from lwm2m_fast.vault_file import _parse

DER = b64decode(
    "MIIBXDCCAQKgAwIBAgIUCzr/hbQiCx4dKaK/KxeUmul0Z5AwCgYIKoZIzj0EAwIwEDEOMAwGA1UEAwwFZGV2LTEwIB"
    "cNMjAwMTAxMDAwMDAwWhgPMjExOTEyMDgwMDAwMDBaMBAxDjAMBgNVBAMMBWRldi0xMFkwEwYHKoZIzj0CAQYIKoZI"
    "zj0DAQcDQgAEXoVY4rJ5PsXz6IbGdOdAXW0yetTQQqsJH6h+FdshrGy/C+AsNJLx86rPFMvlEbq+qFIGUi/0BwLI3o"
    "CyfSobG6M4MDYwDwYDVR0TAQH/BAUwAwEB/zAjBgNVHREEHDAagg1kZXYtMS5leGFtcGxlhgl1cm46ZGV2OjEwCgYI"
    "KoZIzj0EAwIDSAAwRQIgSHGbYZNiVYiGS7Q2Srh0NZLFTl3gcZkRmnVt9Kj9d/wCIQCsZuGXoUNY49CFbZ7s2dnfSG"
    "evweDUJO1k9sCutcyFAQ=="
)
PEM = b"-----BEGIN CERTIFICATE-----\n" + b64encode(DER) + b"\n-----END CERTIFICATE-----\n"
SEEDS = (
    b'\x00{"endpoint":"a","server":{"mode":"PSK","identity":"i","key":"00ff00ff00ff00ff"}}',
    b'\x00{"endpoint":"a","server":{"mode":"PSK_GENERATED"},"bootstrap":{"mode":"NO_SEC"}}',
    b'\x00{"endpoint":"a","bootstrap":{"mode":"X509","certificate":"' + b64encode(DER) + b'"}}',
    b'\x00{"client":{"securityConfigClientMode":"PSK","endpoint":"a","identity":"i","key":"'
    + b"0f" * 16
    + b'"},"bootstrap":{"bootstrapServer":{"securityMode":"NO_SEC"},'
    b'"lwm2mServer":{"securityMode":"NO_SEC"}}}',
    b'\x00{"client":{"securityConfigClientMode":"X509","endpoint":"a","x509":true}}',
    b"\x01" + DER,
    b"\x02" + PEM,
    b"\x03# keys\n1 " + b"ab" * KEY_BYTES + b"\n",
)
WORDS = (
    b'"server":', b'"bootstrap":', b'"mode":', b'"X509"', b'"PSK"', b'"client":', b'"lwm2mServer":',
    b'"key":', b"null", b"{}",
    b"[]", b'"\\ud800"', b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----", b"\x30\x82",
    b"\x06\x03\x55\x1d\x11", b"\x06\x03\x55\x04\x03", b"65535 ", b"#",
)  # fmt: skip


def _vault() -> Vault:
    return Vault({1: bytes(KEY_BYTES)}, bytes)


def _json(data: bytes) -> None:
    try:
        given = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    if not isinstance(given, dict):
        return
    credentials = Credentials(MemoryFleet(), _vault())
    if is_thingsboard(given):
        given = translated(given)
    made = parse_credential(given, lambda size: b"\xa5" * size, 1.0)
    credentials.put([made], replacing=False)
    assert credentials.get(made.endpoint) is not None
    shown = orjson.dumps(credentials.page(None, 1))
    for side in (made.server, made.bootstrap):
        if side is not None and len(side.key) >= 8:
            assert side.key.hex().encode() not in shown or side.key.hex() in side.identity


def _certificate(data: bytes) -> None:
    fleet, vault = MemoryFleet(), _vault()
    trust = Trust(fleet, vault)
    trust.add(PEM)
    flags, subject, names = Admission(Credentials(fleet, vault), trust).certificate(data, 0)
    assert bool(flags) != bool(names)
    assert bool(names) == bool(subject)
    assert all(1 <= len(name.encode()) <= 255 for name in names)


def _pem(data: bytes) -> None:
    trust = Trust(MemoryFleet(), _vault())
    assert trust.add(data) and trust.pem()


def _key_file(data: bytes) -> None:
    keys = _parse(Path("vault.key"), data)
    assert Vault(keys, bytes).newest == max(keys)


CHECKS = (_json, _certificate, _pem, _key_file)


def check(data: bytes) -> None:
    # A serial number that is not positive is the library's to refuse, some day.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        _checked(data)


def _checked(data: bytes) -> None:
    try:
        CHECKS[data[0] % len(CHECKS) if data else 0](data[1:])
    except (RequestError, ConfigError) as error:
        assert str(error)
