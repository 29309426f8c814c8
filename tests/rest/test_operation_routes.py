"""Operations over HTTP: submitting, waiting, listing, cancelling."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from typing import Any

import pytest
from fake_service import Api
from starlette.exceptions import HTTPException
from starlette.requests import Request

from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import QueueFull, RequestError, StoreError
from lwm2m_fast.rest.bodies import MAX_ORDERS, OrderBody
from lwm2m_fast.rest.waiting import attended

ALL = "/api/v1/devices/dev-1/operations"
READ = {"op": "read", "path": "/3/0/0"}


def submit(api: Api, json: Any, query: str = "") -> Any:
    return api.ask("POST", ALL + query, "operate", json=json)


def test_one_order_is_answered_with_its_operation_and_where_it_is(api: Api) -> None:
    answer = submit(api, READ)
    assert answer.status_code == 202
    assert answer.json()["order"] == READ
    assert answer.json()["state"] == "PENDING"
    assert answer.headers["location"] == f"{ALL}/1"
    assert api.get(answer.headers["location"]).json()["id"] == 1


def test_the_location_of_an_operation_has_the_endpoint_as_one_segment(api: Api) -> None:
    answer = api.ask("POST", "/api/v1/devices/a%2Fb/operations", "operate", json=READ)
    assert answer.headers["location"] == "/api/v1/devices/a%2Fb/operations/1"
    assert api.get(answer.headers["location"]).json()["endpoint"] == "a/b"


def test_a_list_of_orders_is_submitted_at_once_and_in_order(api: Api) -> None:
    orders = [READ, {"op": "execute", "path": "/3/0/4"}]
    answer = submit(api, orders)
    assert answer.status_code == 202
    assert [one["order"]["op"] for one in answer.json()["operations"]] == ["read", "execute"]
    assert len(api.service.submitted) == 1


def test_a_device_that_is_not_registered_can_be_asked(api: Api) -> None:
    answer = api.ask("POST", "/api/v1/devices/nobody/operations", "operate", json=READ)
    assert answer.status_code == 202


def test_timeout_and_validity_go_with_the_operation(api: Api) -> None:
    submit(api, READ, "?timeout=12.5&valid_until=1800000000")
    assert api.service.submitted[0][2] == {"timeout_s": 12.5, "valid_until": 1800000000.0}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("wait=0", 202),
        ("wait=600", 200),
        ("wait=600.1", 400),
        ("wait=-1", 400),
        ("wait=nan", 400),
        ("timeout=0.1", 202),
        ("timeout=0.09", 400),
        ("timeout=600", 202),
        ("timeout=600.1", 400),
        ("valid_until=-1", 400),
        ("valid_until=inf", 400),
    ],
)
def test_the_limits_of_a_submission(api: Api, query: str, status: int) -> None:
    answer = submit(api, READ, f"?{query}")
    assert answer.status_code == status
    assert bool(api.service.submitted) is (status != 400)


def test_with_wait_the_answer_is_what_came_of_it(api: Api) -> None:
    answer = submit(api, READ, "?wait=30")
    assert answer.status_code == 200
    assert answer.json()["result"] == {"code": "2.04"}
    ((endpoint, number, seconds),) = api.service.waits
    assert (endpoint, number) == ("dev-1", 1)
    assert 29.0 < seconds <= 30.0


def test_an_operation_that_is_not_done_in_time_is_told_as_it_is(api: Api) -> None:
    api.service.end = None
    answer = submit(api, [READ, READ], "?wait=0.5")
    assert answer.status_code == 202
    assert [one["state"] for one in answer.json()["operations"]] == ["PENDING", "PENDING"]


def test_as_many_orders_as_allowed_are_taken_and_one_more_refused(api: Api) -> None:
    assert submit(api, [READ] * MAX_ORDERS).status_code == 202
    answer = submit(api, [READ] * (MAX_ORDERS + 1))
    assert answer.status_code == 400
    assert f"has {MAX_ORDERS + 1} orders, allowed are 1 to {MAX_ORDERS}" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "has 0 orders"),
        (3, "an order is a JSON object"),
        ([READ, 3], "body[1]: an order is a JSON object"),
        ([READ, {"op": "read"}], "body[1]: path"),
        ({"op": "fly"}, "body: op"),
        ({**READ, "path": "/3/65535"}, "body: path"),
        ({**READ, "colour": 1}, "colour"),
    ],
)
def test_what_is_no_order_is_refused_by_its_place_and_nothing_is_taken(
    api: Api, body: Any, said: str
) -> None:
    answer = submit(api, body)
    assert answer.status_code == 400
    assert said in answer.json()["detail"]
    assert api.service.submitted == []


def test_a_body_that_is_no_json_is_refused(api: Api) -> None:
    answer = api.ask("POST", ALL, "operate", content=b"{")
    assert answer.status_code == 400
    assert "not JSON" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (QueueFull("'dev-1'", 1000), 429, "1"),
        (RequestError("valid_until: is over"), 400, None),
        (StoreError("disk full"), 503, "5"),
    ],
)
def test_a_refused_submission_is_a_problem_with_its_status(
    api: Api, error: Exception, status: int, retry_after: str | None
) -> None:
    api.service.refusal = error
    answer = submit(api, READ)
    assert answer.status_code == status
    assert answer.json()["detail"] == str(error)
    assert answer.headers.get("retry-after") == retry_after


def test_operations_are_listed_newest_first_a_page_at_a_time(api: Api) -> None:
    submit(api, [READ] * 5)
    found: list[int] = []
    query = ""
    while True:
        page = api.get(f"{ALL}?limit=2{query}").json()
        found += [one["id"] for one in page["operations"]]
        if page["next_before"] is None:
            break
        query = f"&before={page['next_before']}"
    assert found == [5, 4, 3, 2, 1]


def test_a_list_can_be_narrowed_to_states(api: Api) -> None:
    submit(api, [READ, READ])
    submit(api, READ, "?wait=1")
    states = "state=SUCCESSFUL&state=FAILED"
    assert [one["id"] for one in api.get(f"{ALL}?{states}").json()["operations"]] == [3]
    assert api.get(f"{ALL}?state=DONE").status_code == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=1", 200),
        ("limit=1000", 200),
        ("limit=0", 400),
        ("limit=1001", 400),
        ("before=0", 400),
    ],
)
def test_the_limits_of_a_list(api: Api, query: str, status: int) -> None:
    assert api.get(f"{ALL}?{query}").status_code == status


def test_a_list_of_nobody_is_a_404_and_that_of_a_silent_device_is_empty(api: Api) -> None:
    assert api.get("/api/v1/devices/nobody/operations").status_code == 404
    assert api.get(ALL).json() == {"operations": [], "next_before": None}


def test_an_operation_can_be_waited_for_later(api: Api) -> None:
    submit(api, READ)
    assert api.get(f"{ALL}/1").json()["state"] == "PENDING"
    assert api.service.waits == []
    assert api.get(f"{ALL}/1?wait=5").json()["state"] == "SUCCESSFUL"


def test_a_cancelled_operation_has_failed(api: Api) -> None:
    submit(api, READ)
    answer = api.ask("DELETE", f"{ALL}/1", "operate")
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["reason"]) == ("FAILED", "cancelled")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_operation_that_is_not_there_is_a_404_problem(api: Api, method: str) -> None:
    answer = api.ask(method, f"{ALL}/7")
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:lwm2m-fast:problem:not-found"
    assert answer.json()["detail"] == "'dev-1' has no operation 7"
    assert api.ask(method, f"{ALL}/x").status_code == 400


def test_work_for_a_client_that_left_is_cancelled() -> None:
    async def scene() -> bool:
        request = Request({"type": "http"}, left)
        given_up = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                given_up.set()

        with pytest.raises(HTTPException):
            await attended(request, work())
        return given_up.is_set()

    async def left() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    assert asyncio.run(scene())


def test_every_field_of_an_order_is_in_the_openapi_document(api: Api) -> None:
    assert set(OrderBody.model_fields) == {field.name for field in fields(Order)} | {"strategy"}
    document = api.get("/openapi.json").json()
    body = document["paths"]["/api/v1/devices/{endpoint}/operations"]["post"]["requestBody"]
    assert "OrderBody" in str(body)
    assert "OrderBody" in document["components"]["schemas"]


def test_what_is_shown_of_an_operation_is_documented(api: Api) -> None:
    document = api.get("/openapi.json").json()
    known = document["components"]["schemas"]["Operation"]["properties"]
    assert set(submit(api, READ).json()) == set(known)
