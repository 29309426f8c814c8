"""ThingsBoard's credentials in our words: both forms the same, and what it refuses refused."""

from __future__ import annotations

import copy
from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.secured import parse_credential
from lwm2m_fast.fleet.thingsboard_credentials import is_thingsboard, translated
from tests.certificate_kit import made_certificate

PAIR = made_certificate("dev-1", None)
CERTIFICATE = b64encode(PAIR.der).decode()
PRIVATE = b64encode(
    PAIR.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
).decode()
KEY = "0f" * 16
NO_SEC = {"securityMode": "NO_SEC"}
PSK = {"securityMode": "PSK", "clientPublicKeyOrId": "id", "clientSecretKey": KEY}
X509 = {"securityMode": "X509", "clientPublicKeyOrId": CERTIFICATE, "clientSecretKey": PRIVATE}

CLIENTS: dict[str, dict[str, Any]] = {
    "NO_SEC": {},
    "PSK": {"identity": "id", "key": KEY},
    "X509": {"cert": CERTIFICATE},
    "X509 by name": {"cert": ""},
}
FLAT: dict[str, dict[str, Any]] = {
    "NO_SEC": {"identity": None, "key": None, "x509": False},
    "PSK": {"identity": "id", "key": KEY, "x509": None},
    "X509": {"identity": None, "key": None, "x509": CERTIFICATE},
    "X509 by name": {"identity": None, "key": None, "x509": True},
}
SERVER: dict[str, dict[str, Any]] = {
    "NO_SEC": {"mode": "NO_SEC"},
    "PSK": {"mode": "PSK", "identity": "id", "key": KEY},
    "X509": {"mode": "X509", "certificate": CERTIFICATE},
    "X509 by name": {"mode": "X509"},
}


def client(mode: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"securityConfigClientMode": mode.split()[0], "endpoint": "dev-1", **fields}


def nested(mode: str, own: Any = NO_SEC, written: Any = NO_SEC) -> dict[str, Any]:
    halves = {"bootstrapServer": own, "lwm2mServer": written}
    return {"client": client(mode, CLIENTS[mode]), "bootstrap": copy.deepcopy(halves)}


@pytest.mark.parametrize("mode", CLIENTS)
def test_both_forms_mean_the_same(mode: str) -> None:
    new = nested(mode)
    old = {"client": client(mode, FLAT[mode]), "bootstrap": new["bootstrap"]}
    assert is_thingsboard(new) and is_thingsboard(old)
    assert translated(new) == translated(old)
    assert translated(new) == {
        "endpoint": "dev-1", "server": SERVER[mode], "bootstrap": {"mode": "NO_SEC"},
    }  # fmt: skip
    made = [parse_credential(translated(one), bytes, 1.0) for one in (new, old)]
    assert made[0] == made[1]


@pytest.mark.parametrize("mode", CLIENTS)
def test_the_flat_form_needs_no_bootstrap(mode: str) -> None:
    fields = client(mode, FLAT[mode])
    bare = {name: value for name, value in fields.items() if value is not None}
    assert translated({"client": fields}) == translated(bare)
    assert translated(bare)["bootstrap"] is None


def test_bootstrap_is_the_other_connection() -> None:
    other = {**PSK, "clientPublicKeyOrId": "bs-id"}
    found = translated(nested("PSK", other, PSK))
    assert found["bootstrap"] == {"mode": "PSK", "identity": "bs-id", "key": KEY}
    assert translated(nested("X509", X509, X509))["bootstrap"] == SERVER["X509"]
    assert translated(nested("X509 by name", NO_SEC, X509))["server"] == {"mode": "X509"}


def test_our_own_form_is_not_taken_for_it() -> None:
    for given in ({"endpoint": "a", "server": {"mode": "NO_SEC"}}, {}, [], "client", None):
        assert not is_thingsboard(given)


@pytest.mark.parametrize("digits", range(133))
def test_keys_have_32_64_96_or_128_digits(digits: int) -> None:
    given = nested("PSK")
    given["client"]["key"] = "a" * digits
    if digits in (32, 64, 96, 128):
        assert translated(given)["server"]["key"] == "a" * digits
    else:
        with pytest.raises(RequestError, match=r"client\.key"):
            translated(given)


def changed(given: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    given = copy.deepcopy(given)
    at = given
    *inner, last = path.split(".")
    for name in inner:
        at = at[name]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return given


RSA = b64encode(
    rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
).decode()


@pytest.mark.parametrize(
    ("given", "path", "value", "why"),
    [
        (nested("PSK"), "client", ..., "client is missing"),
        (nested("PSK"), "client", [], "client is missing"),
        (nested("PSK"), "bootstrap", ..., "bootstrap is missing"),
        (nested("PSK"), "bootstrap", None, "bootstrap is missing"),
        (nested("PSK"), "bootstrap.bootstrapServer", ..., "bootstrapServer is missing"),
        (nested("PSK"), "bootstrap.lwm2mServer", None, "lwm2mServer is missing"),
        (nested("PSK"), "bootstrap.more", {}, "'bootstrap.more' is not known"),
        (nested("PSK"), "more", {}, "'more' is not known"),
        (nested("PSK"), "client.cert", "x", "'client.cert' is not known"),
        (nested("NO_SEC"), "client.key", KEY, "'client.key' is not known"),
        (nested("PSK"), "client.endpoint", " ", "client.endpoint is blank"),
        (nested("PSK"), "client.endpoint", ..., "client.endpoint is blank"),
        (nested("PSK"), "client.identity", "", "client.identity is blank or NO_SEC"),
        (nested("PSK"), "client.identity", "NO_SEC", "client.identity is blank or NO_SEC"),
        (nested("PSK"), "client.identity", "i" * 129, "client.identity has 129 bytes"),
        (nested("PSK"), "client.key", ..., "client.key is missing"),
        (nested("PSK"), "client.key", "zz" * 16, "client.key is missing, or has characters"),
        (nested("PSK"), "client.securityConfigClientMode", "RPK", "is RPK: the TLS library"),
        (nested("PSK"), "client.securityConfigClientMode", "psk", "is 'psk', allowed are"),
        (nested("PSK"), "client.securityConfigClientMode", [], r"is \[\], allowed are"),
        (nested("X509"), "client.cert", "!", "client.cert is not base64"),
        (nested("X509"), "client.cert", "AAAA", "client.cert"),
        (nested("X509"), "client.cert", 7, "client.cert is missing"),
        (nested("PSK", PSK, PSK), "bootstrap.bootstrapServer.securityMode", "RPK", "is RPK"),
        (nested("PSK", PSK, PSK), "bootstrap.bootstrapServer.clientSecretKey", "0f",
         r"bootstrap\.bootstrapServer\.clientSecretKey has 2 hex digits"),
        (nested("PSK", PSK, PSK), "bootstrap.lwm2mServer.clientPublicKeyOrId", "other",
         "is another credential than client"),
        (nested("PSK", NO_SEC, PSK), "bootstrap.lwm2mServer.clientSecretKey", "0e" * 16,
         "is another credential than client"),
        (nested("PSK", NO_SEC, X509), "more", ..., "is another credential than client"),
        (nested("X509", X509, X509), "bootstrap.bootstrapServer.clientSecretKey", RSA,
         "is no private key of an elliptic curve"),
        (nested("X509", X509, X509), "bootstrap.bootstrapServer.clientSecretKey", "AAAA",
         "is no private key of an elliptic curve"),
        (nested("X509", X509, X509), "bootstrap.bootstrapServer.clientSecretKey", ...,
         "clientSecretKey is missing"),
        (nested("NO_SEC"), "bootstrap.lwm2mServer.clientSecretKey", KEY, "is not known"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_no_key_repeated(
    given: dict[str, Any], path: str, value: Any, why: str
) -> None:
    wrong = given if path == "more" and value is ... else changed(given, path, value)
    with pytest.raises(RequestError, match=why) as caught:
        translated(wrong)
    assert not any(key in str(caught.value) for key in (KEY, "0e" * 16, PRIVATE, RSA, "zz" * 16))
