"""A Service whose device answers what it is told to, over the real orders, and the RPC route."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fake_service import Answer, Api, FakeService

from lwm2m_fast.core.ask import Answered
from lwm2m_fast.core.operations import build, interpret, result_json
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import RequestError

NOW_NS = 1_700_000_000 * 10**9
OBJECTS = {
    "1": {"version": None, "instances": [0]},
    "3": {"version": "1.1", "instances": [0]},
    "5": {"version": None, "instances": [0]},
    "19": {"version": "1.0", "instances": [0, 1]},
    "3303": {"version": "1.1", "instances": [0, 1]},
}
DONE = {"write": 68, "write_composite": 68, "write_attributes": 68, "execute": 68, "delete": 66}
"""CoAP code bytes of a device that does what it is asked."""


class RpcService(FakeService):
    """`answers`: op to the device's answer; what is not there is done, or is an empty value."""

    def __init__(self) -> None:
        super().__init__("dev-1")
        self.registered["dev-1"]["objects"] = OBJECTS
        self.registered["dev-1"]["content_formats"] = [0, 11542, 110, 112]
        self.answers: dict[str, Answer | str] = {}
        self.cancelled: list[int] = []

    @property
    def orders(self) -> list[Order]:
        return [order for _, orders, _ in self.submitted for order in orders]

    async def submit(
        self, endpoint: str, orders: Sequence[Order], **more: Any
    ) -> list[dict[str, Any]]:
        made = await super().submit(endpoint, orders, **more)
        self.end = self._outcome(endpoint, orders[0])
        return made

    def _outcome(self, endpoint: str, order: Order) -> dict[str, Any] | None:
        """How the operation stands once it was waited for; None: as before."""
        target = self.target(endpoint)
        assert target is not None
        try:
            if not order.op.startswith("cancel"):  # a passive one sends nothing
                build(order, target)
        except RequestError as error:
            return {"state": "FAILED", "reason": "refused", "result": {"error": str(error)}}
        answer = self.answers.get(order.op, Answer(DONE.get(order.op, 69), None, b""))
        if answer == "silence":
            return None
        if isinstance(answer, str):
            return {"state": "FAILED", "reason": answer, "result": None}
        told = (answer.code, answer.content_format, answer.payload, answer.etag)
        answered = Answered(1, "answered", *told, "19/2" if answer.code == 65 else None, 0)
        result = interpret(order, target, answered, NOW_NS)
        shown = result_json(result)
        if order.op.startswith("cancel"):
            shown["cancelled"] = 1
        return {"state": "SUCCESSFUL" if result.ok else "FAILED", "result": shown}

    async def cancel(self, endpoint: str, operation_id: int) -> dict[str, Any]:
        self.cancelled.append(operation_id)
        return await super().cancel(endpoint, operation_id)

    def observe(self, *paths: str, is_composite: bool = False) -> None:
        rows = self.relations.setdefault("dev-1", [])
        rows.append({"paths": list(paths), "is_composite": is_composite})


class Rpc:
    """The route, asked without a socket."""

    def __init__(self) -> None:
        self.service = RpcService()
        self.api = Api(self.service)

    def post(self, body: Any, endpoint: str = "dev-1", role: str = "operate") -> Any:
        return self.api.ask("POST", f"/api/v1/devices/{endpoint}/rpc", role, json=body)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        answer = self.post({"method": method, "params": params})
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    @property
    def asked(self) -> Order:
        """The one order that was submitted."""
        [order] = self.service.orders
        return order


__all__ = ["Answer", "Rpc"]
