"""What live tests over DTLS give a server: keys, certificates, and where its port is."""

from __future__ import annotations

from pathlib import Path

from serving import Server

from tests.certificate_kit import Made, made_certificate

KEY = bytes(range(16))


def coaps(server: Server) -> tuple[str, int]:
    assert server.coaps is not None
    return server.coaps


def give(
    server: Server, endpoint: str = "dev-1", identity: str | None = None, key: bytes = KEY
) -> None:
    """A pre-shared key for an endpoint."""
    side = {"mode": "PSK", "identity": identity or endpoint, "key": key.hex()}
    answer = server.http.put(f"/api/v1/credentials/{endpoint}", json={"server": side})
    assert answer.status_code in (200, 201), answer.text


def write_certificates(there: Path) -> Made:
    """The server's certificate with its key, and the authority that signed it, which is given."""
    authority = made_certificate("an authority", None, is_authority=True)
    own = made_certificate("lwm2m.example", authority)
    (there / "server.pem").write_bytes(own.pem + own.key_pem)
    (there / "authority.pem").write_bytes(authority.pem)
    return authority


def with_certificates(there: Path) -> dict[str, str]:
    """Settings for a server that shows and trusts those."""
    return {
        "LWM2M_FAST_DTLS__CERTIFICATE": str(there / "server.pem"),
        "LWM2M_FAST_DTLS__ANCHORS": str(there / "authority.pem"),
    }
