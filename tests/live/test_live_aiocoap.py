"""An aiocoap device against the real server: registers, is read over HTTP, updates and leaves."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiocoap
import httpx
from aiocoap import resource

sys.path.insert(0, str(Path(__file__).parent))

from serving import TOKEN, served

LINKS = b'</>;rt="oma.lwm2m";ct="0 60",</1/0>,</3/0>,' + b",".join(
    b"</3303/%d>" % number for number in range(200)
)


class Name(resource.Resource):
    """A manufacturer's name, after a moment or in a large form."""

    def __init__(self, payload: bytes, moments: int) -> None:
        super().__init__()
        self._payload, self._moments = payload, moments

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        if self._moments:  # beyond aiocoap's EMPTY_ACK_DELAY: a separate response
            await asyncio.sleep(0.3)
        return aiocoap.Message(payload=self._payload, content_format=0)


async def ask(context: aiocoap.Context, server, code, path: str, **parts) -> aiocoap.Message:
    uri = "coap://{}:{}/{}".format(*server.coap, path)
    message = aiocoap.Message(code=code, uri=uri, **parts)
    return await context.request(message).response


async def play(server) -> None:
    site = resource.Site()
    site.add_resource(["3", "0", "0"], Name(b"Acme", 0))
    site.add_resource(["3", "0", "1"], Name(b"later", 1))
    site.add_resource(["3", "0", "2"], Name(b"0123456789" * 500, 0))
    context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", 0))
    async with httpx.AsyncClient(
        base_url=server.http.base_url,
        headers={"Authorization": f"Bearer {TOKEN}"},
        trust_env=False,
        timeout=20,
    ) as http:
        try:
            core = await ask(context, server, aiocoap.GET, ".well-known/core")
            assert b'rt="core.rd"' in core.payload

            answer = await ask(
                context,
                server,
                aiocoap.POST,
                "rd?ep=aiocoap&lwm2m=1.1&lt=300&b=U",
                payload=LINKS,
                content_format=40,
            )
            assert answer.code == aiocoap.CREATED
            location = "/".join(answer.opt.location_path)
            shown = (await http.get("/api/v1/devices/aiocoap")).json()
            assert shown["links"] == LINKS.decode()

            values = {"0": "Acme", "1": "later", "2": "0123456789" * 500}
            for name, value in values.items():
                read = await http.get(f"/api/v1/devices/aiocoap/3/0/{name}")
                assert (read.status_code, read.json()["value"]) == (200, value)
            missing = await http.get("/api/v1/devices/aiocoap/3/0/9")
            assert missing.status_code == 404
            assert "4.04" in missing.text

            assert (await ask(context, server, aiocoap.POST, location)).code == aiocoap.CHANGED
            assert (await ask(context, server, aiocoap.DELETE, location)).code == aiocoap.DELETED
            again = await ask(context, server, aiocoap.POST, location)
            assert again.code == aiocoap.NOT_FOUND
        finally:
            await context.shutdown()


def test_an_aiocoap_device_registers_is_read_updates_and_leaves(tmp_path):
    async def played(server) -> None:
        async with asyncio.timeout(30):
            await play(server)

    with served(tmp_path / "data") as server:
        asyncio.run(played(server))
        assert server.count("requests_answered") == 4
        assert server.end() == 0
