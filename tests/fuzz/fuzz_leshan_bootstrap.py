"""Leshan's bootstrap configurations. Invariant: a body is refused with a RequestError, or becomes a
configuration; what is shown of that is JSON without its key, and can be read again.
"""

from __future__ import annotations

import orjson

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.configuration import as_json, read
from lwm2m_fast.rest.leshan.bootstrap_json import Here, given_of, shown
from lwm2m_fast.rest.leshan.nodes import parsed_json

HERE = Here("coap://b", "coaps://b", b"a certificate", 300, 1)
SECRET = b"\x01\x02\x03a secret"

SEEDS = (
    b'{"servers":{"0":{"shortId":1,"lifetime":60,"binding":"U"}},"security":{"1":{"uri":"coap://a",'
    b'"securityMode":"NO_SEC","serverId":1,"clientOldOffTime":1}},"toDelete":["/0","/1"]}',
    b'{"servers":{"0":{"shortId":1}},"security":{"0":{"bootstrapServer":true,"uri":"coaps://b",'
    b'"securityMode":"PSK","publicKeyOrId":[98],"secretKey":[1,2]},"1":{"uri":"coaps://a",'
    b'"securityMode":"PSK","serverId":1,"publicKeyOrId":[97],"secretKey":'
    + orjson.dumps(list(SECRET))
    + b"}}}",
    b'{"servers":{"1":{"shortId":2,"notifIfDisabled":true},"0":{"shortId":1}},"security":{"0":{"uri":'
    b'"coaps://a","securityMode":"X509","serverId":1,"certificateUsage":3},"2":{"uri":"coap://c",'
    b'"securityMode":"NO_SEC","serverId":2}},"oscore":{},"acls":{}}',
)
WORDS = (
    b'"shortId":', b'"serverId":', b'"uri":', b'"securityMode":', b'"secretKey":', b'"servers":',
    b'"publicKeyOrId":', b'"bootstrapServer":true', b'"X509"', b"null", b"true", b"[1,2]", b"65535",
    b'"furtherServers"', b'"certificateUsage":', b'"\\ud800"',
)  # fmt: skip


def check(data: bytes) -> None:
    try:
        body = parsed_json(data)
        if not isinstance(body, dict):
            return
        given = given_of("dev-1", body, HERE)
        given.setdefault("bootstrapSecurity", {"bootstrapSecurityMode": "NO_SEC"})
        configuration = read(given)
    except RequestError:
        return
    text = orjson.dumps(shown(as_json(configuration), HERE))
    assert orjson.dumps(list(SECRET)) not in text
    again = orjson.loads(text)
    for account in again["security"].values():
        if account["securityMode"] == "PSK":
            account["secretKey"] = [1]
    read({"bootstrapSecurity": given["bootstrapSecurity"], **given_of("dev-1", again, HERE)})
