"""Any bytes as a device profile. Invariant: JSON is a profile that survives its stored form, whose
paths can be addressed and whose bootstrap sends nobody to 0.0.0.0; or it is refused with a reason.
Nothing else is raised.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

import orjson

from lwm2m_fast.bootstrap.accounts_of import configuration_of
from lwm2m_fast.core.accounts import security_nodes
from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.configuration import ConfigurationError
from lwm2m_fast.fleet.configuration import read as read_configuration
from lwm2m_fast.fleet.profile_fields import Profile, ids_of
from lwm2m_fast.fleet.profiles import as_bytes, as_json, from_bytes, path_of_key, read, warnings_of
from tests.fleet.profile_samples import EXPORTED, NEWER, OLDER, changed

SEEDS = tuple(
    orjson.dumps(each)
    for each in (
        OLDER,
        EXPORTED,
        changed(NEWER, bootstrapServerUpdateEnable=True),
        changed(NEWER, observeAttr__attributeLwm2m={"/3_1.1": {"pmin": 1, "pmax": 2, "st": 0.5}}),
        changed(OLDER, clientLwM2mSettings__clientOnlyObserveAfterConnect=False),
        {"bootstrap": [{"host": "::", "port": 1, "securityMode": "PSK", "lifetime": 4294967295}]},
    )
)
WORDS = (
    b"null", b"true", b"[]", b"{}", b"-1", b"65535", b"65536", b"4294967296", b"1e999", b'""',
    b'"0.0.0.0"', b'"::"', b'"[::]"', b'"::ffff:0.0.0.0"', b'"localhost"', b'"NO_SEC"', b'"X509"',
    b'"RPK"', b'"PSK"', b'"/3/0/9"', b'"/3_1.1/0/9"', b'"/65535/65535/65534/65535"',
    b'"bootstrap":', b'"bootstrapServerIs":true', b'"shortServerId":', b'"serverPublicKey":"AAAA"',
    b'"profileData":', b'"transportConfiguration":', b'"observeStrategy":2', b'"keyName":',
)  # fmt: skip
PSK = {"securityMode": "PSK", "pskId": "i", "pskKey": "00"}
DEVICES = tuple(
    read_configuration(
        {
            "endpointId": "d",
            "serverSecurity": security,
            "bootstrapSecurity": {"bootstrapSecurityMode": "NO_SEC"},
            "deviceProfile": "p",
        }
    )
    for security in ({"securityMode": "NO_SEC"}, PSK, {"securityMode": "X509"})
)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 123, 65_534, 65_535, 65_536, 4_294_967_296, 1.5, "", "x",
    "0.0.0.0", "::", "localhost", "127.0.0.1", "h.example", "2001:db8::1", "0", "AAAA", "NO_SEC",
    "PSK", "RPK", "X509", "UQ", "PSM", "SINGLE", "/3/0/9", "/3_1.1/0/9", "/3303/65535/5700", "/4",
    [], {}, ["/3/0/9"], {"/3/0/9": "k"}, [{}], {"/3": {"pmin": 1}},
)  # fmt: skip
NOWHERE = ("//0.0.0.0:", "//[::]:")


def _places(given: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with every key of it."""
    names = given.keys() if isinstance(given, dict) else range(len(given))
    for name in names:
        yield given, name
        if isinstance(given[name], dict | list):
            yield from _places(given[name])


def mutate(data: bytes, random: Random) -> bytes:
    """Other values somewhere in the JSON, or a part less, or twice."""
    try:
        given = orjson.loads(data)
    except orjson.JSONDecodeError:
        return random.choice(SEEDS)
    for _ in range(random.randint(1, 4)):
        places = list(_places(given)) if isinstance(given, dict | list) else []
        if not places:
            break
        at, name = random.choice(places)
        what = random.randrange(8)
        if what == 0:
            del at[name]
        elif what == 1:
            other = random.choice(places)
            at[name] = copy.deepcopy(other[0].get(other[1]) if isinstance(other[0], dict) else None)
        else:
            at[name] = copy.deepcopy(random.choice(VALUES))
    return orjson.dumps(given)


def check(data: bytes) -> None:
    try:
        given: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    try:
        profile = read(given)
    except ConfigurationError as error:
        assert str(error) and error.problems
        return
    assert from_bytes("p", as_bytes(profile)) == profile == read(as_json(profile))
    assert all(isinstance(each, str) for each in warnings_of(profile))
    for path, key in profile.observe_attr.key_name.items():
        assert path in path_of_key(profile, key) and 3 <= len(ids_of(path)) <= 4
    for uri in (None, "coap://host.example:1"):
        _check_bootstrap(profile, uri)


def _check_bootstrap(profile: Profile, uri: str | None) -> None:
    for device in DEVICES:
        try:
            made = configuration_of(
                device,
                default_lifetime_s=1,
                default_short_id=1,
                own_uri=lambda is_secure: uri,
                certificates=lambda name: None,
                profile=profile,
            )
        except RequestError as error:
            assert str(error)
            continue
        ids = [account.short_id for account in made.accounts]
        assert len(ids) == len(set(ids))
        for account in made.accounts:
            assert security_nodes(account, 0)
            assert not any(part in account.uri for part in NOWHERE), account.uri
