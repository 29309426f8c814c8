"""What a bootstrap does beside accounts, as JSON. Invariant: it is refused with an Error, or it can
be kept and shown, and each step of the bootstrap is a request or ends it with an Error.
"""

from __future__ import annotations

import json

from lwm2m_fast.bootstrap.accounts_of import configuration_of
from lwm2m_fast.core.bootstrap import MAX_STEPS, Session
from lwm2m_fast.errors import Error, RequestError
from lwm2m_fast.fleet.configuration import as_bytes, as_json, from_bytes, read

PLAIN = {
    "endpointId": "d",
    "bootstrapSecurity": {"bootstrapSecurityMode": "NO_SEC"},
    "serverSecurity": {"securityMode": "NO_SEC"},
    "lwm2mServerUri": "coap://h",
}
SEEDS = (
    b'{"deletes":["/","/2","/3/0"],"reads":["/1","/2/0"],"endsAt":["WRITE","READ"]}',
    b'{"writes":{"/2/0":{"0":3,"1":0,"2":{"1":15},"3":65535}},"contentFormat":"SENML_JSON"}',
    b'{"writes":{"/32999/1":{"0":true,"1":1.5,"2":{"hex":"00ff"},"3":"a","4":{}}},'
    b'"contentFormat":"JSON"}',
    b'{"writes":{"/3303/0":{"5700":1,"5701":"Cel","5605":1},"/6/0":{"0":1.5,"5":"2020-01-01"}},'
    b'"contentFormat":"LWM2M_CBOR"}',
)
WORDS = (
    b'"writes":', b'"deletes":', b'"reads":', b'"contentFormat":', b'"TLV"', b'"SENML_CBOR"',
    b'{"hex":"0"}', b'"/5/0":', b'"/65534/65534":', b'"65534":', b"1e400", b"-1", b"null",
    b'"\\ud800"', b"18446744073709551615", b"[]", b"{}",
)  # fmt: skip


def check(data: bytes) -> None:
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        configuration = read({**PLAIN, "bootstrapSteps": given})
    except RequestError:
        return
    assert from_bytes("d", as_bytes(configuration)) == configuration
    assert as_json(configuration)["endpointId"] == "d"
    try:
        session = Session(
            configuration_of(
                configuration,
                default_lifetime_s=300,
                default_short_id=1,
                own_uri=lambda is_secure: None,
                certificates=lambda name: None,
            )
        )
    except RequestError:
        return
    for _ in range(MAX_STEPS):
        try:
            if session.next() is None:
                return
        except Error:
            return
        session.answered("answered", 0x44)
    raise AssertionError("more steps than there may be")
