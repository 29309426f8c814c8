"""The aiocoap peer of a comparison: GET /.well-known/core with as many bytes as were asked for.

    python aiocoap_server.py PAYLOAD_BYTES

Stock asyncio, because under uvloop aiocoap's socket falls silent for good after an ICMP error.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import aiocoap
from aiocoap import resource

LINK_FORMAT = 40


class Fixed(resource.Resource):
    """Answers every GET with the same payload."""

    def __init__(self, payload: bytes) -> None:
        super().__init__()
        self.payload = payload

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=self.payload, content_format=LINK_FORMAT)


async def serve(payload_bytes: int) -> None:
    site = resource.Site()
    site.add_resource([".well-known", "core"], Fixed(b"x" * payload_bytes))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", port))
    print(f"ready coap=udp://127.0.0.1:{port}", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
