"""What machines ask: alive, ready, metrics."""

from __future__ import annotations

import asyncio

import pytest
from fake_service import Api, FakeService

from lwm2m_fast.rest.health import metric
from lwm2m_fast.rest.stall import TICK_S, LoopStall


def test_a_server_that_answers_is_alive(api: Api) -> None:
    assert api.get("/healthz", None).json() == {"status": "alive"}


def test_a_server_without_problems_is_ready(api: Api) -> None:
    assert api.get("/readyz", None).json() == {"status": "ready"}


def test_a_server_with_problems_is_not_ready_and_lists_them(api: Api) -> None:
    api.service.reasons = ["the store is full", "still loading"]
    answer = api.get("/readyz", None)
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["the store is full", "still loading"]
    assert answer.json()["detail"] == "the store is full; still loading"
    assert api.get("/healthz", None).status_code == 200


def test_a_bootstrap_server_that_could_not_be_opened_is_told_and_devices_are_served(
    api: Api,
) -> None:
    api.service.bootstrap.problem = "bootstrap.port: cannot listen"
    answer = api.get("/readyz", None)
    assert answer.status_code == 200 and answer.json()["status"] == "ready"
    assert answer.json()["problems"] == [
        "the bootstrap server was switched on, but is closed: bootstrap.port: cannot listen"
    ]


def lines(api: Api) -> dict[str, float]:
    text = api.get("/metrics").text
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_every_counter_of_the_service_is_a_metric(api: Api) -> None:
    found = lines(api)
    assert found["lwm2m_fast_coap_received_total"] == 7
    assert found["lwm2m_fast_registrations_current"] == 2


def test_the_metrics_of_http_the_loop_and_the_process_are_there(api: Api) -> None:
    found = lines(api)
    assert found["lwm2m_fast_http_requests_total"] == 1
    assert found["lwm2m_fast_loop_stall_max_seconds"] == 0
    assert found["process_resident_memory_bytes"] > 0


def test_a_stall_that_the_service_measures_itself_wins() -> None:
    service = FakeService()
    service.counted = {"loop_stall_max_ms": 12}
    assert lines(Api(service))["lwm2m_fast_loop_stall_max_seconds"] == pytest.approx(0.012)


def test_two_servers_in_one_process_do_not_share_metrics() -> None:
    first, second = Api(FakeService()), Api(FakeService())
    first.get("/healthz")
    assert lines(first)["lwm2m_fast_http_requests_total"] == 2
    assert lines(second)["lwm2m_fast_http_requests_total"] == 1


@pytest.mark.parametrize(
    ("name", "full", "kind", "value"),
    [
        ("coap_rejected_version", "lwm2m_fast_coap_rejected_version", "counter", 5.0),
        ("registrations_current", "lwm2m_fast_registrations_current", "gauge", 5.0),
        ("link_bytes", "lwm2m_fast_link_bytes", "gauge", 5.0),
        ("outbox_waiting", "lwm2m_fast_outbox_waiting", "gauge", 5.0),
        ("refused: odd-name", "lwm2m_fast_refused__odd_name", "counter", 5.0),
        ("turn_max_us", "lwm2m_fast_turn_max_seconds", "gauge", 5e-6),
    ],
)
def test_a_name_says_what_kind_of_metric_it_is(
    name: str, full: str, kind: str, value: float
) -> None:
    made = metric(name, 5)
    assert (made.name, made.type) == (full, kind)
    assert made.samples[0].value == pytest.approx(value)


class FakeLoop:
    """A loop whose clock is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.armed: list[tuple[float, object]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: object, *given: object) -> object:
        self.armed.append((when, call))
        return self

    def cancel(self) -> None:
        self.armed.clear()


def test_the_stall_is_the_greatest_lateness_of_its_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = FakeLoop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    stall = LoopStall()
    stall.start()
    for late in (0.0, 0.25, 0.004):
        when, tick = loop.armed.pop()
        assert when == pytest.approx(loop.now + TICK_S)
        loop.now = when + late
        tick(loop)  # type: ignore[operator]
    assert stall.max_s == pytest.approx(0.25)
    stall.stop()
    assert loop.armed == []
