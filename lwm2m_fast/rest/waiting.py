"""Waiting on behalf of an HTTP client: for operations to end, and no longer than it stays.

Knows operations as the service shows them, and no route.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, TypeVar

from fastapi import Request
from starlette.exceptions import HTTPException

from lwm2m_fast.core.orders import Order
from lwm2m_fast.rest.base import Service
from lwm2m_fast.rest.routes import Context

T = TypeVar("T")

ENDED = frozenset({"SUCCESSFUL", "FAILED"})


async def submitted(
    request: Request,
    ctx: Context,
    endpoint: str,
    orders: list[Order],
    wait: float,
    **more: Any,
) -> list[dict[str, Any]]:
    """Submit, then wait up to `wait` seconds for all. Returns the operations as they are then."""
    made = await ctx.service.submit(endpoint, orders, **more)
    if wait == 0:
        return made
    return await attended(request, ended(ctx.service, endpoint, made, wait))


async def ended(
    service: Service, endpoint: str, operations: Sequence[dict[str, Any]], seconds: float
) -> list[dict[str, Any]]:
    """These operations once the last has ended, or as they are after `seconds`.

    A device does one after the other, so waiting for them in order waits for no more than all.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    found: list[dict[str, Any]] = []
    for one in operations:
        left = max(0.0, until - loop.time())
        found.append(await service.wait(endpoint, one["id"], left))
    return found


async def attended(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """`work`'s result; the work is cancelled when the client goes away before.

    So what was given up leaves nothing behind. The body must have been read before.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise HTTPException(503, "the client left before the device had answered")
    finally:
        for one in (task, gone):
            one.cancel()
        await _settled(task, gone)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _settled(*tasks: Awaitable[Any]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


def status_of(operations: Sequence[dict[str, Any]]) -> int:
    """200 when all of them have ended, 202 (accepted) before."""
    return 200 if all(one["state"] in ENDED for one in operations) else 202
