"""/healthz, /readyz, /metrics: what machines ask.

A counter of the service becomes a metric by its name alone; no metric is listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.connection import Connection
from lwm2m_fast.rest.problem import JsonResponse, documented, problem
from lwm2m_fast.rest.routes import Context, Ctx, Route

PREFIX = "lwm2m_fast_"
# A name that ends so is a value that goes up and down; every other is a count.
GAUGE_ENDINGS = ("_current", "_bytes", "_limit", "_max", "_waiting", "_lingering")
# Times are gauges, in seconds (Prometheus: base units).
TIME_ENDINGS = {"_ms": 1e-3, "_us": 1e-6, "_ns": 1e-9}
_NO_NAME = re.compile(r"[^a-zA-Z0-9_]")


class Health(BaseModel):
    status: str


class Readiness(Health):
    problems: list[str] | None = Field(
        None, description="What is not served, though it is to be, while devices are"
    )


class ServiceCollector(Collector):
    """The service's counters, those of the HTTP interface, and the loop's stall."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        values: dict[str, float] = {
            "http_closed_slow": Connection.slow,
            "access_tokens_unusable": len(self._context.tokens.unusable),
            "loop_stall_max_ms": self._context.stall.max_s * 1e3,
            **self._context.counters,
            **self._context.service.counters(),
        }
        for name, value in values.items():
            yield metric(name, value)


def metric(name: str, value: float) -> Metric:
    """One flat counter name and its value as a Prometheus metric."""
    about = name.replace("_", " ") + "."
    name = _NO_NAME.sub("_", name)
    for ending, unit in TIME_ENDINGS.items():
        if name.endswith(ending):
            full = f"{PREFIX}{name.removesuffix(ending)}_seconds"
            return GaugeMetricFamily(full, about, value * unit)
    if name.endswith(GAUGE_ENDINGS):
        return GaugeMetricFamily(PREFIX + name, about, value)
    return CounterMetricFamily(PREFIX + name, about, value)


def fill(registry: CollectorRegistry, context: Context) -> None:
    """Put everything there is to measure into `registry`."""
    registry.register(ServiceCollector(context))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)


async def healthz() -> Response:
    """200 while the event loop turns."""
    return JsonResponse({"status": "alive"})


async def readyz(ctx: Ctx) -> Response:
    """200 when devices can be served, with `problems` if there are; else 503 with the reasons."""
    reasons = ctx.service.problems()
    if reasons:
        return problem(503, "; ".join(reasons), "not-ready", problems=reasons)
    problem_of_bootstrap = ctx.service.bootstrap.problem
    if problem_of_bootstrap is not None:  # registered devices are served all the same
        said = f"the bootstrap server was switched on, but is closed: {problem_of_bootstrap}"
        return JsonResponse({"status": "ready", "problems": [said]})
    return JsonResponse({"status": "ready"})


async def metrics(ctx: Ctx) -> Response:
    """Counters and gauges in Prometheus' text format."""
    return Response(generate_latest(ctx.registry), media_type=CONTENT_TYPE_LATEST)


_TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}}


def routes(metrics_open: bool) -> tuple[Route, ...]:
    """The rows; whether /metrics is open is the operator's choice."""
    return (
        Route(
            method="GET", path="/healthz", role=None, handler=healthz,
            tag="operation", responses={200: {"model": Health}},
        ),
        Route(
            method="GET", path="/readyz", role=None, handler=readyz,
            tag="operation",
            responses={200: {"model": Readiness}, **documented({503: "not ready, and why"})},
        ),
        Route(
            method="GET", path="/metrics", role=None if metrics_open else Role.READ,
            handler=metrics, tag="operation", responses={200: _TEXT},
        ),
    )  # fmt: skip
