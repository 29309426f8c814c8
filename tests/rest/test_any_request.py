"""Whatever is asked, the answer is no 5xx and, if it is an error, a problem."""

from __future__ import annotations

from urllib.parse import quote_from_bytes

from fake_service import Api, FakeService
from hypothesis import given, settings
from hypothesis import strategies as st

METHODS = st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"])
WORDS = st.sampled_from(
    [
        "api",
        "v1",
        "devices",
        "provisioned",
        "tokens",
        "dev-1",
        "3",
        "0",
        "..",
        "",
        "operations",
        "values",
        "observations",
        "attributes",
        "settings",
        "shell",
        "batches",
        "files",
        "1",
        "post-registration",
        "presence",
        "credentials",
        "trust",
        "lwm2m-connector",
        "lwm2m%2Dconnector",
        "unbound",
        "configurations",
        "rpc",
    ]
)
SEGMENTS = WORDS | st.binary(max_size=12).map(quote_from_bytes)
PATHS = st.lists(SEGMENTS, max_size=7).map("/".join)
VALUES = st.integers(-2, 10**20).map(str) | st.binary(max_size=8).map(quote_from_bytes)
NAMES = st.sampled_from(
    [
        "cursor",
        "limit",
        "contains",
        "after",
        "timeout",
        "accept",
        "x",
        "wait",
        "before",
        "state",
        "path",
        "mode",
        "valid_until",
        "format",
    ]
)
QUERIES = st.lists(st.tuples(NAMES, VALUES).map("=".join), max_size=3).map("&".join)
BODIES = st.binary(max_size=40) | st.sampled_from(
    [
        b'{"endpoints":["a"]}',
        b'{"endpoints":[1e999]}',
        b"[" * 5000,
        b'{"name":"\\ud800"}',
        b'{"op":"read","path":"/3"}',
        b'[{"op":"write","path":"/3/0/14","value":"x"}]',
        b"read /3",
        b'{"endpoints":["a"],"orders":{"op":"read","path":"/3"}}',
        b'{"path":"/3"}',
        b'{"pmin":1}',
        b'{"endpoint":"a","server":{"mode":"PSK_GENERATED"}}',
        b'[{"endpoint":"\\ud800","server":{"mode":"X509","certificate":"AAAA"}}]',
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    METHODS,
    st.sampled_from(["/api/v1/devices/", "/api/v1/devices/dev-1/", "/api/v1/batches", "/"]),
    PATHS,
    QUERIES,
    BODIES,
)
def test_no_request_is_a_server_error(
    method: str, start: str, path: str, query: str, body: bytes
) -> None:
    api = Api(FakeService("dev-1"))
    answer = api.ask(
        method,
        f"http://test{start}{path}?{query}",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
    assert api.counters["http_requests_current"] == 0
