"""A device's configuration: what is accepted, what is refused and how it is said."""

from __future__ import annotations

import copy
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.configuration import (
    MASK,
    ConfigurationError,
    as_bytes,
    as_json,
    from_bytes,
    merged,
    read,
    with_generated,
)
from tests.fleet.configuration_samples import SAMPLE

PLAIN: dict[str, Any] = {"endpointId": "d", "serverSecurity": {"securityMode": "NO_SEC"}}
PSK: dict[str, Any] = {
    "endpointId": "d",
    "serverSecurity": {"securityMode": "PSK", "pskId": "i", "pskKey": "00ff"},
}


def problems(given: Any, **options: bool) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        read(given, **options)
    return [str(problem) for problem in refused.value.problems]


def pair(name: str = "d") -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM).decode(), pem.decode()


def test_the_sample_body_is_kept_field_by_field() -> None:
    kept = as_json(read(SAMPLE, needs_bootstrap=True))
    expected = copy.deepcopy(SAMPLE)
    expected["serverSecurity"]["securityMode"] = "X509"
    expected["bootstrapSecurity"]["bootstrapKey"] = MASK
    assert {name: kept[name] for name in expected} == expected


def test_defaults_are_the_documented_ones() -> None:
    kept = as_json(read(PLAIN))
    assert {name: kept[name] for name in ("type", "logLevel", "bindingMode")} == {
        "type": "c8y_lwm2m",
        "logLevel": "LIFECYCLE",
        "bindingMode": "U",
    }
    assert kept["genericUIRetainOldValuesIfError"] is True
    assert "registrationLifetime" not in kept


def test_what_is_stored_is_read_back_with_its_secrets() -> None:
    for given in (SAMPLE, PSK):
        before = read(given)
        assert from_bytes("d", as_bytes(before)) == before


@pytest.mark.parametrize("row", [b"", b"[]", b"{}", b'{"endpointId":1}', b"\xff"])
def test_a_stored_row_that_is_none_is_refused(row: bytes) -> None:
    with pytest.raises(StoreError, match="the stored configuration of 'd'"):
        from_bytes("d", row)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"endpointId": ""}, "endpointId an endpoint name has 1 to 255 bytes of UTF-8, this has 0"),
        ({"endpointId": "é" * 128},
         "endpointId an endpoint name has 1 to 255 bytes of UTF-8, this has 256"),
        ({"registrationLifetime": "12"}, "registrationLifetime is '12': must be a whole number"),
        ({"registrationLifetime": True}, "registrationLifetime is True: must be a whole number"),
        ({"registrationLifetime": 1.5}, "registrationLifetime is 1.5: must be a whole number"),
        ({"registrationLifetime": 10**30},
         "registrationLifetime is 1000000000000000000000000000000: must be 4294967295 or less"),
        ({"registrationLifetime": [1]}, "registrationLifetime must be a whole number"),
        ({"registrationLifetime": -1},
         "registrationLifetime is -1: must be 0 or more"),
        ({"enableResourceLevelTimestamp": "yes"},
         "enableResourceLevelTimestamp is 'yes': must be true or false"),
        ({"lwm2mRequestTimeout": 9999},
         "lwm2mRequestTimeout is 9999: must be 10000 or more"),
        ({"lwm2mShortServerId": 0},
         "lwm2mShortServerId is 0: must be 1 or more"),
        ({"lwm2mShortServerId": 65535},
         "lwm2mShortServerId is 65535: must be 65534 or less"),
        ({"bindingMode": "T"}, "bindingMode is 'T': must be 'U' or 'UQ'"),
        ({"foo": 1}, "foo is no field of a device's configuration"),
        ({"serverSecurity": {"securityMode": "RPK"}},
         "serverSecurity.securityMode is 'RPK': must be 'NO_SEC', 'PSK', 'X509' or "
         "'PSK_GENERATED'"),
        ({"serverSecurity": None}, "serverSecurity is missing"),
        ({"serverSecurity": "00ff"}, "serverSecurity must be an object"),
        ({"serverSecurity": {"securityMode": "NO_SEC", "pskkey": "00ff"}},
         "serverSecurity.pskkey is no field of a device's configuration"),
        ({"type": "x" * 1025},
         "type is '" + "x" * 59 + ": must have at most 1024 characters"),
        ({"lwm2mServerUri": "http://x"},
         "lwm2mServerUri is 'http://x': must be coap://HOST:PORT or coaps://HOST:PORT"),
        *(({"lwm2mServerUri": f"coap://{rest}"},
           f"lwm2mServerUri is {'coap://' + rest!r}: must be coap://HOST:PORT or coaps://HOST:PORT")
          for rest in ("", "a b", "a\n:5", "h:0", "h#x", "é")),
        ({"lwm2mServerUri": "coap://u:secret@h"},
         "lwm2mServerUri has an @, and a server's URI has no user in it"),
        ({"lwm2mServerUri": "coaps://x"},
         "lwm2mServerUri is 'coaps://x': must be coap:// with security mode NO_SEC"),
        ({"defaultMinimumPeriod": 9, "defaultMaximumPeriod": 8},
         "defaultMaximumPeriod is 8, less than defaultMinimumPeriod, 9"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field_and_the_rule(change: dict[str, Any], told: str) -> None:
    assert problems(PLAIN | change) == [told]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert len(problems({"endpointId": "", "registrationLifetime": "x", "a": 1, "b": 2})) == 5


@pytest.mark.parametrize("missing", ["pskId", "pskKey"])
def test_a_psk_connection_needs_both_halves(missing: str) -> None:
    given = copy.deepcopy(PSK)
    del given["serverSecurity"][missing]
    assert problems(given) == [
        f"serverSecurity.{missing} is missing, which security mode PSK needs"
    ]


@pytest.mark.parametrize("missing", ["bootstrapId", "bootstrapKey"])
def test_a_psk_bootstrap_needs_both_halves(missing: str) -> None:
    given = copy.deepcopy(SAMPLE)
    del given["bootstrapSecurity"][missing]
    assert problems(given) == [
        f"bootstrapSecurity.{missing} is missing, which security mode PSK needs"
    ]


@pytest.mark.parametrize("key", ["", "0", "0g", "00 ff", "00" * 65])
def test_a_key_is_whole_hexadecimal_bytes_and_is_not_repeated(key: str) -> None:
    given = copy.deepcopy(PSK)
    given["serverSecurity"]["pskKey"] = key
    (told,) = problems(given)
    assert told.startswith("serverSecurity.pskKey a key has") or "even number" in told
    assert len(key) < 3 or key not in told


def test_identities_have_128_bytes_at_most() -> None:
    given = copy.deepcopy(PSK)
    given["serverSecurity"]["pskId"] = "ü" * 64
    assert read(given).server_security.psk_id == "ü" * 64
    given["serverSecurity"]["pskId"] = "ü" * 64 + "x"
    assert problems(given) == [
        "serverSecurity.pskId a PSK identity has 1 to 128 bytes of UTF-8, this has 129"
    ]


def test_a_bootstrap_needs_the_uri_that_it_writes() -> None:
    given = {name: value for name, value in SAMPLE.items() if name != "lwm2mServerUri"}
    assert problems(given) == ["lwm2mServerUri is missing, which a bootstrap writes to the device"]


def test_how_it_bootstraps_may_have_to_be_said() -> None:
    assert read(PLAIN).bootstrap_security is None
    assert problems(PLAIN, needs_bootstrap=True) == [
        "bootstrapSecurity.bootstrapSecurityMode is missing"
    ]


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("binaryDeliveryEncoding", "nonsense", "OPAQUE"),
        ("binaryDeliveryEncoding", "", "OPAQUE"),
        ("binaryDeliveryEncoding", "tlv", "TLV"),
        ("serializationFormat", "nonsense", None),
        ("serializationFormat", "", None),
        ("serializationFormat", "senml_cbor", "SENML_CBOR"),
        ("disableTimeout", True, None),
        ("disableTimeout", 30, 30),
        ("c8y_GenericUI_retainOldValuesIfError", False, None),
    ],
)
def test_spellings_of_files_in_use_are_taken(name: str, given: Any, kept: Any) -> None:
    assert as_json(read(PLAIN | {name: given})).get(name) == kept


def test_both_names_of_a_field_are_one() -> None:
    kept = read(PLAIN | {"c8y_GenericUI_retainOldValuesIfError": False})
    assert kept.retain_old_values is False
    assert (
        read(PLAIN | {"fwResetStateMachineOnStart": False}).fw_reset_state_machine_on_start is False
    )


def test_text_counts_as_numbers_only_where_all_is_text() -> None:
    given = PLAIN | {"registrationLifetime": "60", "enableResourceLevelTimestamp": "true"}
    kept = read(given, is_text=True)
    assert (kept.registration_lifetime, kept.enable_resource_level_timestamp) == (60, True)
    given["registrationLifetime"] = "abc"
    assert problems(given, is_text=True) == [
        "registrationLifetime is 'abc': must be a whole number"
    ]


def test_a_certificate_needs_its_own_key() -> None:
    certificate, key = pair()
    _, other = pair()
    security = {"securityMode": "X509", "x509Certificate": certificate}
    read(PLAIN | {"serverSecurity": security | {"x509PrivateKey": key}})
    for wrong, told in (
        (other, "serverSecurity.x509PrivateKey does not belong to the certificate"),
        ("x", "serverSecurity.x509PrivateKey is not an unencrypted private key in PEM"),
    ):
        assert problems(PLAIN | {"serverSecurity": security | {"x509PrivateKey": wrong}}) == [told]
    assert problems(
        PLAIN | {"serverSecurity": {"securityMode": "X509", "x509Certificate": "x"}}
    ) == ["serverSecurity.x509Certificate is not a certificate in PEM"]


def test_a_certificate_of_a_version_that_there_is_not_is_refused() -> None:
    certificate, key = pair()
    der = x509.load_pem_x509_certificate(certificate.encode()).public_bytes(Encoding.DER)
    odd = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09", 1)
    assert odd != der
    text = b64encode(odd).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
    security = {"securityMode": "X509", "x509Certificate": pem, "x509PrivateKey": key}
    (told,) = problems(PLAIN | {"serverSecurity": security})
    assert "certificate in PEM" in told


def test_nothing_that_is_shown_holds_a_secret() -> None:
    certificate, key = pair()
    given = copy.deepcopy(SAMPLE)
    given["serverSecurity"] |= {"x509ClientCertificate": certificate, "x509ClientPrivateKey": key}
    kept = read(given)
    shown = repr(as_json(kept)) + repr(kept)
    assert "AABB3104D212" not in shown
    assert "PRIVATE KEY" not in shown
    assert len(as_json(kept)["serverSecurity"]["x509PrivateKeyFingerPrint"]) == 64


def test_generated_keys_differ_and_are_told_once() -> None:
    given = {
        "endpointId": "dev-1",
        "serverSecurity": {"securityMode": "PSK_GENERATED"},
        "bootstrapSecurity": {"bootstrapSecurityMode": "PSK_GENERATED"},
        "lwm2mServerUri": "coaps://h:5784",
    }
    fresh = iter([bytes(16), bytes([1] * 16)])
    kept, made = with_generated(read(given), lambda size: next(fresh)[:size])
    assert made == {
        "serverSecurity.pskKey": "00" * 16,
        "bootstrapSecurity.bootstrapKey": "01" * 16,
    }
    assert kept.server_security.security_mode == "PSK"
    assert kept.server_security.psk_id == "dev-1"
    assert "00" * 16 not in repr(as_json(kept))


def test_nothing_is_generated_where_a_key_is_given() -> None:
    given = {"securityMode": "PSK_GENERATED", "pskKey": "00"}
    assert problems(PLAIN | {"serverSecurity": given}) == [
        "serverSecurity.pskKey is given, but PSK_GENERATED makes its own"
    ]
    assert problems({"endpointId": "x" * 129, "serverSecurity": {"securityMode": "PSK_GENERATED"}})[
        0
    ].startswith("endpointId is longer than the 128 bytes of a PSK identity")


def test_further_servers_are_checked_like_the_first() -> None:
    server = {"uri": "coap://h", "serverId": 2, "security": {"securityMode": "NO_SEC"}}
    assert read(PLAIN | {"furtherServers": [server]}).further_servers[0].server_id == 2
    assert problems(PLAIN | {"furtherServers": [server | {"serverId": 1}]}) == [
        "furtherServers.0.serverId is 1, as another server's"
    ]
    assert problems(PLAIN | {"furtherServers": [server | {"uri": "coaps://h"}]}) == [
        "furtherServers.0.uri is 'coaps://h': must be coap:// with security mode NO_SEC"
    ]


def test_a_change_keeps_what_it_does_not_name() -> None:
    before = read(SAMPLE)
    after = merged(before, {"registrationLifetime": None, "serverSecurity": {"securityMode": "PSK",
                            "pskId": "i", "pskKey": "00"}})  # fmt: skip
    assert after.registration_lifetime is None
    assert after.bootstrap_security == before.bootstrap_security


def test_a_masked_key_sent_back_stays_the_key() -> None:
    before = read(SAMPLE)
    assert merged(before, as_json(before)) == before


def further(number: int, **security: str) -> dict[str, Any]:
    return {"uri": "coaps://h", "serverId": number, "security": security}


def test_masked_keys_of_further_servers_sent_back_stay_the_keys() -> None:
    certificate, key = pair()
    x509_pair = {"x509Certificate": certificate, "x509PrivateKey": key}
    before = read(
        PLAIN
        | {
            "furtherServers": [
                further(2, securityMode="PSK", pskId="i", pskKey="00ff"),
                further(3, securityMode="X509", **x509_pair),
            ]
        }
    )
    shown = as_json(before)
    assert key not in repr(shown)
    assert merged(before, shown) == before
    first, second = shown["furtherServers"]
    assert merged(before, {"furtherServers": [second, first]}).further_servers == (
        before.further_servers[1],
        before.further_servers[0],
    )
    with pytest.raises(ConfigurationError, match=r"furtherServers\.0\.security\.pskKey a key is"):
        merged(before, {"furtherServers": [first | {"serverId": 9}]})
    with pytest.raises(ConfigurationError, match="x509PrivateKeyFingerPrint is no field"):
        second["security"]["x509PrivateKeyFingerPrint"] = "00" * 32
        merged(before, {"furtherServers": [second]})


@pytest.mark.parametrize("mode", ["PSK_GENERATED", "psk_generated"])
def test_a_key_is_renewed_by_the_mode_that_makes_one(mode: str) -> None:
    before = read(SAMPLE | {"serverSecurity": PSK["serverSecurity"]})
    sent_back = as_json(before)
    sent_back["serverSecurity"]["securityMode"] = mode
    for given in ({"serverSecurity": {"securityMode": mode}}, sent_back):
        kept, made = with_generated(merged(before, given), bytes)
        assert made == {"serverSecurity.pskKey": "00" * 16}
        assert kept.server_security.psk_id == before.endpoint_id
        assert kept.bootstrap_security == before.bootstrap_security
    with pytest.raises(ConfigurationError, match="pskId is given, but PSK_GENERATED"):
        merged(before, {"serverSecurity": {"securityMode": mode, "pskId": "another"}})


def test_null_is_as_if_nothing_were_said() -> None:
    names = ("type", "bindingMode", "binaryDeliveryEncoding", "securityInstanceOffset", "logLevel")
    assert read(PLAIN | dict.fromkeys(names)) == read(PLAIN)
    assert "bindingMode" not in read(PLAIN | {"bindingMode": None}).model_fields_set


def test_a_part_that_is_shown_as_null_stays_unset() -> None:
    before = read(PLAIN)
    names = ("bootstrapSecurityMode", "bootstrapId", "bootstrapKey")
    assert merged(before, {"bootstrapSecurity": dict.fromkeys(names)}) == before
    with pytest.raises(ConfigurationError, match="bootstrapSecurityMode is missing"):
        merged(before, {"bootstrapSecurity": {}})


@pytest.mark.parametrize(
    ("name", "value"),
    [("pskKey", 123456), ("x509Certificate", 654321), ("x509ServerCertificateName", "k" * 20_000)],
)
def test_what_may_be_a_secret_is_not_repeated(name: str, value: Any) -> None:
    given = {"securityMode": "NO_SEC", name: value}
    (told,) = problems(PLAIN | {"serverSecurity": given})
    assert told.startswith(f"serverSecurity.{name} ")
    assert str(value)[:6] not in told


def test_the_scheme_of_a_uri_may_be_in_any_case() -> None:
    assert read(PLAIN | {"lwm2mServerUri": "COAP://Host"}).lwm2m_server_uri == "coap://Host"


def test_a_change_by_the_other_name_counts() -> None:
    before = read(PLAIN)
    assert not merged(before, {"c8y_GenericUI_retainOldValuesIfError": False}).retain_old_values


def test_a_change_that_makes_it_invalid_changes_nothing() -> None:
    before = read(SAMPLE)
    with pytest.raises(ConfigurationError, match="pskId is missing"):
        merged(before, {"serverSecurity": {"securityMode": "PSK"}})
    with pytest.raises(ConfigurationError, match="endpointId cannot be changed"):
        merged(before, {"endpointId": "other"})


@pytest.mark.parametrize("field", ["x509Certificate", "x509ServerCertificateName"])
def test_a_private_key_beside_a_certificate_is_refused_as_both_would_be_shown(field: str) -> None:
    certificate, key = pair()
    given = copy.deepcopy(SAMPLE)
    given["serverSecurity"][field] = certificate
    read(given)
    given["serverSecurity"][field] = certificate + key
    (problem,) = problems(given)
    assert problem.startswith(f"serverSecurity.{field} has a private key in it, and is shown")
    assert key.splitlines()[1] not in problem


@pytest.mark.parametrize("name", ["a", "serverSecurity", "bootstrapSteps"])
def test_a_change_that_lies_very_deep_is_refused_as_any_other(name: str) -> None:
    deep: Any = 1
    for _ in range(1_020):  # as deep as JSON is taken
        deep = {"a": deep}
    with pytest.raises(ConfigurationError, match=rf"{name}.* is no field"):
        merged(read(PLAIN), {name: deep})


@pytest.mark.parametrize("name", ["endpointId", "bootstrapSteps", "furtherServers", "more"])
def test_what_lies_very_deep_is_refused_as_any_other(name: str) -> None:
    deep: Any = None
    for _ in range(5000):
        deep = [{"writes": deep, "more": deep}]
    with pytest.raises(ConfigurationError):
        read(PLAIN | {name: deep})
