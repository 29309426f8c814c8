"""Where the keys and certificates of simulated devices come from."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from certificate_files import authority_in, certified, write
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.sim import identities
from lwm2m_fast.sim.certificates import in_directory
from lwm2m_fast.sim.identities import Identity, derived, listed, shared
from lwm2m_fast.sim.options import Options
from lwm2m_fast.sim.securing import write_credentials

NAME = "sim-{:06}".format
ONE = range(1, 2)


def test_a_derived_key_is_the_beginning_of_an_hmac():
    made = derived("secret", "{endpoint}", NAME)(7)
    key = hmac.digest(b"secret", b"sim-000007", hashlib.sha256)[:16]
    assert made == Identity(b"sim-000007", key)


def test_a_shared_key_comes_with_names_of_their_own_or_with_one():
    identify = shared("dev-{endpoint}", "00ff", NAME)
    assert (identify(1).name, identify(2).name) == (b"dev-sim-000001", b"dev-sim-000002")
    assert identify(1).psk == b"\x00\xff"
    same = shared("everybody", "00ff", NAME)
    assert same(1) is same(2)


@pytest.mark.parametrize(
    "text",
    [
        "sim-000001,one,00ff\n",
        "endpoint,identity,key\nsim-000001 , one , 00FF\n\n",
        '{"endpoint": "sim-000001", "identity": "one", "key": "00ff"}',
        '[{"endpoint": "sim-000001", "server": {"mode": "PSK", "identity": "one", "key": "00ff"}}]',
    ],
)
def test_keys_are_read_from_a_file(tmp_path, text):
    file = tmp_path / "keys"
    file.write_text(text)
    assert listed(file, NAME, ONE)(1) == Identity(b"one", b"\x00\xff")


@pytest.mark.parametrize(
    "text, said",
    [
        ("sim-000001,one\n", "line 1: must be endpoint,identity,key"),
        ("\nsim-000001,one,xx", "line 2: the key must be in hex"),
        ("sim-000001,one,", "line 1: key of 0 bytes"),
        ("sim-000001,one," + "00" * 65, "key of 65 bytes, must be 1 to 64"),
        ("sim-000001," + "i" * 129 + ",00", "identity of 129 bytes, must be 1 to 128"),
        ("sim-000002,two,00", "no line for endpoint 'sim-000001'"),
        ("{", "line 1: is not JSON"),
        ('{"endpoint": "sim-000001"}', "line 1: must have endpoint, identity, key"),
        ("[1]", "line 1: must have"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_line(tmp_path, text, said):
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        listed(file, NAME, ONE)


def test_identities_and_keys_are_taken_up_to_their_bounds(tmp_path):
    file = tmp_path / "keys"
    file.write_text("sim-000001," + "i" * 128 + "," + "00" * 64)
    assert len(listed(file, NAME, ONE)(1).psk) == 64


@pytest.mark.parametrize("name", ["keys.csv", "keys.json"])
def test_what_is_written_is_read_again_and_is_for_its_owner_only(tmp_path, monkeypatch, name):
    monkeypatch.setattr(identities, "MOST_OF_A_BODY", 2)
    file = tmp_path / name
    file.write_text("older and longer" * 100)
    file.chmod(0o644)
    options = Options(server="coaps://h", psk_secret="secret", devices=5)
    write_credentials(options, file)
    assert file.stat().st_mode & 0o777 == 0o600
    identify = listed(file, NAME, range(1, 6))
    assert [identify(n) for n in range(1, 6)] == [
        derived("secret", "{endpoint}", NAME)(n) for n in range(1, 6)
    ]
    if name == "keys.json":
        assert [len(json.loads(line)) for line in file.read_text().splitlines()] == [2, 2, 1]


def test_a_certificate_is_signed_for_who_has_none_and_its_key_stays_the_same(tmp_path):
    authority = authority_in(tmp_path)
    made = [in_directory(tmp_path, NAME, ONE)(1) for _ in range(2)]
    leaf = x509.load_der_x509_certificate(made[0].chain)
    leaf.verify_directly_issued_by(authority[0])
    assert leaf.subject.rfc4514_string() == "CN=sim-000001"
    assert made[0].key == made[1].key
    key = load_der_private_key(made[0].key, None)
    assert key.public_key() == leaf.public_key()
    assert made[0].anchors == made[1].anchors


def test_a_name_too_long_for_a_common_name_is_a_uri(tmp_path):
    authority_in(tmp_path)
    made = in_directory(tmp_path, lambda number: "urn:dev:" + "x" * 60, ONE)(1)
    leaf = x509.load_der_x509_certificate(made.chain)
    (names,) = [
        e.value for e in leaf.extensions if isinstance(e.value, x509.SubjectAlternativeName)
    ]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:dev:" + "x" * 60]


def test_files_of_a_device_go_before_signing(tmp_path):
    authority = authority_in(tmp_path, with_key=False)
    made = certified("sim-000001", authority)
    write(tmp_path, "sim-000001", made)
    identity = in_directory(tmp_path, NAME, ONE)(1)
    assert x509.load_der_x509_certificate(identity.chain) == made[0]
    with pytest.raises(ConfigError, match=r"neither sim-000002\.pem nor ca\.key"):
        in_directory(tmp_path, NAME, range(1, 3))


@pytest.mark.parametrize("file", ["ca.pem", "ca.key", "sim-000001.key"])
def test_files_that_are_no_certificates_are_named(tmp_path, file):
    authority = authority_in(tmp_path)
    write(tmp_path, "sim-000001", certified("sim-000001", authority))
    (tmp_path / file).write_text("nonsense")
    with pytest.raises(ConfigError, match=file):
        in_directory(tmp_path, NAME, ONE)(1)


@pytest.mark.parametrize(
    "options, said",
    [
        (
            {"server": "coaps://h"},
            "needs exactly one of psk, psk-key, psk-secret, x509, and not none",
        ),
        ({"server": "coaps://h", "psk_key": "00", "x509": "d"}, "not psk-key and x509"),
        ({"server": "coap://h", "psk_secret": "s"}, "psk-secret: the server must be coaps"),
        ({"server": "coaps://h", "psk_key": "00", "cid": 17}, "cid 17: must be 0 to 16 bytes"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        Options(**options)
