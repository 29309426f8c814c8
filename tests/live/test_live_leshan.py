"""Leshan's interface of the real server, over a device that aiocoap makes."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiocoap
import httpx
from aiocoap import resource

sys.path.insert(0, str(Path(__file__).parent))

from serving import served

OPEN = {
    "LWM2M_FAST_HTTP__LESHAN_API": "true",
    "LWM2M_FAST_HTTP__LESHAN_OPEN": "true",
}
LINKS = b'</>;rt="oma.lwm2m";ct="0 110",</1/0>,</3/0>,</5/0>,</3303/0>'
JSON_FORMAT = 110


class Value(resource.ObservableResource):
    """A resource that is read, written, executed and observed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.query, self.executed = text, (), b""

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        if request.opt.accept == 40:
            links = b"</3303/0/5700>;pmin=10;gt=2.5"
            return aiocoap.Message(payload=links, content_format=40)
        return aiocoap.Message(payload=self.text.encode(), content_format=0)

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        self.query = request.opt.uri_query
        if request.payload:
            self.text = request.payload.decode()
            self.updated_state()
        return aiocoap.Message(code=aiocoap.CHANGED)

    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        self.executed = request.payload
        return aiocoap.Message(code=aiocoap.CHANGED)


class Package(Value):
    """A resource that takes what it is given, in any size."""

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        self.executed = request.payload
        return aiocoap.Message(code=aiocoap.CHANGED)


class Thing:
    """The device: its resources, and how it registers and sends."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.temperature, self.zone = Value("21.5"), Value("Europe/Paris")
        self.reboot, self.package = Value(""), Package("")
        site = resource.Site()
        site.add_resource(["3303", "0", "5700"], self.temperature)
        site.add_resource(["3", "0", "15"], self.zone)
        site.add_resource(["3", "0", "4"], self.reboot)
        site.add_resource(["5", "0", "0"], self.package)
        self.site = site

    async def start(self) -> None:
        self.context = await aiocoap.Context.create_server_context(self.site, bind=("127.0.0.1", 0))
        answer = await self.post("rd?ep=thing&lwm2m=1.1&lt=300&b=U", LINKS, 40)
        assert answer.code == aiocoap.CREATED

    async def post(self, path: str, payload: bytes, content_format: int) -> aiocoap.Message:
        uri = "coap://{}:{}/{}".format(*self.server.coap, path)
        message = aiocoap.Message(
            code=aiocoap.POST, uri=uri, payload=payload, content_format=content_format
        )
        return await self.context.request(message).response


class Events:
    """The event stream, read until an event of a name."""

    def __init__(self, lines: Any) -> None:
        self.lines = lines

    async def next(self, name: str) -> dict[str, Any]:
        async for line in self.lines:
            if line == f"event: {name}":
                async for data in self.lines:
                    if data.startswith("data: "):
                        found: dict[str, Any] = json.loads(data.removeprefix("data: "))
                        return found
        raise AssertionError(f"the stream ended without {name}")


async def manage(http: httpx.AsyncClient, thing: Thing) -> None:
    """Every operation once."""
    read = (await http.get("/clients/thing/3303/0/5700")).json()
    assert read["content"] == {
        "kind": "singleResource", "id": 5700, "type": "FLOAT", "value": "21.5",
    }  # fmt: skip

    zone = {"id": "15", "type": "string", "value": "Europe/Oslo"}
    written = (await http.put("/clients/thing/3/0/15?format=TEXT", json=zone)).json()
    assert (written["status"], thing.zone.text) == ("CHANGED(204)", "Europe/Oslo")

    executed = (await http.post("/clients/thing/3/0/4", content="0='1'")).json()
    assert (executed["status"], thing.reboot.executed) == ("CHANGED(204)", b"0='1'")

    url = "/clients/thing/3303/0/5700"
    attributes = (await http.put(f"{url}/attributes?pmin=10&gt=2.5")).json()
    assert (attributes["success"], thing.temperature.query) == (True, ("pmin=10", "gt=2.5"))

    links = (await http.get(f"{url}/discover")).json()["objectLinks"]
    assert links == [{"url": "/3303/0/5700", "attributes": {"pmin": "10", "gt": "2.5"}}]

    missing = (await http.get("/clients/thing/3/0/99")).json()
    assert (missing["status"], missing["failure"]) == ("NOT_FOUND(404)", True)

    image = {"id": 0, "type": "OPAQUE", "value": "ab" * 5000}
    large = (await http.put("/clients/thing/5/0/0?format=OPAQUE", json=image)).json()
    assert (large["success"], thing.package.executed) == (True, b"\xab" * 5000)


async def report(http: httpx.AsyncClient, thing: Thing, events: Events) -> None:
    """Notifications and Sends."""
    observe = "/clients/thing/3303/0/5700/observe"
    assert (await http.post(observe)).json()["content"]["value"] == "21.5"
    thing.temperature.text = "22.5"
    thing.temperature.updated_state()
    told = await events.next("NOTIFICATION")
    assert (told["ep"], told["kind"], told["res"]) == ("thing", "single", "/3303/0/5700")
    assert told["val"]["value"] == "22.5"

    pack = (
        b'[{"bn":"/3303/0/","n":"5700","v":1.5,"t":1700000000},{"n":"5700","v":2.5,"t":1700000060}]'
    )
    assert (await thing.post("dp", pack, JSON_FORMAT)).code == aiocoap.CHANGED
    sent = await events.next("SEND")
    assert sent["val"]["/3303/0/5700"]["value"] == "2.5"
    assert [one["timestamp"] for one in sent["timestamped"]] == [1700000060000, 1700000000000]

    passive = await http.delete(observe)
    assert (passive.status_code, passive.content) == (200, b"")
    assert (await http.delete(observe + "?active")).status_code == 404


async def sleep(http: httpx.AsyncClient, thing: Thing, events: Events) -> None:
    """A queue-mode device that says by `at` for how many milliseconds it listens."""
    registered = await thing.post("rd?ep=sleeper&lwm2m=1.1&lt=300&b=U&Q&at=1500", LINKS, 40)
    location = "/".join(registered.opt.location_path)
    while not (await http.get("/clients/sleeper")).json()["sleeping"]:
        pass  # asking takes its time
    read = (await http.get("/clients/sleeper/3/0/15")).json()
    number = read["requestId"]
    wanted = {"ep": "sleeper", "path": "/3/0/15", "requestId": number, "delayed": True}
    assert read == wanted
    assert (await thing.post(location, b"", 40)).code == aiocoap.CHANGED
    late = await events.next("REQUEST_RESPONSE")
    assert late.pop("response")["content"]["value"] == "Europe/Oslo"
    assert late == wanted


async def play(server: Any) -> None:
    host = server.http.base_url.copy_with(path="/api")
    thing = Thing(server)
    async with (
        httpx.AsyncClient(base_url=host, trust_env=False, timeout=20) as http,
        http.stream("GET", "/event?thing") as stream,
    ):
        events = Events(stream.aiter_lines())
        await thing.start()
        try:
            registered = await events.next("REGISTRATION")
            assert registered == (await http.get("/clients/thing")).json()
            assert [one["endpoint"] for one in (await http.get("/clients/")).json()] == ["thing"]
            assert (await http.get("/security/clients")).json() == []
            objects = (await http.get("/objectspecs/thing")).json()
            assert [one["id"] for one in objects] == [1, 3, 5, 3303]
            await manage(http, thing)
            await report(http, thing, events)
            await sleep(http, thing, events)
        finally:
            await thing.context.shutdown()


def test_a_device_is_managed_and_heard_as_by_leshan(tmp_path: Path) -> None:
    async def played(server: Any) -> None:
        async with asyncio.timeout(60):
            await play(server)

    with served(tmp_path / "data", env=OPEN) as server:
        asyncio.run(played(server))
        assert server.end() == 0
