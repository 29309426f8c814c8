# Invariant: every row of a file of devices is a configuration that survives its stored form, shows
# no secret and stays as it is when what it shows is sent back, or is refused with its line and a
# reason that holds none; nothing else is raised.
"""Any bytes as a CSV file of devices: rows, and the configurations that they are."""

from __future__ import annotations

import orjson

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.configuration import (
    ConfigurationError,
    as_bytes,
    as_json,
    from_bytes,
    merged,
    read,
)
from lwm2m_fast.fleet.csv_rows import BadRow, Row, read_rows
from lwm2m_fast.fleet.key_pairs import server_certificate

HEAD = b"endpoint id;securityMode;bootstrapSecurityMode;lwm2m server uri"
SEEDS = (
    HEAD + b"\r\ndev-1;PSK_GENERATED;NO_SEC;coaps://10.0.0.1:5684\r\n",
    b"\xef\xbb\xbf" + HEAD.replace(b";", b",") + b'\n"dev,1",NO_SEC,X.509,"coap://h"\n\n',
    HEAD + b";lwm2m psk_id;lwm2m psk_key;bootstrap psk_id;bootstrap psk_key\n"
    b"d;PSK;psk;coaps://[::1];i;00112233445566778899aabbccddeeff;j;ffeeddccbbaa99887766554433221100",
    HEAD + b";registrationLifetime;defaultMinimumPeriod;defaultMaximumPeriod;bindingMode\n"
    b"d;NO_SEC;NO_SEC;coap://h:1;300;5;4;UQ\nd;NO_SEC;NO_SEC;coap://h:0;-1;x;;\n",
    b"ID;IDTYPE;CREDENTIALS;NAME;TYPE;SHELL;C8Y_GENERICUI;com_cumulocity_model_Agent.active;"
    b"endpoint id;securityMode\nd;c8y_Id;Passw0rd-1234;d;c8y_lwm2m;1;;true;d;NO_SEC\n",
    b"endpoint id;securityMode\n=1+1;NO_SEC\n\"a\nb\";PSK\n\"open;PSK\n",
)  # fmt: skip
WORDS = (
    b";", b",", b'"', b'""', b"\r", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\0", b"\x0b",
    b"\xe2\x80\xa8", b"PSK_GENERATED", b"PSK", b"X509", b"NO_SEC", b"coap://", b"coaps://[",
    b"=cmd|", b"-----BEGIN ", b"true", b"1e9", b"4294967295", b"lwm2m psk_key",
    b"x509ClientPrivateKey", b"c8y_x", b"\xff",
)  # fmt: skip
SECRETS = (("serverSecurity", "pskKey"), ("bootstrapSecurity", "bootstrapKey"))
LONG = 16
"""Characters of a value that nothing else has by chance."""


def check(data: bytes) -> None:
    try:
        rows = read_rows(data)
    except RequestError as error:
        assert str(error)
        return
    last = 1
    for row in rows:
        assert last <= row.line <= data.count(b"\n") + data.count(b"\r") + 1
        last = row.line + 1
        if isinstance(row, BadRow):
            assert row.why
        else:
            _check_row(row, data)


def _check_row(row: Row, data: bytes) -> None:
    secrets = {
        value
        for part, name in SECRETS
        if len(value := row.fields.get(part, {}).get(name, "")) >= LONG
        and data.count(value.encode()) == 1
    }
    try:
        made = read(row.fields, is_text=True, needs_bootstrap=True)
    except ConfigurationError as error:
        assert error.problems
        assert not any(secret in str(error) for secret in secrets)
        return
    assert from_bytes(made.endpoint_id, as_bytes(made)) == made
    shown = orjson.dumps(as_json(made)).decode()
    assert not any(secret in shown for secret in secrets)
    assert merged(made, orjson.loads(shown)) == made  # what was shown can be sent back
    certificate = server_certificate(made.server_security.x509_server_certificate_name or "")
    assert certificate is None or certificate.startswith(b"0")
