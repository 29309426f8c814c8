"""A device that bootstraps as OMA Core, section 6.1.7, says, over any connection of the kits."""

from __future__ import annotations

from typing import Any, Protocol

from lwm2m_fast.codec import FORMATS
from tests.account_types import TYPES
from tests.scenario.scripted import (
    ACK,
    CON,
    CONTENT_FORMAT,
    POST,
    Heard,
    code_byte,
    number_bytes,
    write,
)

BLOCK1 = 27


class Connection(Protocol):
    def ask(self, code: int, path: str, **parts: Any) -> Heard: ...
    def hear(self) -> Heard: ...
    def send(self, message: bytes) -> None: ...


class Device:
    """Its instances by path; at first the account of its bootstrap server."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[int, Any]] = {"/0/0": {0: "coap://bootstrap", 1: True}}
        self.asked: list[str] = []
        self._body = b""
        self._answers: dict[int, bytes] = {}

    def bootstrap(self, connection: Connection, *query: str) -> str:
        """Ask for a bootstrap and do what is asked until Finish; the code of the first answer."""
        self._answers.clear()
        answer = connection.ask(POST, "bs", query=query)
        while answer.code == "2.04":
            heard = connection.hear()
            if heard.type == CON:
                fresh = heard.mid not in self._answers
                code, options, payload = self._do(heard) if fresh else ("", [], b"")
                if fresh:
                    self._answers[heard.mid] = write(
                        ACK, code_byte(code), heard.mid, heard.token, options, payload
                    )
                connection.send(self._answers[heard.mid])
                if heard.path == [b"bs"]:
                    break
        return answer.code

    def _do(self, heard: Heard) -> tuple[str, list[tuple[int, bytes]], bytes]:
        path = "/" + b"/".join(heard.path).decode()
        method = {"0.01": "GET", "0.02": "POST", "0.03": "PUT", "0.04": "DELETE"}[heard.code]
        block = heard.block(BLOCK1)
        if block is not None:
            self._body = (self._body if block[0] else b"") + heard.payload
            echo = [(BLOCK1, heard.option(BLOCK1) or b"")]
            if block[1]:
                return "2.31", echo, b""
            self.asked.append(f"{method} {path}")
            self._write(path, heard, self._body)
            return "2.04", echo, b""
        self.asked.append(f"{method} {path}")
        if method == "GET":
            return "2.05", [(CONTENT_FORMAT, number_bytes(40))], self._links()
        if method == "DELETE":
            self._delete(path)
            return "2.02", [], b""
        if method == "PUT":
            self._write(path, heard, heard.payload)
        return "2.04", [], b""

    def _links(self) -> bytes:
        made = ["</>;lwm2m=1.1"]
        for path, values in sorted(self.objects.items()):
            is_account = path.startswith("/0/")
            short_id = values.get(10 if is_account else 0)
            shown = "" if is_account and values.get(1) else f";ssid={short_id}"
            made.append(f"<{path}>{shown}")
        return ",".join(made).encode()

    def _delete(self, path: str) -> None:
        for other in list(self.objects):
            kept = other.startswith("/0/") and self.objects[other].get(1)
            if not kept and (path == "/" or other == path or other.startswith(path + "/")):
                del self.objects[other]

    def _write(self, path: str, heard: Heard, payload: bytes) -> None:
        nodes = FORMATS[heard.number(CONTENT_FORMAT) or 0].decode(payload, path, TYPES)
        self.objects[path] = {node.path.ids[2]: node.value for node in nodes}

    def account(self, short_id: int = 1) -> dict[int, Any]:
        """Object 0 of the server with this short id."""
        (found,) = [
            values
            for path, values in self.objects.items()
            if path.startswith("/0/") and not values.get(1) and values.get(10) == short_id
        ]
        return found
